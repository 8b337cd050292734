"""What commands tell while they work, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlstrata.folder import heal
from sqlstrata.plan import Plan

Told = Callable[[str, str], None]
"""Hears what is being done ("making", "proving on sqlite", "up"…) and at which stage; a sentence has no stage."""

WAIT = 60.0
"""Seconds to wait for somebody else who is migrating the same database, or writing the same folder."""


def silent(doing: str, stage: str) -> None:
    """Tell nobody."""


def healed(plan: Plan, told: Told) -> None:
    """Put right what an ended run left in the migrations folder, and say so."""
    sentence = heal(plan.migrations / "versions")
    if sentence:
        told(sentence, "")


class Clock:
    """Passes on what is being done, and keeps how long each stage took, in seconds."""

    def __init__(self, told: Told) -> None:
        self.told, self.since = told, time.perf_counter()
        self.seconds: dict[str, float] = {}
        self.stage: str | None = None

    def __call__(self, doing: str, stage: str) -> None:
        now = time.perf_counter()
        if self.stage is not None:
            self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self.since
        self.stage, self.since = stage or None, now
        self.told(doing, stage)
