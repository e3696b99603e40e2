#!/usr/bin/env python3
"""Play on while the server is scaled up and down, and prove that no game noticed.

It plays at some tables of a running server (--url and --admin), or of one that it starts. Without
--during-scaling it only plays. The exit code is 0 if every play that was acknowledged is there,
nothing was lost, doubled or reordered, and no socket was closed.
"""

from __future__ import annotations

from environment import enter

TIMES = 4  # up and back, down and back, and so on


def main() -> None:
    """Run."""
    enter()
    from disturbance import command
    from disturbance.schedule import Action

    parser = command.options(__doc__, rooms=20, seconds=30.0)
    parser.add_argument("--during-scaling", action="store_true", help="scale up and down meanwhile")
    given = command.read(parser)
    step = given.seconds / (TIMES + 1)
    scaling = [Action(step * (n + 1), "scale", chance=0.9 * (n % 2)) for n in range(TIMES)]
    plan = command.plan(given, scaling if given.during_scaling else [], all_done=True)
    command.carry_out(plan, as_json=given.json)


if __name__ == "__main__":
    main()
