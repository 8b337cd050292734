"""URLs, variables and files that say one database and lead to another: nobody else's may be touched by that."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.chaos.registry import Play, scenario
from tests.chaos.stages import LAST, ddl
from tests.chaos.world import World

_DESTROYING = (
    ("down", "--to", "base"),
    ("reset", "--yes"),
    ("rebuild",),
    ("adopt",),
    ("onboard",),
    ("up",),
)


def _tempt(world: World, url: str, prove_on: str, **variables: str) -> None:
    """Run what writes, empties and drops, with URLs that lie: as the database's, as the server's, and with `--url`."""
    world.configure(url, prove_on)
    for words in world.chance.sample(_DESTROYING, 2):
        world.run(*words, **variables)
    world.configure()
    world.run("verify", "--url", prove_on, **variables)
    words = world.chance.choice((("down", "--to", "base"), ("adopt",), ("up",)))
    world.run(*words, "--url", url, **variables)


def _lying(world: World, query: str, **variables: str) -> None:
    """The path names the project's database, and the query the stranger's."""
    world.onboarded()
    query = query.format(other=world.stranger, mine=world.dev, root=world.root)
    _tempt(world, world.url(query=query), world.scratch_url(query=query), **variables)
    world.wait_for_quiet()
    world.look_for_leftovers()


def _register(name: str, server: str, play: Play) -> None:
    scenario("lies", server, name=name)(play)


QUERIES: Mapping[str, tuple[str, ...]] = {
    "postgresql": (
        "dbname={other}",
        "dbname=dbname%3D{other}",
        "dbname=postgresql%3A%2F%2F%2F{other}",
        "dbname={other}&dbname={mine}",
        "database={other}",
        "service=another",
        "options=-crole%3Dnobody_at_all",
        "options=-cdefault_transaction_read_only%3Don",
        "hostaddr=127.0.0.1&host=nowhere.invalid",
    ),
    "mariadb": (
        "database={other}",
        "db={other}",
        "database={other}&db={mine}",
        "init_command=USE%20{other}",
        "init_command=SET%20sql_mode%3D%27ANSI%27",
        "read_default_file={root}/my.cnf",
        "read_default_file={root}/my.cnf&read_default_group=another",
        "unix_socket=/nowhere.sock",
        "unix_socket={root}/my.cnf&host=nowhere.invalid",
        "autocommit=true&db={other}",
    ),
}


def _with_files(play: Play) -> Play:
    """A service file and an option file are in their places."""

    def played(world: World) -> None:
        host, port = world.address
        (world.root / "home" / ".pg_service.conf").write_text(
            f"[another]\nhost={host}\nport={port}\nuser={world.user}\ndbname={world.stranger}\n", encoding="utf-8"
        )
        for group in ("client", "another"):
            with (world.root / "my.cnf").open("a", encoding="utf-8") as file:
                file.write(f"[{group}]\ndatabase={world.stranger}\n")
        play(world)

    return played


def _prove_there(world: World, query: str) -> None:
    """A proof, and a comparison, on a server that a query leads away from."""
    world.onboarded()
    query = query.format(other=world.stranger, mine=world.dev, root=world.root)
    for url in (world.scratch_url(query=query), world.url("", query=query)):
        world.run("verify", "--url", url)
        world.configure(prove_on=url)
        (world.folder / "migrations" / "versions" / "0004_titular.py").unlink(missing_ok=True)
        world.run("rebuild")


def _only_in_the_query(world: World, query: str) -> None:
    """The path names no database, and the query the project's: what proves, compares and looks changes nothing there."""
    world.onboarded()
    world.watch(world.dev)
    url = world.url("", query=query.format(mine=world.dev))
    world.configure(url, url)
    for words in world.chance.sample(
        (("verify",), ("rebuild",), ("onboard",), ("identify",), ("status",), ("stages",)), 4
    ):
        world.run(*words)
    world.look_for_leftovers()


for _kind, _queries in QUERIES.items():
    for _each in _queries:
        _register(f"path and query {_each}", _kind, _with_files(partial(_lying, query=_each)))
for _kind, _each in (
    ("postgresql", "dbname={other}"),
    ("postgresql", "service=another"),
    ("mariadb", "database={other}"),
    ("mariadb", "db={other}"),
    ("mariadb", "read_default_file={root}/my.cnf"),
    ("mariadb", "init_command=USE%20{other}"),
):
    # The stranger's is what the URL names, if anything: to prove on such a server may empty nothing.
    _register(f"prove_on {_each}", _kind, _with_files(partial(_prove_there, query=_each)))
for _kind, _each in (
    ("postgresql", "dbname={mine}"),
    ("mariadb", "database={mine}"),
    ("mariadb", "db={mine}"),
    ("mariadb", "init_command=USE%20{mine}"),
):
    _register(f"only the query {_each}", _kind, partial(_only_in_the_query, query=_each))


# ---------------------------------------------------------------------------- variables

