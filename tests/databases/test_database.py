"""Engines, connections, and scratch databases: the only ones that are ever dropped unasked."""

from __future__ import annotations

import errno
import gc
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from sqlstrata.databases import creation, database, maker, removal
from sqlstrata.databases.maker import NAME
from sqlstrata.errors import Protected, Unreachable, WrongUse
from sqlstrata.scratch.bracket import Scratch, drop, scratch
from sqlstrata.scratch.clear import clear
from sqlstrata.scratch.marker import MARKER
from sqlstrata.scratch.sweep import sweep
from sqlstrata.scratch.translation import translated
from sqlstrata.snapshot import snapshot
from tests.servers import SERVERS, answering, anything

ITEM = "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY)"


@contextmanager
def made(server: str, folder: Path, name: str | None = None) -> Generator[sa.URL]:
    """A database that is no scratch one, gone at the end."""
    name = name or f"loja_{secrets.token_hex(6)}"
    url = sa.make_url(server).set(database=str(folder / f"{name}.db") if server == "sqlite://" else name)
    creation.create(url)
    try:
        yield url
    finally:
        with suppress(WrongUse):
            removal.drop(url, anything)


def run(url: sa.URL | Scratch, *statements: str) -> None:
    """Run SQL in a database and commit."""
    engine = url.engine if isinstance(url, Scratch) else database.engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def tables(url: sa.URL) -> list[str]:
    """The names of all tables of the default schema."""
    with database.engine(url).connect() as connection:
        return sorted(sa.inspect(connection).get_table_names())


def databases(server: str) -> set[str]:
    """The names of a server's databases; of SQLite's scratch files."""
    if server == "sqlite://":
        return {file.stem for file in Path(tempfile.gettempdir()).glob("sqlstrata_*/sqlstrata_*.db")}
    query = "SELECT datname FROM pg_database" if server.startswith("postgresql") else "SHOW DATABASES"
    with database.engine(server).connect() as connection:
        return set(connection.exec_driver_sql(query).scalars())


def name_of(url: sa.URL) -> str:
    """The database's name, without SQLite's folder."""
    return Path(str(url.database)).stem


# Engines and connections


def test_ddl_of_sqlite_is_part_of_its_transaction(tmp_path: Path) -> None:
    """A stage that fails leaves nothing behind."""
    creation.create(url := f"sqlite:///{tmp_path / 'a.db'}")
    engine = database.engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(ITEM)
        connection.rollback()
        assert sa.inspect(connection).get_table_names() == []
        assert connection.connection.dbapi_connection.isolation_level is None  # type: ignore[union-attr]


def test_a_reader_does_not_wait_for_a_writer_of_sqlite(tmp_path: Path) -> None:
    """Writers take the lock at once; who only reads does not ask for it."""
    url = f"sqlite:///{tmp_path / 'a.db'}?timeout=0"
    creation.create(url)
    with database.engine(url).begin(), database.engine(url, reading=True).begin() as reader:
        assert reader.exec_driver_sql("SELECT 1").scalar() == 1
        with pytest.raises(sa.exc.OperationalError), database.engine(url).begin():
            pass


