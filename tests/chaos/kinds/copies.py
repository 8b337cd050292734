"""Copies of a database that carry its mark: they are somebody's backup, and not the program's to drop."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.chaos.registry import scenario
from tests.chaos.stages import LAST
from tests.chaos.world import World


def _may_not_be_reset(world: World, copy: str) -> None:
    """config.yaml names the copy now, by mistake."""
    world.configure(world.url(copy))
    world.watch(copy)
    world.run("reset", "--yes")
    world.wait_for_quiet()


@scenario("copies", "sqlite")
def a_file_that_was_copied(world: World) -> None:
    world.onboarded()
    shutil.copy2(world.dev, world.place("backup"))
    _may_not_be_reset(world, world.place("backup"))


@scenario("copies", "sqlite")
def a_file_that_was_moved_away(world: World) -> None:
    world.onboarded()
    Path(world.dev).rename(world.place("backup"))
    _may_not_be_reset(world, world.place("backup"))


@scenario("copies", "sqlite")
def a_copy_that_was_put_back(world: World) -> None:
    """The copy has the database's place, and its own file."""
    world.onboarded()
    shutil.copy2(world.dev, world.place("backup"))
    Path(world.dev).rename(world.place("away"))
    Path(world.dev).symlink_to(world.place("backup"))
    world.watch(world.place("backup"))
    world.watch(world.place("away"))
    world.run("reset", "--yes")


@scenario("copies", "sqlite")
def a_copy_made_by_vacuum(world: World) -> None:
    world.onboarded()
    world.server.execute(world.dev, f"VACUUM INTO '{world.place('backup')}'")
    _may_not_be_reset(world, world.place("backup"))


@scenario("copies", "sqlite")
def a_link_to_a_copy(world: World) -> None:
    world.onboarded()
    shutil.copy2(world.dev, world.place("backup"))
    Path(world.place("link")).symlink_to(world.place("backup"))
    world.configure(world.url(world.place("link")))
    world.watch(world.place("backup"))
    world.run("reset", "--yes")


@scenario("copies", "sqlite")
def a_second_name_of_the_file(world: World) -> None:
    """A hard link: what the file holds under its other name stays."""
    world.onboarded()
    Path(world.place("keep")).hardlink_to(world.dev)
    world.watch(world.place("keep"))
    world.run("reset", "--yes")


@scenario("copies", "postgresql")
def a_database_that_was_renamed(world: World) -> None:
    world.onboarded()
    world.server.rename(world.dev, world.place("backup"))
    _may_not_be_reset(world, world.place("backup"))


@scenario("copies", "postgresql")
def a_database_made_from_it_as_a_template_with_its_comment(world: World) -> None:
    world.onboarded()
    backup = world.place("backup")
    world.server.execute("postgres", f'CREATE DATABASE "{backup}" TEMPLATE "{world.dev}" OWNER {world.user}')
    _comment_too(world, backup)
    _may_not_be_reset(world, backup)


@scenario("copies", "postgresql", "mariadb")
def a_stranger_s_database_with_its_comment(world: World) -> None:
    """As a dump does that carries the comment along."""
    world.onboarded()
    backup = world.place("backup")
    world.put(backup, LAST, world.rows(LAST))
    _comment_too(world, backup)
    _may_not_be_reset(world, backup)


@scenario("copies", "postgresql")
def restored_under_its_own_name_from_a_dump(world: World) -> None:
    """Another database has the name now, and the comment of the old one; MariaDB could not tell it from that."""
    world.onboarded()
    picture = world.server.picture(world.dev)
    assert picture is not None
    world.server.drop(world.dev)
    world.put(world.dev, LAST, world.rows(LAST))
    world.server.say(world.dev, picture.about)
    _may_not_be_reset(world, world.dev)


def _comment_too(world: World, name: str) -> None:
    picture = world.server.picture(world.dev)
    assert picture is not None
    world.server.say(name, picture.about)
