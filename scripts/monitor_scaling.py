#!/usr/bin/env python3
"""Watch a running server scale: workers, load, the nearest rule, each decision with its reason.

Until it is broken off (Ctrl-C), or for --seconds. The operators' token, if one is needed, is read
from HOKM_ADMIN_TOKEN. With --json each line is an object. The exit code is 0 if the server has
answered to the end, 1 if it did not, 2 if it never has.
"""

from __future__ import annotations

from environment import enter


def main() -> None:
    """Run."""
    enter()
    from crowd import command
    from crowd.monitor import Plan, text, watch

    parser = command.parser(__doc__)
    add = parser.add_argument
    address = "http://127.0.0.1:8764"
    add("--admin", default=address, help="operators' address of the server (%(default)s)")
    add("--seconds", type=float, help="how long; without it until it is broken off")
    add("--interval", type=float, default=2.0, help="s between two looks (default %(default)g)")
    given = parser.parse_args()
    plan = Plan(given.admin, given.seconds, given.interval, given.json)
    command.carry_out(
        lambda reactor, progress: watch(reactor, plan, progress), text, as_json=given.json
    )


if __name__ == "__main__":
    main()