def test_a_select_survives_a_change_of_its_table(server: str) -> None:
    """PostgreSQL's prepared statements would not, when another connection changes it: "cached plan must not…"."""
    with scratch(server) as place, place.engine.connect() as connection:
        run(place, ITEM)
        for _ in range(9):
            assert len(connection.exec_driver_sql("SELECT * FROM item").keys()) == 1
            connection.commit()
        run(place, "ALTER TABLE item ADD COLUMN v INTEGER")
        assert len(connection.exec_driver_sql("SELECT * FROM item").keys()) == 2


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "This is not a database URL. Write it as postgresql+psycopg://user@host:5432/name."),
        (
            "postgresql+psycopg://u:segredo@host:port/x",
            "This is not a database URL. Write it as postgresql+psycopg://user@host:5432/name.",
        ),
        (
            "postgresql+psycopg://u:segredo@host/%00x",
            "This is not a database URL. Write it as postgresql+psycopg://user@host:5432/name.",
        ),
        ("sqlite:///%00.db", "This is not a database URL. Write it as postgresql+psycopg://user@host:5432/name."),
        (
            "oracle+oracledb://u:segredo@host/x",
            "The URL uses `oracle`, which is not supported."
            " Supported are SQLite (sqlite://), PostgreSQL (postgresql://) and MariaDB (mysql://, mariadb://).",
        ),
        (
            "mssql://u:segredo@host/x",
            "The URL uses `mssql`, which is not supported."
            " Supported are SQLite (sqlite://), PostgreSQL (postgresql://) and MariaDB (mysql://, mariadb://).",
        ),
        (
            "mysql+pyodbc://u:segredo@host/x",
            "The URL uses the driver `pyodbc`, which is not supported. Write mysql+pymysql://.",
        ),
        (
            "postgresql+nosuch://u:segredo@host/x",
            "The URL uses the driver `nosuch`, which is not supported. Write postgresql+psycopg://.",
        ),
    ],
)
def test_a_wrong_url_is_reported_with_what_to_write(url: str, message: str) -> None:
    """The message says what is wrong and what to do, and holds no password."""
    with pytest.raises(WrongUse) as raised:
        database.engine(url)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///a.db?timeout=nada",
        "postgresql+psycopg://u:segredo@127.0.0.1:1/x?nada=1",
        "mariadb+pymysql://u:segredo@127.0.0.1:1/x?nada=1",
        "mariadb+pymysql://u:segredo@127.0.0.1:1/x?charset=nada",
    ],
)
def test_an_option_that_the_driver_does_not_take_is_reported(url: str, tmp_path: Path) -> None:
    with pytest.raises(
        WrongUse,
        match=r"does not accept this URL: .*\. Check its options|The URL's option `(timeout|charset)` is `nada`",
    ) as raised:
        database.connect(database.engine(url.replace("a.db", str(tmp_path / "a.db"))))
    assert "segredo" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("postgresql+psycopg://u:segredo@127.0.0.1:1/x", "PostgreSQL at 127.0.0.1:1 cannot be reached: "),
        ("postgresql+psycopg://u:pa@segredo@127.0.0.1:1/x", "PostgreSQL at 127.0.0.1:1 cannot be reached: "),
        ("mariadb+pymysql://u:segredo@127.0.0.1:1/x", "MariaDB at 127.0.0.1:1 cannot be reached: "),
        ("sqlite:////no/such/folder/a.db", "SQLite file /no/such/folder/a.db cannot be reached: "),
    ],
)
def test_a_server_that_does_not_answer_is_named_without_a_password(url: str, start: str) -> None:
    """Exit code 8 with the address; neither message nor traceback holds the password."""
    with pytest.raises(Unreachable) as raised:
        database.connect(database.engine(url))
    assert str(raised.value).startswith(start)
    assert "segredo" not in "".join(traceback.format_exception(raised.value))


def test_a_login_that_is_refused_does_not_tell_the_password() -> None:
    """The reason is the server's own."""
    url = sa.make_url(answering("mariadb")).set(username="ninguem", password="segredo")
    with pytest.raises(Unreachable, match="Access denied for user") as raised:
        database.connect(database.engine(url))
    assert "segredo" not in "".join(traceback.format_exception(raised.value))


# There or not, made, dropped


def test_a_database_is_made_found_and_dropped(server: str, tmp_path: Path) -> None:
    """`exists` says what is so before, between and after."""
    with made(server, tmp_path) as url:
        assert creation.exists(url)
        run(url, ITEM)
        with pytest.raises(WrongUse, match="already exists"):
            creation.create(url)
        assert tables(url) == ["item"]
        removal.drop(url, anything)
        assert not creation.exists(url)
        with pytest.raises(WrongUse, match="Nothing was dropped"):
            removal.drop(url, anything)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_database_is_not_reported_missing_when_its_server_is(kind: str) -> None:
    """No is a no only from a server that answers."""
    url = sa.make_url(SERVERS[kind]).set(host="127.0.0.1", port=1, database="x")
    with pytest.raises(Unreachable):
        creation.exists(url)


