"""The scenarios by kind, and the order in which a seed draws them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .servers import SERVERS
from .world import World

Play = Callable[[World], None]
ALL, ON_SERVERS = tuple(SERVERS), ("postgresql", "mariadb")


class Skipped(Exception):
    """The machine cannot do what a scenario needs; the message says what."""


@dataclass(frozen=True)
class Scenario:
    """What happens in a world, and what must be true afterwards."""

    kind: str
    name: str
    servers: tuple[str, ...]
    play: Play


@dataclass(frozen=True)
class Case:
    """One scenario on one server, with chances of its own: seed and number give it again."""

    seed: int
    number: int
    scenario: Scenario
    server: str

    def chance(self) -> random.Random:
        return random.Random(f"{self.seed}/{self.number}")

    def __str__(self) -> str:
        return f"{self.scenario.kind}: {self.scenario.name} on {self.server}"

    @property
    def again(self) -> str:
        """The command that repeats it."""
        return f"python -m tests.chaos --seed {self.seed} --case {self.number}"


SCENARIOS: list[Scenario] = []


def scenario(kind: str, *servers: str, name: str = "") -> Callable[[Play], Play]:
    """Register a scenario; without servers it is for all. Its name is its function's unless another is given."""

    def register(play: Play) -> Play:
        shown = name or play.__name__.replace("_", " ")
        SCENARIOS.append(Scenario(kind, shown, servers or ALL, play))
        return play

    return register


def cases(seed: int) -> Iterator[Case]:
    """All cases of a seed, without end: kind by kind and server by server, each in its own shuffled order."""
    chance = random.Random(seed)
    turns = {
        (kind, server): _turns(
            chance.random(), [each for each in SCENARIOS if each.kind == kind and server in each.servers]
        )
        for kind in dict.fromkeys(each.kind for each in SCENARIOS)
        for server in SERVERS
    }
    number = 0
    while True:
        order = list(turns)
        chance.shuffle(order)
        for kind, server in order:
            for drawn in itertools.islice(turns[kind, server], 1):
                number += 1
                yield Case(seed, number, drawn, server)


def _turns(seed: float, scenarios: list[Scenario]) -> Iterator[Scenario]:
    """The scenarios of a kind for a server, shuffled, again and again."""
    chance = random.Random(seed)
    while scenarios:
        yield from chance.sample(scenarios, len(scenarios))
