"""Play at many tables while the server is disturbed, and prove that nothing was lost."""

from __future__ import annotations

from disturbance import command
from disturbance.run import tell
from disturbance.schedule import OUTSIDE, WEIGHTS, make_schedule, read_kinds


def main() -> None:
    """Run; the exit code is 0 only if nothing was lost and no socket closed."""
    parser = command.options(__doc__, rooms=100, seconds=60.0)
    kinds_help = f"all, none, or a list of {', '.join(WEIGHTS)}"
    parser.add_argument("--faults", default="all", help=kinds_help)
    parser.add_argument("--every", type=float, default=3.0, help="mean seconds between two faults")
    given = command.read(parser)
    try:
        kinds = read_kinds(given.faults)
    except ValueError as error:
        parser.error(str(error))
    if given.url is not None:
        kinds = [kind for kind in kinds if kind in OUTSIDE]
    actions = make_schedule(seed=given.seed, seconds=given.seconds, every=given.every, kinds=kinds)
    tell(f"seed {given.seed}, {len(actions)} faults to come")
    plan = command.plan(given, actions, all_done=False)
    command.carry_out(plan, as_json=given.json)


if __name__ == "__main__":
    main()
