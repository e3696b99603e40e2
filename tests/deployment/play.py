"""Play at tables of a server that runs elsewhere: python -m tests.deployment.play URL TABLES.

Each table has four clients, who play on until stdin ends, at a pace that the server allows; a line
there is answered with how many plays each table had. What was acknowledged must be in the histories
at the end, once.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from hokm.tasks import run
from tests.integration.test_matches import Table, check_so_far

THINK_SECONDS = 0.1  # twenty messages a second are allowed


class Site:
    """The public site of a server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> Any:
        """Return what a path answers, read as JSON."""
        with urllib.request.urlopen(self._url + path, timeout=30) as response:
            return json.load(response)


async def main(url: str, count: int) -> None:
    """Play, check, and print what happened."""
    tables = [Table(url, seed, think_seconds=THINK_SECONDS) for seed in range(count)]
    await gatherResults([Deferred.fromCoroutine(table.sit_down()) for table in tables])
    for table in tables:
        run(table.play_on(), "a table")
    print("playing", flush=True)
    while await deferToThread(sys.stdin.readline):
        print(json.dumps([table.acknowledged for table in tables]), flush=True)
    for table in tables:
        await table.pause()
        check_so_far(Site(url), table)
        table.end()
    resumes = sum(client.resumes for table in tables for client in table.clients)
    print(json.dumps({"plays": [table.acknowledged for table in tables], "resumes": resumes}))


if __name__ == "__main__":
    react(lambda _: Deferred.fromCoroutine(main(sys.argv[1], int(sys.argv[2]))))
