"""Connections that are cut, servers that cannot work, and clients that are killed: what is told, and what comes next."""

from __future__ import annotations

import json
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import addresses, creation, database, removal
from sqlstrata.databases.lost import answering as bracketed
from sqlstrata.databases.lost import cause
from sqlstrata.errors import MigrationFailed, SqlstrataError, Unreachable
from sqlstrata.migrate import apply
from sqlstrata.operations import failures, lock
from sqlstrata.operations.journal import is_ddl, is_reading
from sqlstrata.plan import Plan
from tests.operations.test_safety import AFTER, KILLS, MODULES, SEED, STAGES, alembic, execute, inv, rows
from tests.outcomes import outcome
from tests.projects import Project, write
from tests.servers import answering, anything
from tests.wire import Way, Wire, cut_wire, killed_at, killed_when

CUTS = int(os.environ.get("STRATA_CUTS", "1"))
"""How often each command's connection is cut, on each server; some hundreds in a long run."""

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database that is not there yet; dropped at the end."""
    made = sa.make_url(answering(request.param)).set(database=f"strata_test_{secrets.token_hex(6)}")
    yield made.render_as_string(hide_password=False)
    if creation.exists(made):
        _end_of(made)
        removal.drop(made, anything, force=True)


def _end_of(url: sa.URL) -> None:
    """Have PostgreSQL end what killed clients have left in the database."""
    if addresses.server_kind(url) == "postgresql":
        with database.engine(addresses.server(url)).connect() as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.exec_driver_sql(query, (url.database,)).all()


@pytest.fixture
def project(tmp_path: Path, url: str) -> Project:
    """A project of three stages, the first with rows; there is no database yet, but the history."""
    return _project(tmp_path, url, STAGES)


def _project(folder: Path, url: str, stages: list[dict[str, object]]) -> Project:
    said = [{"message": each["name"], **each} for each in stages]
    made = write(folder / "p", MODULES, said, url=url, prove_on=[_server(url)], package="modelos")
    commands.rebuild(made.plan(), apply_it=False, proof=False)
    return made


def _server(url: str) -> str:
    return addresses.server(sa.make_url(url)).render_as_string(hide_password=False)


def at(plan: Plan, url: str) -> Plan:
    """The plan with its servers under another address."""
    return replace(plan, database=replace(plan.database, url=url), prove_on=(_server(url),))


def kind_of(project: Project) -> str:
    return addresses.server_kind(sa.make_url(project.url))


# --------------------------------------------------------------------- a wire that is cut


COMMANDS: dict[str, Callable[[Plan], object]] = {
    "stages": commands.stages,
    "status": commands.status,
    "identify": commands.identify,
    "adopt": commands.adopt,
    "up": lambda plan: commands.up(plan, wait=5),
    "down": lambda plan: commands.down(plan, "contas", wait=5),
    "rebuild": lambda plan: commands.rebuild(plan, wait=3),
    "onboard": lambda plan: commands.onboard(plan, wait=3),
    "reset": lambda plan: commands.reset(plan, lambda _: True, wait=3),
    "verify": commands.verify,
}


@pytest.mark.parametrize("command", ["status", "up", "rebuild", "reset"] if CUTS < 5 else list(COMMANDS))
def test_whatever_command_a_cut_wire_stops_ends_with_a_sentence_and_code_8_or_9(project: Project, command: str) -> None:
    plan, run, chance = project.plan(), COMMANDS[command], random.Random(f"{SEED} {command}")

    def prepared() -> None:
        commands.onboard(plan)
        if command in {"up", "rebuild"}:
            commands.down(plan, "contas")

    prepared()
    whole = Wire(project.url)
    run(at(plan, whole.url))
    whole.close()
    for _ in range(CUTS):
        prepared()
        way: Way = chance.choice(("sent", "received"))
        after = chance.randrange(whole.bytes[way])
        with cut_wire(project.url, way, after, for_good=chance.random() < 0.5) as wire:
            try:
                run(at(plan, wire.url))
            except SqlstrataError as error:
                assert error.code in {7, 8, 9}, (way, after, error)  # noqa: PT017
                assert "\n" not in error.message, (way, after, error)  # noqa: PT017
    prepared()
    commands.up(plan)
    assert rows(project.url) == AFTER


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_cut_wire_is_one_line_on_standard_error(project: Project, part: float) -> None:
    commands.onboard(project.plan())
    whole = Wire(project.url)
    commands.status(project.plan(), whole.url)
    whole.close()
    with cut_wire(project.url, "received", int(whole.bytes["received"] * part), for_good=True) as wire:
        run = inv(project, "status", "--url", wire.url)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 8, err
    assert len(err.splitlines()) == 1, err
    assert "127.0.0.1" in err


def test_errors_of_a_server_are_distinguished_from_errors_in_values(project: Project) -> None:
    commands.onboard(project.plan())
    postgresql = kind_of(project) == "postgresql"
    slow, value = ("SELECT pg_sleep(9)", "SELECT CAST('x' AS INTEGER)") if postgresql else (
        "SELECT SLEEP(9) FROM contas", "INSERT INTO contas (id, nome, saldo, apelido) VALUES (1, NULL, 1, 'x')"
    )  # fmt: skip
    limit = "SET statement_timeout = 200" if postgresql else "SET max_statement_time = 0.2"
    with database.engine(project.url).connect() as connection:
        with pytest.raises(sa.exc.DBAPIError) as wrong:
            connection.exec_driver_sql(value)
        connection.rollback()
        connection.exec_driver_sql(limit)
        with pytest.raises(sa.exc.DBAPIError) as late:
            connection.exec_driver_sql(slow)
        connection.rollback()
        _kill(project, connection)
        with pytest.raises(sa.exc.DBAPIError) as lost:
            connection.exec_driver_sql("SELECT 1")
        with pytest.raises(sa.exc.SQLAlchemyError) as after:
            connection.exec_driver_sql("SELECT 1")
        assert cause(after.value) is None
    found = [(failures.blames_values(each.value), failures.is_unable(each.value), failures.is_lost(each.value))
             for each in (wrong, late, lost)]  # fmt: skip
    assert found == [(True, False, False), (False, True, False), (False, True, True)]
    with pytest.raises(Unreachable, match=r"The connection to .* at 127\.0\.0\.1:\d+ was lost: "), bracketed():
        raise lost.value
    with pytest.raises(Unreachable, match="cannot be run now"), bracketed():
        raise late.value
    with pytest.raises(sa.exc.DBAPIError), bracketed():
        raise wrong.value


def _kill(project: Project, connection: sa.Connection) -> None:
    postgresql = kind_of(project) == "postgresql"
    number = connection.exec_driver_sql("SELECT pg_backend_pid()" if postgresql else "SELECT CONNECTION_ID()").scalar()
    connection.rollback()
    execute(_server(project.url), f"SELECT pg_terminate_backend({number})" if postgresql else f"KILL {number}")
    time.sleep(0.2)


MONEY = {
    "precos": """
        class Preco(Base):
            __tablename__ = "precos"
            id: Mapped[int] = mapped_column(primary_key=True)
            valor: Mapped[str] = mapped_column(sa.Numeric(12, 4))
        """,
    "precos_2": """
        class Preco(Base):
            __tablename__ = "precos"
            id: Mapped[int] = mapped_column(primary_key=True)
            valor: Mapped[str] = mapped_column(sa.Numeric(10, 2))
        """,
}
STOPS = {
    "postgresql": {
        "cancelled": "SELECT pg_cancel_backend({})",
        "lost": "SELECT pg_terminate_backend({})",
        "late": None,
    },
    "mariadb": {"cancelled": "KILL QUERY {}", "lost": "KILL {}", "late": None},
}
WAITING = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    "mariadb": "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table%%'",
}


@pytest.mark.parametrize("stop", ["late", "cancelled", "lost"])
def test_rows_that_could_not_be_checked_are_not_reported_as_wrong(tmp_path: Path, url: str, stop: str) -> None:
    stages = [
        {"name": "um", "message": "um", "enable": ["precos"], "rows": {"precos": [{"valor": 1}]}},
        {"name": "dois", "message": "dois", "disable": ["precos"], "enable": ["precos_2"]},
    ]
    project = write(tmp_path / "p", MONEY, stages[:1], url=url, package="modelos")
    commands.onboard(project.plan())
    project.configure(stages=stages)
    commands.rebuild(project.plan(), apply_it=False, proof=False)
    kind = kind_of(project)
    hold = "LOCK TABLE precos IN ACCESS EXCLUSIVE MODE" if kind == "postgresql" else "LOCK TABLES precos WRITE"
    with database.engine(url).connect() as other:
        other.exec_driver_sql(hold)
        helper = threading.Thread(target=_stop, args=(url, kind, STOPS[kind][stop]))
        helper.start()
        with pytest.raises(MigrationFailed) as failed:
            commands.up(project.plan(), wait=1 if stop == "late" else 30)
        helper.join()
    assert "does not fit" not in failed.value.message
    assert "Change the rows" not in failed.value.message
    assert "The database is at stage um" in failed.value.message
    commands.up(project.plan())
    assert commands.status(project.plan()).schema_matches


def _stop(url: str, kind: str, how: str | None) -> None:
    """Stop whoever waits for a table."""
    with database.engine(url).connect() as connection:
        while how is not None:
            number = connection.exec_driver_sql(WAITING[kind]).scalar()
            connection.rollback()
            if number is not None:
                connection.exec_driver_sql(how.format(number))
                return
            time.sleep(0.05)


# ----------------------------------------------------------------- a client that is killed


def _advised(project: Project) -> str:
    """What `inv status` says to do."""
    run = inv(project, "status", "--json")
    out, _ = run.communicate(timeout=60)
    return str(json.loads(out).get("error", {}).get("hint", ""))


@pytest.mark.parametrize("command", ["rebuild", "onboard"])
def test_the_rows_of_a_run_that_was_killed_come_with_the_command_that_status_names(
    project: Project, command: str
) -> None:
    plan, chance = project.plan(), random.Random(f"{SEED} {command}")
    work = {
        "rebuild": lambda url: commands.rebuild(at(plan, url), proof=False),
        "onboard": lambda url: commands.onboard(at(plan, url)),
        "reset": lambda url: commands.reset(at(plan, url), lambda _: True),
    }[command]
    for _ in range(max(2, KILLS // 2)):
        if creation.exists(project.url):
            _end_of(sa.make_url(project.url))
            removal.drop(project.url, anything, force=True)
        commands.onboard(plan) if command == "reset" else None
        killed_at(work, project.url, chance.randint(3, 120), sent=chance.random() < 0.5)
        hint = _advised(project)
        if hint:
            assert "`inv onboard`" in hint or outcome(commands.status, plan).stage is not None
        commands.onboard(plan) if "`inv onboard`" in hint else commands.up(plan)
        assert rows(project.url) == AFTER, hint


def _await_half(url: str) -> None:
    """Wait until the server has begun with what a killed client sent last."""
    for _ in range(50):
        with database.engine(url, reading=True).connect() as connection:
            if apply.unfinished(connection) is not None:
                return
        time.sleep(0.1)
    pytest.fail("nothing is half done")


def _runs(sql: str) -> Callable[[Wire, bytes], bool]:
    """Whether a piece has this SQL in it, and is not the journal's."""
    return lambda _, data: sql.encode() in data and b"strata_migration" not in data