def test_a_file_that_is_no_database_is_not_dropped(tmp_path: Path) -> None:
    """SQLAlchemy-Utils would remove whatever file the URL names."""
    file = tmp_path / "tese.txt"
    file.write_text("x" * 200)
    with pytest.raises(Unreachable):
        removal.drop(f"sqlite:///{file}", anything)
    assert file.exists()


def test_a_file_that_may_not_be_read_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not said to be missing, and is nobody's bug. Root may read everything, so the refusal is played."""

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(Unreachable, match=r"dev\.db cannot be reached: Permission denied\."):
        creation.exists(f"sqlite:///{tmp_path / 'dev.db'}")


@pytest.mark.parametrize("prefix", ["mariadb+pymysql", "mysql+pymysql"])
def test_a_mariadb_database_takes_every_character(prefix: str, tmp_path: Path) -> None:
    """Also where SQLAlchemy calls the server MariaDB, which SQLAlchemy-Utils does not know."""
    server = sa.make_url(answering("mariadb")).set(drivername=prefix).render_as_string(hide_password=False)
    said: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        with made(server, tmp_path) as url, database.engine(url).connect() as connection:
            assert connection.exec_driver_sql("SELECT @@character_set_database").scalar() == "utf8mb4"
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert [text.endswith("CHARACTER SET = 'utf8mb4'") for text in said if text.startswith("CREATE DATABASE")] == [True]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # SQLAlchemy-Utils forgets its connection when it may not create
@pytest.mark.parametrize(("kind", "grant"), [("postgresql", "ALTER ROLE"), ("mariadb", "GRANT ALL ON")])
def test_a_user_who_may_not_create_is_told_what_an_administrator_runs(kind: str, grant: str) -> None:
    """Not "cannot be reached": the SQL that is missing."""
    server, user = answering(kind), f"loja_{secrets.token_hex(4)}"
    role = {"postgresql": (f"CREATE ROLE {user} LOGIN", f"DROP ROLE {user}")}.get(
        kind, (f"CREATE USER {user}@'127.0.0.1'", f"DROP USER {user}@'127.0.0.1'")
    )
    run(sa.make_url(server), role[0])
    try:
        with pytest.raises(Unreachable, match="does not let") as raised:
            creation.create(sa.make_url(server).set(username=user, database=f"{user}_x"))
        assert grant in str(raised.value)
        del raised
        gc.collect()
    finally:
        run(sa.make_url(server), role[1])


# Scratch databases


