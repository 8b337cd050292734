"""While `reset` asks, the database is exchanged, protected or renamed; a path leads elsewhere between two looks."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.chaos.oracle import Rest, from_nothing, rest, settle
from tests.chaos.registry import scenario
from tests.chaos.stages import LAST
from tests.chaos.world import World


def _while_it_asks(world: World, meanwhile: Callable[[], None]) -> None:
    """Start `reset`, do something while its question stands, and say yes."""
    running = world.on_terminal("reset", "--wait", "5")
    if running.asks():
        meanwhile()
    world.heard(running.answered("y"))
    world.wait_for_quiet()


@scenario("take-overs")
def nothing_happens(world: World) -> None:
    """So that one sees that the others are asked, too."""
    world.onboarded()
    asked = []
    _while_it_asks(world, lambda: asked.append(True))
    if not asked:
        world.fault("stuck", "`reset` does not ask")
    settle(world, from_nothing())


@scenario("take-overs")
def another_takes_the_name(world: World) -> None:
    """The database goes, and a stranger's gets its name."""
    world.onboarded()

    def exchange() -> None:
        world.server.drop(world.dev)
        world.put(world.dev, LAST, world.rows(LAST))
        world.watch(world.dev)

    _while_it_asks(world, exchange)


@scenario("take-overs", "sqlite", "postgresql")
def one_that_the_program_made_takes_the_name(world: World) -> None:
    """Another project's database, with a mark of its own, is moved to the name."""
    world.onboarded()
    other = world.place("other")
    world.configure(world.url(other))
    world.must("onboard")
    world.server.insert(other, world.rows(LAST), user=world.user)
    world.configure()

    def exchange() -> None:
        world.server.drop(world.dev)
        world.server.rename(other, world.dev)
        world.watch(world.dev)

    _while_it_asks(world, exchange)


@scenario("take-overs", "sqlite", "postgresql")
def it_is_moved_away_and_a_stranger_s_takes_the_name(world: World) -> None:
    world.onboarded()

    def exchange() -> None:
        world.server.rename(world.dev, world.place("away"))
        world.server.rename(world.stranger, world.dev)
        world.watched[world.server.kind, world.dev] = world.watched.pop((world.server.kind, world.stranger))
        world.watch(world.place("away"))

    _while_it_asks(world, exchange)


@scenario("take-overs")
def it_is_protected_meanwhile(world: World) -> None:
    world.onboarded()

    def protect() -> None:
        world.must("adopt", "--protect")
        world.watch(world.dev)

    _while_it_asks(world, protect)


@scenario("take-overs")
def it_gets_other_rows_meanwhile(world: World) -> None:
    """It is the same database: it goes, or stays with all its rows."""
    rows = world.onboarded()
    more = {"clientes": [{**row, "id": row["id"] + 1000} for row in rows["clientes"]]}
    _while_it_asks(world, lambda: world.server.insert(world.dev, more, user=world.user))
    settle(world, [*from_nothing(), rest(LAST, {**rows, "clientes": [*rows["clientes"], *more["clientes"]]})])


@scenario("take-overs", "sqlite")
def a_link_takes_the_path_s_place(world: World) -> None:
    """The file goes, and a symbolic link to a stranger's gets its name."""
    world.onboarded()

    def exchange() -> None:
        Path(world.dev).unlink()
        Path(world.dev).symlink_to(world.stranger)

    _while_it_asks(world, exchange)


@scenario("take-overs", "sqlite")
def a_path_is_exchanged_between_two_looks(world: World) -> None:
    """A copy of the stranger's is moved to the path before some statement of `reset`, if the old file is still there."""
    world.onboarded()
    dev, away = shlex.quote(world.dev), shlex.quote(world.place("away"))
    with Path(world.dev).open("rb") as file:  # as long as it is open, no other file has its number
        number = os.fstat(file.fileno()).st_ino
        exchange = f"[ $(stat -c %i {dev}) != {number} ] || (mv {dev} {away}; cp {shlex.quote(world.stranger)} {dev})"
        world.run("reset", "--yes", CHAOS_AT=f"statement:{world.chance.randint(1, 12)}", CHAOS_DO=exchange)
    if Path(world.place("away")).exists():
        world.watched["sqlite", world.dev] = world.watched["sqlite", world.stranger]


# ------------------------------------------------------------------- databases made elsewhere


def _adopted(world: World, stage: int, rest_: Rest) -> None:
    """`adopt` finds the stage, and `up` goes on from there, with all rows."""
    ran = world.run("adopt")
    if ran.code:
        world.fault("stuck", f"`adopt` refuses a database that is exactly at stage {stage}")
    settle(world, [rest_])


@scenario("take-overs")
def adopted_that_was_made_by_hand(world: World) -> None:
    stage = world.chance.randint(1, LAST)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows, revision="")
    _adopted(world, stage, rest(stage, rows))


@scenario("take-overs")
def adopted_that_has_an_older_history(world: World) -> None:
    stage = world.chance.randint(1, LAST)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows, revision="feed12345678")
    _adopted(world, stage, rest(stage, rows))


_CREATE_ALL = """
import sys, sqlalchemy as sa, modelos.itens, modelos.titular
from modelos.base import Base
Base.metadata.create_all(sa.create_engine(sys.argv[1]))
"""


@scenario("take-overs")
def adopted_that_create_all_made(world: World) -> None:
    world.server.create(world.dev, world.user)
    command = [sys.executable, "-c", _CREATE_ALL, world.url()]
    subprocess.run(command, cwd=world.folder, check=True, env={**world.environ(), "PYTHONPATH": "."})
    rows = world.rows(LAST)
    world.server.insert(world.dev, rows, user=world.user)
    _adopted(world, LAST, rest(LAST, rows))


@scenario("take-overs")
def adopting_what_fits_no_stage_changes_nothing(world: World) -> None:
    stage = world.chance.randint(1, LAST)
    world.put(world.dev, stage, world.rows(stage), revision=world.chance.choice(["", "feed12345678"]))
    world.server.execute(world.dev, "ALTER TABLE clientes ADD COLUMN deles INTEGER", user=world.user)
    world.watch(world.dev)
    for words in (("adopt",), ("up",), ("onboard",), ("rebuild",), ("reset", "--yes"), ("down", "--to", "base")):
        world.run(*words)
