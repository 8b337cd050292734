"""The disk is full, or becomes full: the SQLite file, the migrations and the scratch files are on a small one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.oracle import from_nothing, on_the_way, rest, settle
from tests.chaos.registry import Skipped, scenario
from tests.chaos.stages import LAST, NAMES, Rows
from tests.chaos.world import World


@contextmanager
def _small(folder: Path, kilobytes: int) -> Iterator[None]:
    """A folder is a disk of its own, of that size. Raises Skipped where only root could do this."""
    folder.mkdir(parents=True, exist_ok=True)
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        message = "only root can make a small disk"
        raise Skipped(message)
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=False, capture_output=True
    )
    if made.returncode:
        message = f"no small disk can be made here: {made.stderr.decode().strip()}"
        raise Skipped(message)
    try:
        yield
    finally:
        subprocess.run([umount, "-l", folder], check=True)


@contextmanager
def _filled(folder: Path, left: int) -> Iterator[None]:
    """For as long as the bracket, only so many bytes are left on the disk."""
    rest_ = folder / "filled"
    free = os.statvfs(folder)
    size = max(0, free.f_bavail * free.f_frsize - left)
    with contextlib.suppress(OSError), rest_.open("wb") as file:
        file.write(b"x" * size)
    try:
        yield
    finally:
        rest_.unlink()


def _many(world: World, stage: int) -> Rows:
    return world.rows(stage, 900)


@scenario("disks", "sqlite")
def full_while_it_goes_up_or_down(world: World) -> None:
    start = world.chance.randint(1, LAST)
    up = start == 1 or (start < LAST and world.chance.random() < 0.5)
    end = LAST if up else world.chance.randint(1, start - 1)
    with _small(world.root / "disk", 600):
        world.placed = world.root / "disk"
        world.configure()
        rows = _many(world, start)
        world.put(world.dev, start, rows)
        words = ("up",) if up else ("down", "--to", NAMES[end - 1])
        with _filled(world.placed, world.chance.randrange(0, 150_000, 4096)):
            world.run(*words)
            world.run("status")
        settle(world, on_the_way(rows, start, end))


@scenario("disks", "sqlite")
def full_while_a_database_is_made(world: World) -> None:
    with _small(world.root / "disk", 600):
        world.placed = world.root / "disk"
        world.configure()
        with _filled(world.placed, world.chance.randrange(0, 60_000, 4096)):
            world.run(*world.chance.choice([("onboard",), ("rebuild",), ("reset", "--yes")]))
        settle(world, from_nothing(), "onboard")


@scenario("disks", "sqlite")
def full_while_it_is_reset(world: World) -> None:
    with _small(world.root / "disk", 600):
        world.placed = world.root / "disk"
        world.configure()
        rows = world.onboarded()
        with _filled(world.placed, world.chance.randrange(0, 60_000, 4096)):
            world.run("reset", "--yes")
        settle(world, [rest(LAST, rows), *from_nothing()], "onboard")


@scenario("disks")
def full_where_the_migrations_are(world: World) -> None:
    """`rebuild` writes the whole history, or leaves the one that there is."""
    stage = world.chance.randint(1, LAST - 1)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows)
    kept = world.root / "kept"
    shutil.move(world.folder, kept)
    with _small(world.folder, 1200):
        shutil.copytree(kept, world.folder, dirs_exist_ok=True)
        max((world.folder / "migrations" / "versions").glob("0*.py")).unlink()
        with _filled(world.folder, world.chance.randrange(0, 60_000, 4096)):
            world.run("rebuild")
            world.run("status")
        settle(world, on_the_way(rows, stage, LAST), "rebuild", "up")


@scenario("disks", "sqlite")
def full_where_scratch_files_are(world: World) -> None:
    stage = world.chance.randint(1, LAST - 1)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows)
    with _small(world.tmp, 400):
        with _filled(world.tmp, world.chance.randrange(0, 60_000, 4096)):
            for words in (("verify",), ("identify",), ("rebuild",)):
                world.run(*words)
        settle(world, on_the_way(rows, stage, LAST))