def dead_process() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def own_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine for this test alone, so that no other one sweeps what it leaves there."""
    number = secrets.token_hex(4)
    monkeypatch.setattr(maker, "_machine", lambda: number)


def left_behind() -> str:
    """A name of ours, of a process that is gone."""
    return f"sqlstrata_{maker._machine()}_{dead_process()}_{secrets.token_hex(8)}"


def test_a_scratch_database_is_empty_and_gone_at_the_end(server: str) -> None:
    """Its name is random, its marker is not seen by snapshots, and several connections see one database."""
    with scratch(server) as place, scratch(server) as other:
        assert place.url != other.url
        assert NAME.fullmatch(name_of(place.url))
        with place.engine.connect() as one, place.engine.connect() as two:
            assert snapshot(one).things == {}
            one.rollback()
            one.exec_driver_sql(ITEM)
            one.commit()
            assert list(snapshot(two).things) == ["item"]
        assert {name_of(place.url), name_of(other.url)} <= databases(server)
    assert not {name_of(place.url), name_of(other.url)} & databases(server)


def test_a_scratch_database_is_gone_after_an_error_and_a_forgotten_connection(server: str) -> None:
    """Whatever happens inside, nothing stays."""
    urls, forgotten = [], []

    def stumble() -> None:
        with scratch(server) as place:
            urls.append(place.url)
            forgotten.append(place.engine.connect())
            forgotten[0].exec_driver_sql("SELECT 1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stumble()
    assert name_of(urls[0]) not in databases(server)
    forgotten[0].invalidate()


def test_a_rollback_works_in_a_scratch_database_of_sqlite() -> None:
    """Fast it may be, but a failed stage must go back."""
    with scratch("sqlite://") as place, place.engine.connect() as connection:
        many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) SELECT i, {} FROM n"
        connection.exec_driver_sql("CREATE TABLE item (id INTEGER PRIMARY KEY, v TEXT)")
        connection.exec_driver_sql("INSERT INTO item " + many.format("'before'"))
        connection.commit()
        connection.exec_driver_sql("PRAGMA cache_size = 10")
        connection.exec_driver_sql("UPDATE item SET v = hex(zeroblob(1000))")  # more than the cache holds
        connection.exec_driver_sql("DROP TABLE item")
        connection.rollback()
        assert connection.exec_driver_sql("SELECT DISTINCT v, count(*) FROM item").all() == [("before", 4000)]
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_sqlite_has_no_schemas() -> None:
    """Said before anything is made."""
    with (
        pytest.raises(WrongUse, match="SQLite has no schemas, and the models use sales"),
        scratch("sqlite://", ["sales"]),
    ):
        pass


@pytest.mark.usefixtures("own_machine")
def test_what_carries_no_marker_is_not_dropped(server: str, tmp_path: Path) -> None:
    """Not even under a name like ours, nor cleared."""
    with made(server, tmp_path, left_behind()) as url:
        run(url, ITEM)
        with pytest.raises(Protected):
            drop(url)
        with database.engine(url).connect() as connection, pytest.raises(Protected):
            clear(connection)
        sweep(server)
        assert tables(url) == ["item"]


@pytest.mark.usefixtures("own_machine")
def test_a_marker_under_another_name_does_not_count(server: str, tmp_path: Path) -> None:
    """A copy of a scratch database is somebody's database."""
    with (
        scratch(server) as place,
        made(server, tmp_path) as plain,
        made(server, tmp_path, left_behind()) as like_ours,
    ):
        with place.engine.connect() as connection:
            schema = MARKER if connection.dialect.name == "postgresql" else None
            marker = sa.Table(MARKER, sa.MetaData(), schema=schema, autoload_with=connection)
            row = connection.execute(sa.select(marker)).one()
        run(like_ours, ITEM)
        for url, told in ((plain, name_of(plain)), (like_ours, row.name)):
            with database.engine(url).begin() as connection:
                if schema:
                    connection.execute(sa.schema.CreateSchema(schema))
                marker.create(connection)
                connection.execute(marker.insert().values({**row._asdict(), "name": told}))
            with pytest.raises(Protected):
                drop(url)
            with database.engine(url).connect() as connection, pytest.raises(Protected):
                clear(connection)
            sweep(server)
            assert creation.exists(url)


CLUTTER = {
    "sqlite": (
        "CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, p INTEGER REFERENCES item (id))",
        "CREATE VIEW shown AS SELECT id FROM item",
        "CREATE TRIGGER t AFTER INSERT ON item BEGIN SELECT 1; END",
        "INSERT INTO item VALUES (1)",
        "INSERT INTO child VALUES (1, 1)",
    ),
    "postgresql": (
        "CREATE TABLE child (id SERIAL PRIMARY KEY, p INTEGER REFERENCES item (id))",
        'CREATE VIEW "show%n" AS SELECT id FROM item'.replace("%", "%%"),
        "CREATE TYPE mood AS ENUM ('a')",
        "CREATE SEQUENCE counter",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA more",
        "CREATE TABLE more.item (id INTEGER)",
        "CREATE EXTENSION citext",
    ),
    "mariadb": (
        "CREATE TABLE child (id INTEGER PRIMARY KEY AUTO_INCREMENT, p INTEGER REFERENCES item (id))",
        "CREATE VIEW `show%n` AS SELECT id FROM item".replace("%", "%%"),
        "CREATE SEQUENCE counter",
        "CREATE PROCEDURE p() SELECT 1",
        "CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW SET NEW.id = 1",
    ),
}