VARIABLES: Mapping[str, Mapping[str, str]] = {
    "PGDATABASE": {"PGDATABASE": "{other}"},
    "PGSERVICE": {"PGSERVICE": "another"},
    "PGSERVICEFILE": {"PGSERVICE": "another", "PGSERVICEFILE": "{root}/home/.pg_service.conf"},
    "PGHOST": {"PGHOST": "nowhere.invalid"},
    "PGHOSTADDR": {"PGHOSTADDR": "127.0.0.1", "PGDATABASE": "{other}"},
    "PGOPTIONS of a role": {"PGOPTIONS": "-crole=nobody_at_all"},
    "PGUSER": {"PGUSER": "postgres", "PGDATABASE": "{other}"},
}


def _variables(given: Mapping[str, str]) -> Play:
    def play(world: World) -> None:
        world.onboarded()
        known = {name: text.format(other=world.stranger, root=world.root) for name, text in given.items()}
        _tempt(world, world.chance.choice((world.url(), world.url(""))), world.scratch_url(), **known)

    return _with_files(play)


@scenario("lies", "postgresql", name="a search path to somebody's schema")
def _search_path(world: World) -> None:
    """Tables of the same names in another schema of the project's database: no command may migrate or empty them."""
    world.onboarded()
    tables = [each.replace("CREATE TABLE ", "CREATE TABLE alheio.") for each in ddl("postgresql", 1)]
    row = "INSERT INTO alheio.clientes VALUES (1, 'de outro', '7')"
    world.server.execute(world.dev, "CREATE SCHEMA alheio", *tables, row, user=world.user)
    for words in (("down", "--to", "base"), ("up",), ("adopt",), ("verify",)):
        if world.chance.random() < 0.5:
            world.run(*words, PGOPTIONS="-csearch_path=alheio")
        else:
            world.run(*words, "--url", world.url(query="options=-csearch_path%3Dalheio"))
    picture = world.server.picture(world.dev)
    if picture is None or len(picture.rows.get("alheio.clientes", ())) != 1:
        world.fault("strangers", "the tables in somebody's schema are not what they were")


for _name, _given in VARIABLES.items():
    _register(f"variable {_name}", "postgresql", _variables(_given))


# ------------------------------------------------------------------------------- SQLite


def _sqlite(name: str) -> Callable[[Callable[[World], str]], None]:
    """A URL of a SQLite file; the stranger's is beside it."""

    def register(make: Callable[[World], str]) -> None:
        def play(world: World) -> None:
            world.onboarded()
            url = make(world)
            _tempt(world, url, world.chance.choice((url, "sqlite://")))

        _register(name, "sqlite", play)

    return register


@_sqlite("a URI of the stranger's file that may only be read")
def _read_only(world: World) -> str:
    return f"sqlite:///file:{world.stranger}?mode=ro&uri=true"


@_sqlite("a URI that cannot be changed")
def _immutable(world: World) -> str:
    return f"sqlite:///file:{world.stranger}?immutable=1&mode=ro&uri=true"


@_sqlite("a path that looks like a URI, with the stranger's in its query")
def _uri_in_path(world: World) -> str:
    return f"sqlite:///file:{world.dev}?uri=true&vfs=unix-none&cache=shared"


@_sqlite("?mode=memory")
def _memory(world: World) -> str:
    return f"sqlite:///file:{world.stranger}?mode=memory&uri=true"


@_sqlite("?uri=true on a plain path")
def _plain(world: World) -> str:
    return f"sqlite:///{world.dev}?uri=true"


@_sqlite("?database=")
def _query_database(world: World) -> str:
    return f"sqlite:///{world.dev}?database={world.stranger}"


@_sqlite("a path that goes up from a link to a folder")
def _up_from_a_link(world: World) -> str:
    inner = world.root / "elsewhere" / "inner"
    inner.mkdir(parents=True)
    (world.root / "link").symlink_to(inner)
    return f"sqlite:///{world.root}/link/../{Path(world.dev).name}"


@_sqlite("a folder")
def _folder(world: World) -> str:
    (world.root / "folder.db").mkdir()
    return f"sqlite:///{world.root}/folder.db"


@_sqlite("a name that ends as SQLite's own files do")
def _journal(world: World) -> str:
    return f"sqlite:///{world.stranger}-journal"


@scenario("lies", "sqlite", name="a link to the stranger's file")
def _link(world: World) -> None:
    """The stranger's has no mark: `reset` leaves it. Commands that migrate are given the file that they name."""
    Path(world.dev).symlink_to(world.stranger)
    for words in (("reset", "--yes"), ("onboard",), ("rebuild",), ("adopt",), ("verify",), ("status",)):
        if words != ("adopt",):
            world.run(*words)
    assert os.path.islink(world.dev) or not Path(world.dev).exists()  # noqa: PTH114


@scenario("lies", "sqlite", name="a link that leads nowhere")
def _dangling(world: World) -> None:
    Path(world.dev).symlink_to(world.root / "nowhere" / "x.db")
    for words in (("reset", "--yes"), ("onboard",), ("up",), ("status",)):
        world.run(*words)


@scenario("lies", name="the last stage, so that this is seen to work")
def _truth(world: World) -> None:
    """With URLs that do not lie the commands do what they say: the stranger's stays, and the project's goes down."""
    rows = world.onboarded()
    ran = world.run("down", "--to", "base", "--url", world.url())
    picture = world.server.picture(world.dev)
    if ran.code or picture is None or picture.data:
        world.fault("stuck", f"`down --to base` left {picture}, not {rows and LAST}")
