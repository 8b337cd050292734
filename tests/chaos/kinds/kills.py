"""A command is killed: after a time, before a statement, before it changes a folder, or when so many bytes have passed."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.chaos.oracle import settle
from tests.chaos.proxy import Proxy
from tests.chaos.registry import ON_SERVERS, scenario
from tests.chaos.world import World

from .work import WORKS, Work, looking, onboard, rebuild, reset

STATEMENTS = {"onboard": 120, "reset": 120, "rebuild": 360, "verify": 300, "check": 1}
CHANGES = {"onboard": 20, "reset": 26, "rebuild": 135}
"""How many points a command has, where it has more than 60 and 16."""
BYTES = 60_000
"""How many may pass before a command is killed."""


def drawn(chance: random.Random, most: int) -> int:
    """A number from 1 to the most, the small ones more often."""
    return 1 + int((most - 1) * chance.random() ** 1.5)


def _statement(world: World, command: str) -> str:
    return f"statement:{world.chance.randint(1, STATEMENTS.get(command, 60))}"


def _work(world: World) -> Work:
    make: Callable[[World], Work] = world.chance.choice(WORKS)
    return make(world)


@scenario("kills")
def after_a_time(world: World) -> None:
    work = _work(world)
    running = world.start(*work.words)
    running.kill_after(world.chance.uniform(0.3, 1.0) * world.known.seconds)
    world.heard(running.ended())
    settle(world, work.rests, *work.finish)


@scenario("kills")
def before_a_statement(world: World) -> None:
    work = _work(world)
    world.run(*work.words, CHAOS_AT=_statement(world, work.words[0]))
    settle(world, work.rests, *work.finish)


@scenario("kills")
def before_a_change_to_a_folder(world: World) -> None:
    work = _work(world)
    world.run(*work.words, CHAOS_AT=f"file:{world.chance.randint(1, CHANGES.get(work.words[0], 16))}")
    settle(world, work.rests, *work.finish)


@scenario("kills", *ON_SERVERS)
def right_after_a_database_was_made(world: World) -> None:
    """Some statements after CREATE DATABASE, when it may not say yet whose it is."""
    work = world.chance.choice((looking, looking, rebuild, onboard, reset))(world)
    world.run(*work.words, CHAOS_AT=f"created:{world.chance.randint(1, 9)}")
    settle(world, work.rests, *work.finish)


@scenario("kills")
def twice(world: World) -> None:
    """What finishes the work is killed, too."""
    work = _work(world)
    world.run(*work.words, CHAOS_AT=_statement(world, work.words[0]))
    finish = work.finish[0].split()
    world.run(*finish, CHAOS_AT=_statement(world, finish[0]))
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
