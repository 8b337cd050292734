"""The commands that are killed, cut off and run side by side: what each may leave, and what finishes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.chaos.oracle import Rest, from_nothing, on_the_way, rest
from tests.chaos.stages import LAST, NAMES, moved
from tests.chaos.world import World


@dataclass(frozen=True)
class Work:
    """A command, the states in which the database may rest when it ends at any moment, and what finishes it."""

    words: tuple[str, ...]
    rests: tuple[Rest, ...]
    finish: tuple[str, ...] = ("up",)

    def onward(self) -> list[Rest]:
        """The states that lie between those and the end."""
        known = [each for each in self.rests if each.stage is not None]
        return [
            Rest(to, moved(each.rows, each.stage or 0, to), each.final)
            for each in known
            for to in range(each.stage or 0, LAST + 1)
            if each.stage
        ]


def waiting(words: tuple[str, ...], seconds: int) -> tuple[str, ...]:
    """The command, with so many seconds to wait for others."""
    if words[0] == "alembic":
        return ("alembic", "-x", f"wait={seconds}", *words[1:])
    return (*words, "--wait", str(seconds)) if words[0] in _WAITING else words


_WAITING = {"up", "down", "onboard", "rebuild", "reset", "adopt"}


def _started(world: World, stage: int) -> tuple[Rest, ...]:
    """The development database, made by hand at a stage."""
    rows = world.rows(stage)
    world.put(world.dev, stage, rows)
    return (rest(stage, rows),)


def up(world: World) -> Work:
    start = world.chance.randrange(LAST)
    end = world.chance.randint(start + 1, LAST)
    (first,) = _started(world, start)
    words = world.chance.choice([("up", "--to", NAMES[end - 1]), ("alembic", "upgrade", world.known.revisions[end])])
    return Work(words, tuple(on_the_way(first.rows, start, end)))


def down(world: World) -> Work:
    start = world.chance.randint(1, LAST)
    end = world.chance.randrange(start)
    (first,) = _started(world, start)
    name = NAMES[end - 1] if end else "base"
    target = world.known.revisions[end] or "base"
    words = world.chance.choice([("down", "--to", name), ("alembic", "downgrade", target)])
    return Work(words, tuple(on_the_way(first.rows, start, end)))


def onboard(world: World) -> Work:
    return Work(("onboard",), tuple(from_nothing()), ("onboard",))


def onboard_again(world: World) -> Work:
    """`onboard` where there is a database already, at some stage."""
    start = world.chance.randint(1, LAST)
    (first,) = _started(world, start)
    return Work(("onboard",), tuple(on_the_way(first.rows, start, LAST)))


def rebuild(world: World) -> Work:
    """`rebuild` of a history whose last files are not there yet, with a proof, and the database brought up."""
    start = world.chance.randint(1, LAST - 1)
    (first,) = _started(world, start)
    for path in sorted((world.folder / "migrations" / "versions").glob("0*.py"))[start:]:
        path.unlink()
    return Work(("rebuild",), tuple(on_the_way(first.rows, start, LAST)), ("rebuild",))


def first_rebuild(world: World) -> Work:
    """`rebuild` in a project that has no migrations folder yet, and no database."""
    shutil.rmtree(world.folder / "migrations")
    return Work(("rebuild",), tuple(from_nothing()), ("rebuild",))


def reset(world: World) -> Work:
    rows = world.onboarded()
    return Work(("reset", "--yes"), (rest(LAST, rows), *from_nothing()), ("onboard",))


def adopt(world: World) -> Work:
    """`adopt` of a database that was made by hand, and has no revision yet."""
    stage = world.chance.randint(1, LAST)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows, revision="")
    return Work(("adopt",), (replace(rest(stage, rows), unsaid=True),), ("adopt", "up"))


def looking(world: World) -> Work:
    """A command that only looks, at a database at any stage."""
    first = _started(world, world.chance.randint(1, LAST))
    words = world.chance.choice([("identify",), ("status",), ("verify",), ("check",)])
    return Work(words, first)


WORKS: tuple[Callable[[World], Work], ...] = (
    up, up, down, down, onboard, onboard_again, rebuild, first_rebuild, reset, adopt, looking,
)  # fmt: skip
"""What is drawn from; twice means twice as often."""
