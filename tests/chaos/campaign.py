"""Playing cases until the time is over, and what came of them."""

from __future__ import annotations

import itertools
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from . import kinds  # noqa: F401 - registers the scenarios
from .commands import Ran
from .registry import Case, Skipped, cases
from .servers import SERVERS
from .world import FAULTS, Fault, world

BROKEN = "campaign's own errors"


@dataclass(frozen=True)
class Outcome:
    """What came of a case; `skipped` says why it was not played."""

    case: Case
    faults: tuple[Fault, ...]
    ran: tuple[Ran, ...] = ()
    skipped: str | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        """The whole story, for somebody who has to find the cause."""
        faults = "\n".join(f"  {fault.what}: {fault.sentence}" for fault in self.faults)
        story = "\n\n".join(str(each) for each in self.ran)
        return f"{'=' * 100}\n{self.case}\n{faults}\nAgain: {self.case.again}\n\n{story}\n"


@dataclass
class Tally:
    """The outcomes of a campaign, counted by kind and server."""

    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    bad: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        place = outcome.case.scenario.kind, outcome.case.server
        if outcome.skipped is not None:
            self.skipped[str(outcome.case)] = outcome.skipped
            return
        self.runs[place] += 1
        self.faults.update((*place, fault.what) for fault in outcome.faults)
        if outcome.faults:
            self.bad.append(outcome)

    def table(self) -> str:
        """Kinds and servers, how many runs each had, and how many faults."""
        heads = ("kind", "server", "runs", *FAULTS, BROKEN)
        lines = [
            (kind, server, str(number), *(str(self.faults[kind, server, what] or ".") for what in heads[3:]))
            for (kind, server), number in sorted(self.runs.items())
        ]
        widths = [max(len(line[place]) for line in (heads, *lines)) for place in range(len(heads))]
        shown = [
            "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) for line in (heads, *lines)
        ]
        return "\n".join([*shown, *(f"Skipped: {case}: {reason}" for case, reason in sorted(self.skipped.items()))])


def play(case: Case, hole: str | None = None) -> Outcome:
    """Play one case, and judge it."""
    silent = SERVERS[case.server].silence()
    if silent is not None:
        return Outcome(case, (), skipped=f"the server does not answer: {silent}")
    ran: list[Ran] = []
    begun = time.monotonic()
    try:
        with world(case.server, case.chance(), hole) as there:
            ran = there.ran
            case.scenario.play(there)
            there.compare_strangers()
            return Outcome(case, tuple(there.faults), tuple(ran), seconds=time.monotonic() - begun)
    except Skipped as reason:
        return Outcome(case, (), skipped=str(reason))
    except Exception:  # noqa: BLE001 - a scenario that could not be played is counted, and told
        return Outcome(case, (Fault(BROKEN, traceback.format_exc()),), tuple(ran))


def campaign(
    seed: int,
    seconds: float,
    *,
    wanted: Callable[[Case], bool] = lambda _: True,
    jobs: int = 2,
    hole: str | None = None,
    single: Case | None = None,
    heard: Callable[[Outcome], None] = lambda _: None,
) -> Tally:
    """Play the wanted cases of a seed, or a single one, until the time is over; one that was begun is played to its end."""
    tally, end = Tally(), time.monotonic() + seconds
    drawn = iter([single]) if single else _until(end, (case for case in cases(seed) if wanted(case)))
    with ThreadPoolExecutor(jobs) as threads:
        at_work: set[Future[Outcome]] = {threads.submit(play, case, hole) for case in itertools.islice(drawn, jobs)}
        while at_work:
            done, at_work = wait(at_work, return_when=FIRST_COMPLETED)
            for each in done:
                tally.add(each.result())
                heard(each.result())
            at_work |= {threads.submit(play, case, hole) for case in itertools.islice(drawn, len(done))}
    return tally


def _until(end: float, drawn: Iterator[Case]) -> Iterator[Case]:
    return itertools.takewhile(lambda _: time.monotonic() < end, drawn)
