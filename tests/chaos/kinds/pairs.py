"""Two commands at once on the same database: each stage is applied once, and no row is lost to the other."""

from __future__ import annotations

import random

from tests.chaos.oracle import Rest, from_nothing, on_the_way, rest, settle
from tests.chaos.registry import scenario
from tests.chaos.stages import LAST, NAMES, Rows, moved
from tests.chaos.world import World

from .work import waiting

_UP = (("up",), ("alembic", "upgrade", "head"), ("onboard",), ("rebuild",))
_LOOKING = (("status",), ("identify",), ("verify",), ("adopt",))


def _at_once(world: World, *pair: tuple[str, ...]) -> None:
    """Start both, one perhaps a moment later, and wait for both."""
    running = []
    for words in pair:
        running.append(world.start(*waiting(words, 40)))
        world.chance.random() < 0.5 and running[-1].pause(world.chance.uniform(0, 0.5))
    for each in running:
        ran = world.heard(each.ended())
        if ran.code < 0:
            world.fault("stuck", f"`{' '.join(ran.words)}` was ended by signal {-ran.code}")


def _through(rows: Rows, start: int, low: int) -> list[Rest]:
    """Where a database may be that was taken from one stage down to another, and perhaps up again on the way."""
    found = []
    for lowest in range(low, start + 1):
        fewer = moved(rows, start, lowest)
        found += [Rest(at, moved(fewer, lowest, at), moved(fewer, lowest, LAST)) for at in range(lowest, LAST + 1)]
    return found


def _put(world: World, least: int = 1) -> tuple[int, Rows]:
    stage = world.chance.randint(least, LAST)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows)
    return stage, rows


def _drawn(chance: random.Random, *groups: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return chance.choice([words for group in groups for words in group])


@scenario("pairs")
def both_go_up(world: World) -> None:
    stage, rows = _put(world)
    _at_once(world, _drawn(world.chance, _UP), _drawn(world.chance, _UP))
    settle(world, on_the_way(rows, stage, LAST))


@scenario("pairs")
def one_goes_up_and_one_looks(world: World) -> None:
    stage, rows = _put(world)
    _at_once(world, _drawn(world.chance, _UP), _drawn(world.chance, _LOOKING))
    settle(world, on_the_way(rows, stage, LAST))


@scenario("pairs")
def one_goes_up_and_one_down(world: World) -> None:
    stage, rows = _put(world)
    low = world.chance.randrange(stage)
    target = world.known.revisions[low] or "base"
    down = world.chance.choice([("down", "--to", NAMES[low - 1] if low else "base"), ("alembic", "downgrade", target)])
    _at_once(world, down, _drawn(world.chance, _UP))
    development = from_nothing() if low == 0 else []  # `onboard` may find it at no stage, and give it its first rows
    settle(world, [*_through(rows, stage, low), *development])


@scenario("pairs")
def both_make_it(world: World) -> None:
    makers = (("onboard",), ("rebuild",))
    _at_once(world, _drawn(world.chance, makers), _drawn(world.chance, makers))
    settle(world, from_nothing(), "onboard")


@scenario("pairs")
def one_resets_it(world: World) -> None:
    rows = world.onboarded()
    if world.chance.random() < 0.5:
        world.must("down", "--to", NAMES[0])
        rows = moved(rows, LAST, 1)
    stage = 1 if world.ran[-1].words[0] == "down" else LAST
    _at_once(world, ("reset", "--yes"), _drawn(world.chance, _UP, _LOOKING, (("reset", "--yes"),)))
    # `up`, too, makes a SQLite file where the other one has just removed it: without rows.
    bare = [rest(at, moved({}, 0, at)) for at in range(LAST + 1)] if world.server.kind == "sqlite" else []
    settle(world, [*on_the_way(rows, stage, LAST), *from_nothing(), *bare], "onboard")


@scenario("pairs")
def both_rebuild(world: World) -> None:
    """Two `rebuild`s in one folder, whose last file is missing."""
    stage, rows = _put(world)
    versions = sorted((world.folder / "migrations" / "versions").glob("0*.py"))
    if stage < LAST:
        versions[-1].unlink()
    _at_once(world, ("rebuild",), ("rebuild",))
    settle(world, on_the_way(rows, stage, LAST), "rebuild", "up")