def test_a_stage_that_is_half_done_has_its_rows_with_onboard(tmp_path: Path, url: str) -> None:
    if not url.startswith("mariadb"):
        pytest.skip("the other servers undo the whole stage")
    project = _project(tmp_path, url, STAGES)
    plan = project.plan()
    assert killed_when(lambda there: commands.onboard(at(plan, there)), url, _runs("CREATE TABLE contas ("), sent=True)
    _await_half(url)
    assert "`inv onboard` finishes it, too, and inserts the rows of contas." in _advised(project)
    assert commands.onboard(plan).tables["contas"] == 2


def require_known(plan: Plan) -> None:
    """The database is at a stage, with its schema, or says that it is half done."""
    state = outcome(commands.status, plan)
    assert state.schema_matches or state.unfinished is not None, state


def test_a_way_down_that_was_killed_is_half_done_or_whole_and_leads_on(project: Project) -> None:
    plan, chance = project.plan(), random.Random(f"{SEED} down")
    commands.onboard(plan)
    for _ in range(KILLS):
        to = chance.choice(["base", "contas"])
        for _ in range(2):  # what undoes is killed, too
            piece, sent = chance.randint(10, 110), chance.random() < 0.6
            way = chance.choice(["down", "down", "up"])
            killed_at(
                lambda url, way=way, to=to: commands.up(plan, url=url) if way == "up" else commands.down(plan, to, url),
                project.url, piece, sent=sent,
            )  # fmt: skip
            require_known(plan)
        commands.down(plan, "base") if chance.random() < 0.5 else commands.up(plan)
        require_known(plan)
        commands.onboard(plan)
        assert outcome(commands.status, plan).unfinished is None


