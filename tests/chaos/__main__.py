"""`python -m tests.chaos --minutes 10 --seed 1`: play scenarios until the time is over; exit with 1 if one found a fault."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
from functools import partial

from . import __doc__ as about
from . import kinds  # noqa: F401 - registers the scenarios
from .campaign import Outcome, campaign
from .holes import HOLES
from .registry import SCENARIOS, Case, cases
from .servers import SERVERS


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.chaos", description=about)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="default: another one each time")
    parser.add_argument("--server", choices=tuple(SERVERS), help="on this server only")
    parser.add_argument("--only", metavar="KIND", help="scenarios with this in their kind or name")
    parser.add_argument("--case", type=int, metavar="N", help="this case of the seed, once")
    parser.add_argument("--jobs", type=int, default=2, help="how many at the same time (2)")
    parser.add_argument("--hole", choices=tuple(HOLES), help="with this fault put back into the program")
    parser.add_argument("--list", action="store_true", help="show all scenarios")
    return parser.parse_args()


def wanted(given: argparse.Namespace, case: Case) -> bool:
    named = f"{case.scenario.kind}: {case.scenario.name}"
    return given.server in {None, case.server} and (given.only or "") in named


def show(outcome: Outcome) -> None:
    """A line for each case, and the whole story of one that found something."""
    state = f"skipped: {outcome.skipped}" if outcome.skipped else "FAULT" if outcome.faults else "good"
    print(f"{outcome.case.number:5} {outcome.case}: {state} ({outcome.seconds:.1f} s)", flush=True)
    if outcome.faults:
        print(outcome, flush=True)


def main() -> int:
    given = arguments()
    if given.list:
        print("\n".join(f"{each.kind}: {each.name} ({', '.join(each.servers)})" for each in SCENARIOS))
        return 0
    if given.only and not any(given.only in f"{each.kind}: {each.name}" for each in SCENARIOS):
        print(f"No scenario has {given.only!r} in its name: see --list.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was begun is ended, and removed
    print(f"Seed {given.seed}", flush=True)
    if given.case is not None:
        single = next(case for case in cases(given.seed) if case.number == given.case)
        tally = campaign(given.seed, 1e9, single=single, hole=given.hole, heard=show)
    else:
        chosen = partial(wanted, given)
        tally = campaign(given.seed, given.minutes * 60, wanted=chosen, jobs=given.jobs, hole=given.hole, heard=show)
    print(tally.table())
    print("Cases with faults:", ", ".join(str(each.case.number) for each in tally.bad) or "none")
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
