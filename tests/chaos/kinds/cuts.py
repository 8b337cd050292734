"""The connection ends in the middle of a command: after so many bytes, in either direction; or it is refused from then on."""

from __future__ import annotations

from tests.chaos.oracle import settle
from tests.chaos.proxy import Proxy
from tests.chaos.registry import ON_SERVERS, scenario
from tests.chaos.world import World

from .kills import BYTES, drawn
from .work import WORKS, waiting


def _cut(world: World, *, for_good: bool) -> None:
    work = world.chance.choice(WORKS)(world)
    way = world.chance.choice(("to the server", "to the client", "both"))
    with Proxy(world.address, drawn(world.chance, BYTES), way, lambda: False) as proxy, world.through(proxy.port):
        proxy.closes = for_good
        ran = world.run(*waiting(work.words, 5))
        answered = {4} if work.words[0] == "status" else set()  # all of it came before the cut
        if ran.code not in {0, 2, 3, 5, 7, 8, 9} | answered and work.words[0] != "alembic":
            world.fault("stuck", f"a connection that was cut is told with exit code {ran.code}")
    settle(world, work.rests, *work.finish)


@scenario("cuts", *ON_SERVERS)
def once(world: World) -> None:
    _cut(world, for_good=False)


@scenario("cuts", *ON_SERVERS)
def for_good(world: World) -> None:
    _cut(world, for_good=True)