HIDDEN = (
    "/* uma nota */ ALTER TABLE contas ADD COLUMN extra INTEGER",
    "-- outra\nALTER TABLE contas ADD COLUMN extra INTEGER",
    "SET STATEMENT max_statement_time = 60 FOR ALTER TABLE contas ADD COLUMN extra INTEGER",
    "/*!100000 ALTER TABLE contas ADD COLUMN extra INTEGER */",
    "BEGIN NOT ATOMIC ALTER TABLE contas ADD COLUMN extra INTEGER; END",
    "EXECUTE IMMEDIATE 'ALTER TABLE contas ADD COLUMN extra INTEGER'",
)


@pytest.mark.parametrize("sql", HIDDEN)
def test_ddl_is_written_down_before_it_runs_however_it_is_written(tmp_path: Path, sql: str) -> None:
    made = sa.make_url(answering("mariadb")).set(database=f"strata_test_{secrets.token_hex(6)}")
    data = {"upgrade": [sql, "ALTER TABLE contas DROP COLUMN extra"], "downgrade": ["SELECT 1", "SELECT 1"]}
    project = _project(tmp_path, made.render_as_string(), [STAGES[0], {"name": "extra", "data": data}])
    plan = project.plan()
    try:
        commands.onboard(plan)
        commands.down(plan, "contas")
        assert is_ddl(sql)
        assert not is_reading(sql)
        end = sql[-30:].encode()
        assert killed_when(
            lambda url: commands.up(plan, url=url),
            project.url,
            lambda _, data: data.endswith(end) and b"strata_migration" not in data,
            sent=True,
        )
        _await_half(project.url)
        state = outcome(commands.status, plan)
        assert state.unfinished is not None
        assert state.unfinished.direction == "up"
        assert commands.up(plan) == ("extra",)
        assert outcome(commands.status, plan).schema_matches
    finally:
        removal.drop(made, anything, force=True)


