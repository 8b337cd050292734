"""What must be true after a scenario: where the database may rest, with which rows, and that a way leads on from there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from . import stages
from .commands import Ran
from .servers import Picture, frozen
from .stages import LAST, Rows, moved
from .world import World

MISSING = None
_NAMED = re.compile(r"`inv (\w[\w-]*)([^`]*)`")


@dataclass(frozen=True)
class Rest:
    """A state that the database may rest in: the stage (None: there is no database), its rows, and the rows at the end."""

    stage: int | None
    rows: Rows
    final: Rows
    unsaid: bool = False
    """The database may have no revision yet: it was made by hand."""

    def fits(self, stage: int | None, data: dict[str, tuple[str, ...]]) -> bool:
        return self.stage == stage and {name: frozen(each) for name, each in self.rows.items()} == data


def rest(stage: int, rows: Rows) -> Rest:
    return Rest(stage, rows, moved(rows, stage, LAST))


def on_the_way(rows: Rows, start: int, end: int) -> list[Rest]:
    """The states in which a run from one stage to another may end."""
    step = 1 if end >= start else -1
    return [rest(stage, moved(rows, start, stage)) for stage in range(start, end + step, step)]


def from_nothing() -> list[Rest]:
    """The states in which `onboard` may end, and from which it goes on: the first stage comes with its rows."""
    final = stages.development()
    made = [rest(stage, stages.development(stage)) for stage in range(1, LAST + 1)]
    return [Rest(MISSING, {}, final), Rest(0, {}, final), *made]


def settle(world: World, rests: Iterable[Rest], *finish: str) -> None:
    """Judge where the database rests, and that `status` knows, and have commands (`up`) bring it to its end."""
    allowed = list(rests)
    world.wait_for_quiet()
    picture = world.server.picture(world.dev)
    found = look(world, picture, allowed)
    status = world.run("status", "--json")
    if picture is not None:
        _require_said(world, picture, found, status)
    for command in finish or ("up",):
        _bring_to_the_end(world, tuple(command.split()))
    final = [found] if found else allowed
    require_at_the_end(world, [each.final for each in final])
    world.wait_for_quiet()
    world.look_for_leftovers()


def look(world: World, picture: Picture | None, allowed: list[Rest]) -> Rest | None:
    """Which of the allowed states the database is in; None where it is half done, or in none."""
    if picture is not None and picture.half_done:
        return None
    stage = None if picture is None else world.known.stage_of(picture.schema)
    data = {} if picture is None else picture.data
    if picture is not None and stage is None:
        world.fault("stuck", f"the database rests at no stage: {_difference(world, picture)}")
        return None
    found = next((each for each in allowed if each.fits(stage, data)), None)
    unsaid = found is not None and found.unsaid and picture is not None and not picture.revision
    if picture is not None and picture.revision != _version(world, stage) and not unsaid:
        world.fault("stuck", f"the database has the schema of stage {stage} and says {picture.revision}")
    if found is None:
        world.fault("lost", f"at stage {stage} the rows are {_shown(data)}; they may be {_listed(allowed, stage)}")
    return found


def _version(world: World, stage: int | None) -> tuple[str, ...]:
    return frozen([{"version_num": world.known.revisions[stage]}]) if stage else ()


def _difference(world: World, picture: Picture) -> str:
    nearest = min(world.known.schemas, key=lambda each: len(each ^ picture.schema))
    return f"+ {sorted(picture.schema - nearest)} - {sorted(nearest - picture.schema)}"


def _shown(data: dict[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{len(rows)} {name} {list(rows[:2])}" for name, rows in data.items()) or "none"


def _listed(allowed: list[Rest], stage: int | None) -> str:
    fitting = [each for each in allowed if each.stage == stage]
    return " or ".join(_shown({n: frozen(r) for n, r in each.rows.items()}) for each in fitting) or "at another stage"


def _require_said(world: World, picture: Picture, found: Rest | None, status: Ran) -> None:
    """`status` says where the database is, or that a stage is half done."""
    try:
        said = json.loads(next(line for line in status.output.splitlines() if line.startswith("{")))
    except (StopIteration, ValueError):
        world.fault("stuck", f"`status` cannot say where the database is: {status.output.strip()}")
        return
    if found is not None and found.stage is not None and picture.revision == _version(world, found.stage):
        expected = stages.NAMES[found.stage - 1] if found.stage else None
        if said.get("stage") != expected:
            world.fault("stuck", f"`status` says {said.get('stage')!r}, and the database is at {expected!r}")


def _bring_to_the_end(world: World, finish: tuple[str, ...]) -> None:
    """Run the command that leads on, and, where it fails, the one that its message names."""
    ran = world.run(*finish)
    tried = [finish]
    while ran.code and len(tried) < 4:
        named = [(match[1], *match[2].split()) for match in _NAMED.finditer(ran.output)]
        words = next((each for each in named if each not in tried and _runs(each)), None)
        if words is None:
            break
        tried.append(words)
        ran = world.run(*words)
    if ran.code:
        world.fault("stuck", f"`{' '.join(finish)}` leads nowhere: {ran.output.strip()}")


def _runs(words: tuple[str, ...]) -> bool:
    """Whether a command that a message names can be run as it stands there, and destroys nothing."""
    return words[0] in {"up", "onboard", "rebuild", "adopt"} and not any(
        "…" in each or each.isupper() for each in words
    )


def require_at_the_end(world: World, finals: list[Rows]) -> None:
    """The database has the last stage's schema, says so, and has all rows."""
    picture = world.server.picture(world.dev)
    if picture is None:
        world.fault("lost", "the database is not there at the end")
        return
    if picture.schema != world.known.schemas[LAST]:
        world.fault("stuck", f"the database does not reach the last stage: {_difference(world, picture)}")
        return
    if picture.revision != _version(world, LAST):
        world.fault("stuck", f"the database does not say that it is at the last stage, but {picture.revision}")
    if all({name: frozen(rows) for name, rows in each.items()} != picture.data for each in finals):
        expected = _listed([Rest(LAST, each, each) for each in finals], LAST)
        world.fault("lost", f"at the end the rows are {_shown(picture.data)}, and should be {expected}")