@pytest.mark.parametrize("kind", list(SERVERS))
def test_clearing_leaves_an_empty_database_that_can_be_used_again(kind: str) -> None:
    """Whatever a stage made is gone, twice in a row, with foreign keys enforced."""
    with scratch(answering(kind)) as place, place.engine.connect() as connection:
        if kind == "sqlite":
            connection.connection.cursor().execute("PRAGMA foreign_keys = ON")
        for _ in range(2):
            for statement in (ITEM, *CLUTTER[kind]):
                connection.exec_driver_sql(statement)
            connection.commit()
            clear(connection)
            assert snapshot(connection, ["more"]).things == {}
            connection.commit()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_clearing_empties_schemas_and_leaves_them(kind: str) -> None:
    """The next stage finds them as the first one did."""
    with scratch(answering(kind), ["sales"]) as place, place.engine.connect() as connection:
        for _ in range(2):
            connection.exec_driver_sql("CREATE TABLE sales.item (id INTEGER)")
            assert list(snapshot(connection, ["sales"]).things) == ["sales.item"]
            clear(connection)
            assert snapshot(connection, ["sales"]).things == {}


def test_clearing_removes_an_extension_that_an_index_needs() -> None:
    """Its operator class goes after the index, which the server has in its caches."""
    with scratch(answering("postgresql")) as place, place.engine.connect() as connection:
        connection.exec_driver_sql("CREATE EXTENSION pg_trgm")
        connection.exec_driver_sql("CREATE TABLE item (id INTEGER, name TEXT)")
        connection.exec_driver_sql("CREATE INDEX ix ON item USING gist (name gist_trgm_ops)")
        connection.commit()
        clear(connection)
        assert snapshot(connection).things == {}


def test_a_proof_never_writes_into_the_real_schema_of_mariadb(tmp_path: Path) -> None:
    """A schema is a database there: tables made by constructs, by Alembic and by SQL texts land in the scratch one."""
    server = answering("mariadb")
    with made(server, tmp_path) as real, scratch(server, [str(real.database)]) as place:
        run(real, ITEM, "INSERT INTO item VALUES (7)")
        schema = str(real.database)
        metadata = sa.MetaData()
        item = sa.Table("item", metadata, sa.Column("id", sa.Integer, primary_key=True), schema=schema)
        with place.engine.connect() as connection:
            metadata.create_all(connection)
            operations = Operations(MigrationContext.configure(connection))
            operations.add_column("item", sa.Column("v", sa.Integer), schema=schema)
            operations.create_table("other", sa.Column("id", sa.Integer), schema=schema)
            operations.execute(f"INSERT INTO {schema}.item VALUES (1, 2), (2, 3)")
            operations.execute(f"DELETE FROM `{schema}`.`item` WHERE id = 1")
            operations.execute(sa.insert(item).values(id=3))
            connection.commit()
            assert set(snapshot(connection, [schema]).things) == {f"{schema}.item", f"{schema}.other"}
        with database.engine(real).connect() as connection:
            assert connection.exec_driver_sql("SELECT * FROM item").all() == [(7,)]
        assert tables(real) == ["item"]
    assert not set(place.schemas.values()) & databases(server)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT * FROM sales.item", "SELECT * FROM `scratch`.item"),
        ("SELECT * FROM `sales` . `item`", "SELECT * FROM `scratch` . `item`"),
        ("SELECT 'sales.item', \"sales.item\", 'it''s \\' sales.x'", None),
        ("SELECT 1 -- sales.item\n# sales.item\n/* sales.item */", None),
        ("/*!50100 DROP TABLE sales.item */", "/*!50100 DROP TABLE `scratch`.item */"),
        ("SELECT wholesales.item, a.sales.b, sales FROM sales", None),
        ("DROP TABLE IF EXISTS sales", None),
        ("CREATE DATABASE IF NOT EXISTS sales", "CREATE DATABASE IF NOT EXISTS `scratch`"),
        ("DROP SCHEMA sales", "DROP SCHEMA `scratch`"),
        ("USE `sales`", "USE `scratch`"),
        ("INSERT INTO sales.a SELECT * FROM sales.b", "INSERT INTO `scratch`.a SELECT * FROM `scratch`.b"),
    ],
)
def test_schemas_are_translated_in_sql_texts(statement: str, expected: str | None) -> None:
    """Where a name stands for a schema, and not in texts, comments or longer names."""
    assert translated(statement, {"sales": "scratch"}) == (expected or statement)