@pytest.mark.parametrize("moment", ["SELECT alembic_version", "CREATE DATABASE"])
def test_what_goes_on_while_status_looks_is_looked_at_again(tmp_path: Path, moment: str) -> None:
    made = sa.make_url(answering("mariadb")).set(database=f"strata_test_{secrets.token_hex(6)}")
    project = _project(tmp_path, made.render_as_string(), STAGES)
    plan, left = project.plan(), [1]
    commands.onboard(plan)

    def heard(connection: sa.Connection, _: object, statement: str, *__: object) -> None:
        if statement.startswith(moment) and left:
            left.clear()
            down = lambda url: commands.down(plan, "base", url)  # noqa: E731
            assert killed_when(down, project.url, _runs("DROP TABLE bancos"), sent=True)
            _await_half(project.url)

    sa.event.listen(sa.Engine, "after_cursor_execute", heard)
    try:
        require_known(plan)
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", heard)
        removal.drop(made, anything, force=True)
    assert not left


# ---------------------------------------------------- who holds it, when its client is gone


SLOW = {"postgresql": "SELECT pg_sleep(30)", "mysql": "SELECT SLEEP(4)", "sqlite": "SELECT 1"}


def test_a_killed_client_s_statement_is_waited_for_and_that_is_reported(tmp_path: Path, url: str) -> None:
    slow = {"name": "lento", "data": {"upgrade": SLOW, "downgrade": "SELECT 1"}}
    project = _project(tmp_path, url, [STAGES[0]])
    commands.onboard(project.plan())
    project.configure(stages=[{"message": each["name"], **each} for each in (STAGES[0], slow)])
    commands.rebuild(project.plan(), apply_it=False, proof=False)
    child = inv(project, "up")
    _await_sleep(project)
    child.kill()
    child.communicate(timeout=30)
    fast = [
        {"message": each["name"], **each}
        for each in (STAGES[0], {**slow, "data": {"upgrade": "SELECT 1", "downgrade": "SELECT 1"}})
    ]
    project.configure(stages=fast)
    commands.rebuild(project.plan(), apply_it=False, proof=False)
    heard: list[str] = []
    begun = time.monotonic()
    assert commands.up(project.plan(), wait=25, notify=lambda said, _: heard.append(said)) == ("lento",)
    assert time.monotonic() - begun < 20
    told = [said for said in heard if "Somebody else is migrating this database" in said]
    assert any(f"process {child.pid} on " in said and "which has ended" in said for said in told), heard


