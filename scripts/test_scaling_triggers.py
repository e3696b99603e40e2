#!/usr/bin/env python3
"""Have the rules on CPU and memory fire for real, and clear again, while games go on.

It starts a server of its own, whose workers can be put under stress (those of a real one cannot),
with rules that are quicker than the default ones. One worker burns a core, or holds memory, until
the rule fires and another worker comes; then it rests, until the rule is quiet and the worker gone.
The exit code is 0 if all that happened, no socket was closed, and nothing was lost or doubled.
"""

from __future__ import annotations

from environment import enter


def main() -> None:
    """Run."""
    enter()
    from crowd import command
    from crowd.triggers import Plan, pull, text

    parser = command.parser(__doc__)
    add = parser.add_argument
    add("--trigger-cpu-load", action="store_true", help="burn a core")
    add("--trigger-memory-load", action="store_true", help="hold memory")
    add("--tables", type=int, default=4, help="that play meanwhile (default %(default)s)")
    add("--pace", type=float, default=0.5, help="mean s between two plays at a table (%(default)g)")
    add("--patience", type=float, default=120.0, help="s, for each step (%(default)g)")
    add("--workers", default="1-2", help="of the server (default %(default)s)")
    help = "its rules are so many times quicker than the default ones (default %(default)g)"
    add("--hurry", type=float, default=24.0, help=help)
    given = parser.parse_args()
    if not (given.trigger_cpu_load or given.trigger_memory_load):
        parser.error("--trigger-cpu-load, --trigger-memory-load or both are needed")
    plan = Plan(
        cpu=given.trigger_cpu_load,
        memory=given.trigger_memory_load,
        tables=given.tables,
        pace=given.pace,
        patience_s=given.patience,
        workers=given.workers,
        hurry=given.hurry,
    )
    command.carry_out(
        lambda reactor, progress: pull(reactor, plan, progress), text, as_json=given.json
    )


if __name__ == "__main__":
    main()
