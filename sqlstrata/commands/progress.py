"""What commands report while they work, and how long each stage took."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlstrata import disk
from sqlstrata.folder import heal
from sqlstrata.plan import Plan

Notify = Callable[[str, str], None]
"""Called with what is being done ("making", "up"…) and the stage; with a sentence, the stage is empty.

With neither, nothing is shown for the moment, because a question is asked.
"""

WAIT = 60.0
"""Seconds to wait for another run on the same database or folder."""


def silent(_doing: str, _stage: str) -> None:
    """Report nothing."""


def messages(notify: Notify) -> Callable[[str], None]:
    """Give a function that reports a sentence."""
    return lambda sentence: notify(sentence, "")


def healed(plan: Plan, notify: Notify) -> None:
    """Repair what an interrupted run left in the migrations folder and beside config.yaml, and report it."""
    for sentence in (heal(plan.migrations / "versions"), disk.heal(plan.path)):
        if sentence:
            notify(sentence, "")


class Clock:
    """Passes reports on, and measures the seconds that each stage took."""

    def __init__(self, notify: Notify) -> None:
        self.notify, self.since = notify, time.perf_counter()
        self.seconds: dict[str, float] = {}
        self.stage: str | None = None

    def __call__(self, doing: str, stage: str) -> None:
        if stage:
            self.end()
            self.stage, self.since = stage, time.perf_counter()
        self.notify(doing, stage)

    def during(self, doing: str) -> Callable[[str], None]:
        """Give a function that is called with each stage when it begins, and with an empty name at the end."""
        return lambda stage: self(doing, stage) if stage else self.end()

    def end(self) -> None:
        """Count the time of the stage that was begun last."""
        if self.stage is not None:
            seconds = time.perf_counter() - self.since
            self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + seconds
            self.stage = None