def _await_sleep(project: Project) -> None:
    query = {
        "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%%pg_sleep(30)%%'"
        " AND state = 'active' AND pid <> pg_backend_pid()",
        "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User sleep'",
    }[kind_of(project)]
    for _ in range(200):
        if rows(project.url, query)[0][0]:
            return
        time.sleep(0.1)
    pytest.fail("the run has not come to its slow statement")


def test_a_lock_whose_connection_was_lost_is_not_let_go_by_another_one(project: Project) -> None:
    commands.onboard(project.plan())
    with database.engine(project.url).connect() as connection:
        bracket = lock.held(connection, 1, lambda _: None)
        bracket.__enter__()
        _kill(project, connection)
        with pytest.raises(sa.exc.DBAPIError) as lost:
            connection.exec_driver_sql("SELECT 1")
        assert bracket.__exit__(type(lost.value), lost.value, None) is False
        assert connection.invalidated
    if kind_of(project) == "mariadb":
        assert rows(project.url, "SELECT count(*) FROM strata_migration WHERE number = 0") == [(1,)]
    assert commands.down(project.plan(), "contas", wait=10) == ("lojas", "contas_2")


def test_postgresql_notices_clients_that_are_gone_and_they_a_server_that_is(tmp_path: Path) -> None:
    there = sa.make_url(answering("postgresql"))
    names = ("client_connection_check_interval", "tcp_keepalives_idle")
    found = []
    for query in ({}, {"options": "-c client_connection_check_interval=500", "keepalives_idle": "77"}):
        with database.engine(there.update_query_dict(query)).connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            idle = raw.info.get_parameters()["keepalives_idle"]
            with lock.held(connection, 5, lambda _: None):
                said = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
            found.append((idle, *said))
    assert found == [("10", "2s", "30"), ("77", "500ms", "30")]


def test_stock_alembic_says_who_is_gone_as_well(tmp_path: Path) -> None:
    made = sa.make_url(answering("mariadb")).set(database=f"strata_test_{secrets.token_hex(6)}")
    project = _project(tmp_path, made.render_as_string(), STAGES)
    try:
        commands.onboard(project.plan())
        commands.down(project.plan(), "contas")
        gone = subprocess.run([sys.executable, "-c", ""], check=True)
        assert gone.returncode == 0
        with database.engine(project.url).connect() as holder:
            dead = {**lock._signature(holder), "process": _ended()}
            holder.exec_driver_sql(lock.CREATE)
            holder.exec_driver_sql(
                "INSERT INTO strata_migration (number, kind, said) VALUES (0, 'holder', %s)", (json.dumps(dead),)
            )
            holder.commit()
            run = alembic(project, "-x", "wait=1", "upgrade", "head")
            said = "".join(run.communicate(timeout=60))
            assert run.returncode != 0
            assert f"process {dead['process']} on " in said
            assert "which has ended; the server has not closed its connection yet" in said
        run = alembic(project, "-x", "wait=20", "upgrade", "head")
        assert (run.communicate(timeout=60), run.returncode)[1] == 0
    finally:
        removal.drop(made, anything, force=True)


def _ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
