"""Databases that say of themselves something like the program's mark, or that are protected: `reset` leaves them alone."""

from __future__ import annotations

from tests.chaos.registry import ON_SERVERS, scenario
from tests.chaos.stages import LAST
from tests.chaos.world import World

COMMENTS = (
    "strata: created by hand in 2019, do not drop",
    "strata: adopted children's register",
    "strata: createdby",
    "strata: not created here",
    "strata:created",
    " strata: created",
    "Strata: created",
    "the strata: created",
    "strata: was created, then protected",
    "strata: adopted\nstrata: protected",
    "strata: created,protected",
    "sqlstrata: created by hand in 2019, do not drop",
    "sqlstrata: created",
    "Lojas do Norte\nstrata: created in a hurry; ask Rui before you drop it",
    "x' OR '1'='1\nstrata: adopted the hard way",
)
NUMBERS = (0x53540000, 0x53540008, 0x53550001, 0x00015354, 0x53410001, 1, -1)
"""Of SQLite's application_id: some that look like the program's, and bear none of its words."""


@scenario("tricks", *ON_SERVERS)
def a_person_s_comment(world: World) -> None:
    _stays(world, world.chance.choice(COMMENTS))


@scenario("tricks", *ON_SERVERS)
def another_comment(world: World) -> None:
    _stays(world, world.chance.choice(COMMENTS))


@scenario("tricks", "sqlite")
def an_application_s_id(world: World) -> None:
    _stays(world, str(world.chance.choice(NUMBERS)))


def _stays(world: World, said: str) -> None:
    """A database that a person made, at the last stage, with rows, and what it says."""
    world.put(world.dev, LAST, world.rows(LAST), revision=world.chance.choice([None, ""]))
    world.server.say(world.dev, said)
    world.watch(world.dev)
    world.run("reset", "--yes")


@scenario("tricks")
def a_database_without_any_mark(world: World) -> None:
    world.put(world.dev, LAST, world.rows(LAST))
    world.watch(world.dev)
    world.run("reset", "--yes")


@scenario("tricks")
def one_that_was_protected_on_the_command_line(world: World) -> None:
    world.onboarded()
    world.must(world.chance.choice(["adopt", "up"]), "--protect")
    world.watch(world.dev)
    for words in (("reset", "--yes"), ("onboard",), ("rebuild",)):
        world.run(*words)


@scenario("tricks")
def one_that_config_yaml_protects(world: World) -> None:
    world.onboarded()
    world.configure(protected=True)
    world.watch(world.dev)
    for words in (("reset", "--yes"), ("onboard",), ("rebuild",)):
        world.run(*words)


@scenario("tricks")
def one_that_has_another_revision_and_is_protected(world: World) -> None:
    world.put(world.dev, LAST, world.rows(LAST), revision="feed12345678")
    world.configure(protected=True)
    world.watch(world.dev)
    for words in (("adopt",), ("up",), ("rebuild",), ("reset", "--yes")):
        world.run(*words)
