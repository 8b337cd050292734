"""A command is killed: after a time, before a statement, before it changes a folder, or when so many bytes have passed."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.chaos.oracle import settle
from tests.chaos.proxy import Proxy
from tests.chaos.registry import ON_SERVERS, scenario
from tests.chaos.world import World

from .work import WORKS, Work

STATEMENTS, CHANGES, BYTES, SECONDS = 160, 60, 40_000, 1.4
"""How far a command may come before it is killed; many ends come in the first half."""


def drawn(chance: random.Random, most: int) -> int:
    """A number from 1 to the most, the small ones more often."""
    return 1 + int((most - 1) * chance.random() ** 1.5)


def _work(world: World) -> Work:
    make: Callable[[World], Work] = world.chance.choice(WORKS)
    return make(world)


@scenario("kills")
def after_a_time(world: World) -> None:
    work = _work(world)
    running = world.start(*work.words)
    running.kill_after(world.chance.uniform(0.3, SECONDS))
    world.heard(running.ended())
    settle(world, work.rests, *work.finish)


@scenario("kills")
def before_a_statement(world: World) -> None:
    work = _work(world)
    world.run(*work.words, CHAOS_AT=f"statement:{drawn(world.chance, STATEMENTS)}")
    settle(world, work.rests, *work.finish)


@scenario("kills")
def before_a_change_to_a_folder(world: World) -> None:
    work = _work(world)
    world.run(*work.words, CHAOS_AT=f"file:{drawn(world.chance, CHANGES)}")
    settle(world, work.rests, *work.finish)


@scenario("kills")
def twice(world: World) -> None:
    """What finishes the work is killed, too."""
    work = _work(world)
    world.run(*work.words, CHAOS_AT=f"statement:{drawn(world.chance, STATEMENTS)}")
    world.run(*work.finish[0].split(), CHAOS_AT=f"statement:{drawn(world.chance, STATEMENTS)}")
    settle(world, [*work.rests, *work.onward()], *work.finish)


@scenario("kills", *ON_SERVERS)
def when_so_many_bytes_have_passed(world: World) -> None:
    work = _work(world)
    running = None

    def kill() -> bool:
        assert running is not None
        running.kill()
        return False

    way = world.chance.choice(("to the server", "to the client", "both"))
    with Proxy(world.address, drawn(world.chance, BYTES), way, kill) as proxy, world.through(proxy.port):
        running = world.start(*work.words)
        world.heard(running.ended())
    settle(world, work.rests, *work.finish)
