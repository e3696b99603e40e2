#!/usr/bin/env python3
"""Shut a worker down while games go on, and prove that none of them noticed.

It plays at some tables of a running server (--url and --admin), or of one that it starts, drains
the worker, and puts the number of workers back to what it was. The exit code is 0 if every play
that was acknowledged is there, nothing was lost, doubled or reordered, and no socket was closed.
"""

from __future__ import annotations

from environment import enter


def main() -> None:
    """Run."""
    enter()
    from disturbance import command
    from disturbance.schedule import Action

    parser = command.options(__doc__, rooms=20, seconds=15.0)
    parser.add_argument(
        "--instance", type=command.worker, required=True, help="the worker: 3, or hokm-server-3"
    )
    given = command.read(parser)
    drain = Action(given.seconds / 3, "drain", worker=given.instance)
    plan = command.plan(given, [drain], all_done=True)
    command.carry_out(plan, as_json=given.json)


if __name__ == "__main__":
    main()