# What killed processes leave

KILLED = """
import json, os, sys, time
from sqlstrata.scratch.bracket import scratch
with scratch(sys.argv[1], json.loads(sys.argv[2])) as place:
    print(json.dumps([str(place.url.database), *place.schemas.values()]), flush=True)
    time.sleep(60)
"""


@contextmanager
def living(server: str, schemas: list[str]) -> Generator[tuple[subprocess.Popen[str], set[str]]]:
    """A process that holds a scratch database, and the names of its databases."""
    command = [sys.executable, "-c", KILLED, server, json.dumps(schemas)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        names = {Path(name).stem for name in json.loads(process.stdout.readline())}
        try:
            yield process, names
        finally:
            process.kill()


def test_what_a_killed_process_left_is_swept_and_nothing_else(server: str) -> None:
    """While it lives its databases stay; once it is dead they go, with those of its schemas."""
    schemas = ["sales"] if server == SERVERS["mariadb"] else []
    with living(server, schemas) as (process, names), scratch(server) as ours:
        assert not names & set(sweep(server))
        assert names <= databases(server)
        process.send_signal(signal.SIGKILL)
        process.wait()
        sweep(server)
        assert names & databases(server) == set()
        assert name_of(ours.url) in databases(server)


def test_what_another_machine_made_is_left_alone(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes cannot be seen from here."""
    with living(server, []) as (process, names):
        process.kill()
        process.wait()
        monkeypatch.setattr(maker, "_machine", lambda: "00000000")
        assert not names & set(sweep(server))
        monkeypatch.undo()
        sweep(server)
        assert not names & databases(server)


@pytest.mark.usefixtures("own_machine")
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_what_was_killed_before_its_marker_is_swept_if_it_is_empty(kind: str, tmp_path: Path) -> None:
    """Its name says who made it; on MariaDB the marker's table may be there without its row."""
    server = answering(kind)
    living = maker.fresh_name()
    with made(server, tmp_path, left_behind()) as empty, made(server, tmp_path, living) as ours:
        if kind == "mariadb":
            run(empty, f"CREATE TABLE {MARKER} (name VARCHAR(255), held TEXT)")
        with made(server, tmp_path, left_behind()) as used:
            run(used, ITEM)
            assert sweep(server) == (empty.database,)
            assert tables(used) == ["item"]
        assert {ours.database, empty.database} & databases(server) == {ours.database}


@pytest.mark.usefixtures("own_machine")
def test_what_was_killed_between_losing_its_name_and_its_end_is_swept(tmp_path: Path) -> None:
    """Somebody had said yes to that, and all had been looked at."""
    server = answering("postgresql")
    with made(server, tmp_path, left_behind()) as url:
        run(url, ITEM, f"COMMENT ON DATABASE {url.database} IS '{removal.DROPPING}'")
        assert sweep(server) == (url.database,)


def test_folders_of_killed_processes_are_swept_and_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone, target = tmp_path / left_behind(), tmp_path / "target"
    for each in (gone, target, tmp_path / maker.fresh_name(), tmp_path / "sqlstrata_mine"):
        each.mkdir()
        (each / "file").touch()
    link = tmp_path / left_behind()
    link.symlink_to(target)
    sweep("sqlite://")
    assert not gone.exists()
    assert len(list(tmp_path.iterdir())) == 4
    assert (target / "file").exists()


def test_folders_that_come_and_go_meanwhile_do_not_disturb_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            for folder in [Path(tempfile.mkdtemp(prefix="strata_proof_")) for _ in range(20)]:
                folder.rmdir()

    others = [threading.Thread(target=come_and_go) for _ in range(2)]
    for each in others:
        each.start()
    try:
        for _ in range(300):
            assert sweep("sqlite://") == ()
    finally:
        over.set()
        for each in others:
            each.join()
