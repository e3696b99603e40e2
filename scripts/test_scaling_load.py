#!/usr/bin/env python3
"""Let more and more players come, stay and leave, and see the server follow.

They play at a running server (--url and --admin), or at one that this starts with rules that are
quicker than the default ones and for fewer players. All is counted: how long answers take, sockets
that are closed, plays that are lost or doubled, and what the server decides about its workers and
why. The exit code is 0 if no socket was closed and nothing was lost or doubled, and, where the
server is this program's own, its workers became more and fewer again.
"""

from __future__ import annotations

from environment import enter


def main() -> None:
    """Run."""
    enter()
    from crowd import command
    from crowd.load import Plan, load, text

    parser = command.parser(__doc__)
    add = parser.add_argument
    add("--initial-players", type=int, default=10, help="at once (default %(default)s)")
    add("--max-players", type=int, default=500, help="in the end (default %(default)s)")
    add("--ramp-up-time", type=float, default=300.0, help="s, in which they come (%(default)g)")
    add("--hold-time", type=float, default=60.0, help="s, for which all stay (%(default)g)")
    add("--ramp-down-time", type=float, default=60.0, help="s, in which they leave (%(default)g)")
    help = "s, for the server to be as small as before (600; 0, need not be, for a running server)"
    add("--settle-time", type=float, help=help)
    add("--pace", type=float, default=1.0, help="mean s between two plays at a table (%(default)g)")
    add("--seed", type=int, default=1, help="of the players")
    add("--url", help="public address of a running server; else one is started")
    add("--admin", help="operators' address of that server")
    add("--rules", help="of that server, with commas between them (all but those on the machine)")
    command.add_own_server(parser, workers="1-4", hurry=12.0, density=100.0)
    given = parser.parse_args()
    if (given.url is None) != (given.admin is None):
        parser.error("--url and --admin belong together")
    settle = given.settle_time
    plan = Plan(
        initial=given.initial_players,
        most=max(given.initial_players, given.max_players),
        ramp_s=given.ramp_up_time,
        hold_s=given.hold_time,
        leave_s=given.ramp_down_time,
        settle_s=settle if settle is not None else 0.0 if given.url else 600.0,
        pace=given.pace,
        seed=given.seed,
        url=given.url,
        admin=given.admin,
        workers=given.workers,
        hurry=given.hurry,
        density=given.density,
        rules=given.rules and given.rules.split(","),
    )
    command.carry_out(
        lambda reactor, progress: load(reactor, plan, progress), text, as_json=given.json
    )


if __name__ == "__main__":
    main()
