"""Users who may not do all that a command needs: it says so, and what is there stays, until they are given the right."""

from __future__ import annotations

from tests.chaos.oracle import from_nothing, on_the_way, rest, settle
from tests.chaos.registry import scenario
from tests.chaos.servers.mariadb import MariaDB
from tests.chaos.stages import LAST, moved
from tests.chaos.world import World

_WITHOUT = {
    "CREATE": "SELECT, INSERT, UPDATE, DELETE, DROP, ALTER, INDEX, REFERENCES",
    "DROP": "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES",
    "ALTER": "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, REFERENCES",
    "INDEX": "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, REFERENCES",
    "UPDATE": "SELECT, INSERT, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES",
    "DELETE": "SELECT, INSERT, UPDATE, CREATE, DROP, ALTER, INDEX, REFERENCES",
    "REFERENCES": "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX",
    "anything but SELECT": "SELECT",
}


@scenario("rights", "postgresql")
def no_right_to_make_a_database(world: World) -> None:
    world.server.execute("postgres", f"ALTER ROLE {world.user} NOCREATEDB")
    for words in (("onboard", "--wait", "5"), ("rebuild",), ("verify",), ("reset", "--yes")):
        if world.run(*words).code == 0:
            world.fault("stuck", f"`{' '.join(words)}` says that it is done, without the right to make a database")
    world.server.execute("postgres", f"ALTER ROLE {world.user} CREATEDB")
    settle(world, from_nothing(), "onboard")


@scenario("rights", "postgresql")
def no_right_to_make_a_database_and_there_is_one(world: World) -> None:
    """It needs no other database to go up."""
    stage = world.chance.randint(1, LAST - 1)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows)
    world.server.execute("postgres", f"ALTER ROLE {world.user} NOCREATEDB")
    for words in (("identify",), ("adopt",), ("reset", "--yes"), ("verify",)):
        world.run(*words)
    world.must("up")
    world.server.execute("postgres", f"ALTER ROLE {world.user} CREATEDB")
    settle(world, [rest(LAST, moved(rows, stage, LAST))])


@scenario("rights", "postgresql")
def not_the_owner(world: World) -> None:
    """Everything is somebody else's; the user may read and write rows."""
    stage = world.chance.randint(1, LAST)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows, owner="")
    world.server.execute(
        world.dev, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {world.user}"
    )
    world.watch(world.dev)
    for words in (("down", "--to", "base"), ("up",), ("onboard",), ("adopt", "--protect"), ("reset", "--yes")):
        world.run(*words)


@scenario("rights", "postgresql")
def not_the_owner_of_the_database_but_of_its_tables(world: World) -> None:
    """The comment is the owner's to write."""
    stage = world.chance.randint(1, LAST)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows)
    world.server.execute("postgres", f'ALTER DATABASE "{world.dev}" OWNER TO CURRENT_USER')
    world.server.execute(world.dev, f"GRANT ALL ON SCHEMA public TO {world.user}")
    for words in (("adopt", "--protect"), ("reset", "--yes")):
        if world.run(*words).code == 0:
            world.fault("stuck", f"`{' '.join(words)}` says that it is done, without the right to it")
    settle(world, on_the_way(rows, stage, LAST))


def _maria(world: World) -> MariaDB:
    assert isinstance(world.server, MariaDB)
    return world.server


def _restrict(world: World, rights: str, scratch: str = "") -> None:
    """Take all rights away, and give these on the project's database."""
    for host in ("%", "localhost"):
        with _maria(world)._connected() as cursor:
            cursor.execute(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{world.user}'@'{host}'")
        _maria(world).grant(world.user, rights, world.dev.replace("_", r"\_"), host)
        if scratch:
            _maria(world).grant(world.user, scratch, r"strata\_%", host)
            _maria(world).grant(world.user, scratch, r"sqlstrata\_%", host)


def _give_all(world: World) -> None:
    for host in ("%", "localhost"):
        for names in (
            world.user.replace("_", r"\_") + r"\_%",
            world.dev.replace("_", r"\_"),
            r"strata\_%",
            r"sqlstrata\_%",
        ):
            _maria(world).grant(world.user, "ALL", names, host)


@scenario("rights", "mariadb")
def rights_on_one_database_only(world: World) -> None:
    stage = world.chance.randint(1, LAST - 1)
    rows = world.rows(stage)
    world.put(world.dev, stage, rows)
    _restrict(world, "ALL")
    for words in (("verify",), ("identify",), ("reset", "--yes")):
        world.run(*words)
    world.must("up")
    _give_all(world)
    settle(world, [rest(LAST, moved(rows, stage, LAST))])


@scenario("rights", "mariadb")
def no_right_on_any_database(world: World) -> None:
    _restrict(world, "SELECT")
    for words in (("onboard", "--wait", "5"), ("rebuild",), ("up",)):
        if world.run(*words).code == 0:
            world.fault("stuck", f"`{' '.join(words)}` says that it is done, without the right to make a database")
    _give_all(world)
    settle(world, from_nothing(), "onboard")


def _without(name: str) -> None:
    @scenario("rights", "mariadb", name=f"without {name}")
    def play(world: World) -> None:
        start = world.chance.randint(1, LAST)
        rows = world.rows(start)
        world.put(world.dev, start, rows)
        _restrict(world, _WITHOUT[name], "ALL")
        words = world.chance.choice(
            [("up",), ("down", "--to", "clientes"), ("onboard",), ("alembic", "upgrade", "head")]
        )
        world.run(*words)
        world.run("status")
        _give_all(world)
        low = 1 if words[0] == "down" else start
        allowed = [
            rest(at, moved(moved(rows, start, lowest), lowest, at))
            for lowest in range(low, start + 1)
            for at in range(lowest, LAST + 1)
        ]
        settle(world, allowed)


for _name in _WITHOUT:
    _without(_name)
