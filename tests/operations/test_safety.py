"""Safe on databases that matter: one at a time, killed anywhere, cut off, refused, and nothing said that is secret."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import addresses, database
from sqlstrata.errors import Locked, MigrationFailed, SqlstrataError
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import compare
from sqlstrata.operations import lock
from sqlstrata.operations.journal import Journal, written
from sqlstrata.operations.lock import CREATE
from sqlstrata.revisions.generate import steps
from sqlstrata.scratch.bracket import scratch
from tests.commands.test_onboard import Proxy
from tests.outcomes import outcome
from tests.projects import Project, write
from tests.servers import answering

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("STRATA_SEED", "20240229"))
KILLS = int(os.environ.get("STRATA_KILLS", "3"))
"""How often a run is killed, on each server and in each test; some hundreds in a long run."""

MODULES = {
    "contas": """
        class Conta(Base):
            __tablename__ = "contas"
            id: Mapped[int] = mapped_column(primary_key=True)
            nome: Mapped[str] = mapped_column(sa.String(50))
            saldo: Mapped[str] = mapped_column(sa.String(20))
        """,
    "contas_2": """
        class Conta(Base):
            __tablename__ = "contas"
            id: Mapped[int] = mapped_column(primary_key=True)
            nome: Mapped[str] = mapped_column(sa.String(50), index=True)
            saldo: Mapped[int]
            apelido: Mapped[str] = mapped_column(sa.String(50))

        class Banco(Base):
            __tablename__ = "bancos"
            id: Mapped[int] = mapped_column(primary_key=True)
            dono: Mapped[int] = mapped_column(sa.ForeignKey("contas.id"))
        """,
    "lojas": """
        class Loja(Base):
            __tablename__ = "lojas"
            id: Mapped[int] = mapped_column(primary_key=True)
            banco: Mapped[int] = mapped_column(sa.ForeignKey("bancos.id"), index=True)
        """,
}
CAST = {
    "up": {"default": "CAST(saldo AS INTEGER)", "mysql": "CAST(saldo AS SIGNED)"},
    "down": {"default": "CAST(saldo AS VARCHAR(20))", "mysql": "CAST(saldo AS CHAR)"},
}
STAGES = [
    {
        "name": "contas",
        "enable": ["contas"],
        "rows": {"contas": [{"nome": "Ana", "saldo": "5"}, {"nome": "Rui", "saldo": "6"}]},
    },
    {
        "name": "contas_2",
        "disable": ["contas"],
        "enable": ["contas_2"],
        "fill": {"contas.apelido": "nome"},
        "cast": {"contas.saldo": CAST},
        "data": {
            "upgrade": ["UPDATE contas SET saldo = saldo + 100"],
            "downgrade": ["UPDATE contas SET saldo = saldo - 100"],
        },
    },
    {"name": "lojas", "enable": ["lojas"]},
]
BEFORE, AFTER = [("Ana", "5"), ("Rui", "6")], [("Ana", 105), ("Rui", 106)]


@pytest.fixture
def project(tmp_path: Path, url: str) -> Project:
    """A project whose database is at the first stage, with two rows."""
    made = write(tmp_path / "p", MODULES, STAGES[:1], url=url, package="modelos")
    commands.onboard(made.plan())
    made.configure(stages=[{"message": each["name"], **each} for each in STAGES])
    commands.rebuild(made.plan(), apply_it=False, proof=False)
    return made


def rows(url: str, query: str = "SELECT nome, saldo FROM contas ORDER BY id") -> list[tuple[object, ...]]:
    with database.engine(url, reading=True).connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def execute(url: str, *statements: str) -> None:
    with database.engine(url).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def tables(url: str) -> set[str]:
    with database.engine(url, reading=True).connect() as connection:
        return set(sa.inspect(connection).get_table_names())


def require_whole(project: Project, stage: str) -> None:
    """The database is at the stage, has its schema and its rows, and nothing else of ours."""
    with database.engine(project.url, reading=True).connect() as connection:
        step = next(each for each in steps(project.plan()) if each.stage.name == stage)
        assert apply.revision_of(connection, project.plan()) == step.revision.id
        assert compare(connection, step.metadata) == ()
    assert "strata_migration" not in tables(project.url)
    assert rows(project.url) == (BEFORE if stage == "contas" else AFTER)


# ------------------------------------------------------------------------- one at a time


def inv(project: Project, *words: str, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.Popen(
        command, cwd=project.folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def alembic(project: Project, *words: str) -> subprocess.Popen[str]:
    """Stock Alembic, which must do without this project."""
    command = [sys.executable, "-m", "alembic", *words]
    environ = {**os.environ, "DATABASE_URL": project.url}
    return subprocess.Popen(
        command, cwd=project.folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_of_several_runs_at_once_each_stage_is_applied_by_one(project: Project) -> None:
    runs = [inv(project, "up", "--json"), inv(project, "up", "--json"), alembic(project, "upgrade", "head")]
    said = [(*run.communicate(timeout=120), run.returncode) for run in runs]
    assert [code for *_, code in said] == [0, 0, 0], said
    applied = [stage for out, *_ in said[:2] for stage in json.loads(out)["applied"]]
    assert len(applied) == len(set(applied))
    require_whole(project, "lojas")


_WRITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


class Holding:
    """Somebody else who is migrating the database.

    On SQLite in a process of its own: the locks are the process's, and go when it closes any other handle of the file.
    """

    def __init__(self, url: str) -> None:
        self.kind = addresses.server_kind(sa.make_url(url))
        if self.kind == "sqlite":
            words = [sys.executable, "-c", _WRITE, str(sa.make_url(url).database)]
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert self.process.stdout is not None
            assert self.process.stdout.readline() == "held\n"
            return
        self.connection = database.engine(url).connect()
        take = lock._take_postgresql if self.kind == "postgresql" else lock._take_mariadb
        self.token = take(self.connection, 1, lambda _: None)

    def close(self) -> None:
        if self.kind == "sqlite":
            self.process.communicate()
            return
        release = lock._release_postgresql if self.kind == "postgresql" else lock._release_mariadb
        release(self.connection, self.token)
        self.connection.close()


def test_who_waits_in_vain_leaves_with_code_7_and_says_who_holds_it(project: Project) -> None:
    holder = Holding(project.url)
    try:
        heard: list[str] = []
        begun = time.monotonic()
        with pytest.raises(Locked, match="Somebody else is migrating this database: ") as refused:
            commands.up(project.plan(), wait=1, notify=lambda said, _: heard.append(said))
        assert 0.9 < time.monotonic() - begun < 10
        assert "--wait" in str(refused.value)
        assert any("Waiting up to 1 s" in said for said in heard)
        assert "process " in refused.value.message
        run = alembic(project, "-x", "wait=0", "upgrade", "head")
        said = "".join(run.communicate(timeout=60))
        assert run.returncode != 0
        assert "Somebody else is migrating this database" in said
    finally:
        holder.close()
    assert commands.up(project.plan(), wait=1) == ("contas_2", "lojas")
    require_whole(project, "lojas")


@pytest.mark.parametrize("protect", [False, True])
def test_who_adopts_waits_no_longer_than_was_said(project: Project, *, protect: bool) -> None:
    if not project.url.startswith("sqlite"):
        pytest.skip("the other servers let a database that has its revision say whose it is, whoever is at work")
    holder = Holding(project.url)
    try:
        begun = time.monotonic()
        with pytest.raises(Locked, match="is in use"):
            commands.adopt(project.plan(), protect=protect, wait=1)
        assert 0.9 < time.monotonic() - begun < 10
    finally:
        holder.close()
    assert commands.adopt(project.plan(), protect=protect, wait=1).protected is protect


def test_who_waits_long_enough_goes_on(project: Project) -> None:
    holder = Holding(project.url)
    run = inv(project, "up", "--json", "--wait", "60")
    time.sleep(2.5)
    assert run.poll() is None
    holder.close()
    out, err = run.communicate(timeout=60)
    assert json.loads(out)["applied"] == ["contas_2", "lojas"], err


def test_to_look_nobody_waits(project: Project) -> None:
    holder = Holding(project.url)
    try:
        assert outcome(commands.status, project.plan()).stage == "contas"
        run = alembic(project, "current")
        out, _ = run.communicate(timeout=60)
        assert run.returncode == 0
        assert out.strip()
    finally:
        holder.close()


def test_a_mariadb_lock_of_a_dead_connection_is_taken_over(project: Project) -> None:
    if not project.url.startswith("mariadb"):
        pytest.skip("the other servers let go of a dead one's lock by themselves")
    other = database.engine(project.url).connect()
    lock._take_mariadb(other, 1, lambda _: None)
    number = other.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
    other.rollback()
    with pytest.raises(Locked, match=f"connection {number} of "):
        commands.up(project.plan(), wait=0.5)
    other.close()
    assert commands.up(project.plan(), wait=5) == ("contas_2", "lojas")
    assert "strata_migration" not in tables(project.url)


# ----------------------------------------------------------------------- killed anywhere


def test_the_journal_knows_what_was_done_to_a_table_whose_name_has_a_percent_sign() -> None:
    """A percent sign is written twice for the driver, and is one in the name that the server is asked about."""
    with scratch(answering("mariadb")) as there, there.engine.connect() as connection:
        connection.exec_driver_sql(CREATE)
        with written(Journal(connection, "a", "up", __file__)):
            connection.exec_driver_sql("CREATE TABLE `a%%` (x INTEGER)")
            connection.exec_driver_sql("CREATE VIEW `b%%` AS SELECT * FROM `a%%`")
        connection.commit()
        assert [entry.done for entry in Journal(connection, "a", "up", __file__).entries] == [True, True]


def killed(work: Callable[[], object], *, after: float | None = None, at: int | None = None) -> bool:
    """Do the work in another process, and kill -9 it after some seconds, or at its statement of that number.

    False where it had done everything before.
    """
    child = os.fork()
    if child == 0:
        try:
            if at is not None:
                _die_at(at)
            work()
        except SqlstrataError as error:
            os.write(2, f"{error}\n".encode())
            os._exit(3)
        finally:
            os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _die_at(number: int) -> None:
    left = [number]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    sa.event.listen(sa.Engine, "commit", count)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_run_killed_at_any_statement_is_finished_or_undone_by_the_next(project: Project) -> None:
    chance = random.Random(SEED)
    plan = project.plan()
    up, down = (lambda: commands.up(plan)), (lambda: commands.down(plan, "contas"))
    hit = 0
    for _ in range(KILLS):
        hit += killed(up, at=chance.randint(10, 90))
        if chance.random() < 0.5:
            commands.up(plan)
            require_whole(project, "lojas")
        commands.up(plan) if chance.random() < 0.3 else None
        hit += killed(down, at=chance.randint(10, 90))
        if chance.random() < 0.7:
            while outcome(commands.status, plan).stage != "contas" or outcome(commands.status, plan).unfinished:
                commands.down(plan)
            commands.up(plan, "contas")  # takes a dead run's lock away, where that is all that is left of it
            require_whole(project, "contas")
    commands.up(plan)
    require_whole(project, "lojas")
    assert hit >= KILLS // 3


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_run_killed_at_any_moment_is_finished_by_the_next(project: Project) -> None:
    chance = random.Random(SEED + 1)
    plan = project.plan()
    begun = time.monotonic()
    commands.up(plan)
    length = time.monotonic() - begun
    for _ in range(KILLS // 2):
        commands.down(plan, "contas")
        require_whole(project, "contas")
        killed(lambda: commands.up(plan), after=chance.uniform(0.05, 1.2 * length))
        commands.up(plan)
        require_whole(project, "lojas")


def test_stock_alembic_goes_on_with_what_a_killed_inv_left(project: Project) -> None:
    plan = project.plan()
    killed(lambda: commands.up(plan), at=75)
    run = alembic(project, "upgrade", "head")
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    require_whole(project, "lojas")


# --------------------------------------------------------------- half way, on MariaDB


@pytest.fixture
def stuck(project: Project) -> Project:
    """The second stage ends with an index that the rows break, past what a guard can see."""
    if not project.url.startswith("mariadb"):
        pytest.skip("the other servers undo the whole stage")
    data = {
        "upgrade": [
            "UPDATE contas SET saldo = saldo + 100",
            "CREATE UNIQUE INDEX mao ON contas (apelido)",
            "DROP INDEX mao ON contas",
        ],
        "downgrade": ["SELECT 1", "SELECT 1", "UPDATE contas SET saldo = saldo - 100"],
    }
    stages = [{"message": each["name"], **each} for each in STAGES]
    project.configure(stages=[stages[0], {**stages[1], "data": data}, stages[2]])
    commands.rebuild(project.plan(), apply_it=False, proof=False)
    execute(project.url, "UPDATE contas SET nome = 'Ana'")
    return project


def test_exit_9_says_which_operations_are_in_and_which_are_not(stuck: Project) -> None:
    with pytest.raises(MigrationFailed, match="Duplicate entry") as failed:
        commands.up(stuck.plan())
    message = failed.value.message
    inside, outside = message.split("Applied: ")[1].split("Not applied: ")
    assert "create_table bancos" in inside
    assert "change_table contas" in inside
    assert "run_sql" not in inside
    assert "run_sql" in outside
    assert "Partly applied: run_sql" in message
    state = outcome(commands.status, stuck.plan())
    assert state.unfinished is not None
    assert (state.stage, state.unfinished.direction) == ("contas", "up")


def test_when_the_cause_is_gone_up_finishes_it(stuck: Project) -> None:
    for _ in range(2):
        with pytest.raises(MigrationFailed):
            commands.up(stuck.plan())
    execute(stuck.url, "UPDATE contas SET apelido = 'Rui', nome = 'Rui' WHERE id = 2")
    assert commands.up(stuck.plan()) == ("contas_2", "lojas")
    require_whole(stuck, "lojas")


def test_down_undoes_what_was_done(stuck: Project) -> None:
    with pytest.raises(MigrationFailed):
        commands.up(stuck.plan())
    assert commands.down(stuck.plan()) == ("contas_2",)
    execute(stuck.url, "UPDATE contas SET nome = 'Rui' WHERE id = 2")
    require_whole(stuck, "contas")


def test_stock_alembic_undoes_it_too(stuck: Project) -> None:
    run = alembic(stuck, "upgrade", "head")
    _, err = run.communicate(timeout=60)
    assert run.returncode != 0
    assert "Not applied: run_sql" in err
    run = alembic(stuck, "downgrade", "-1")
    assert (run.communicate(timeout=60), run.returncode)[1] == 0
    execute(stuck.url, "UPDATE contas SET nome = 'Rui' WHERE id = 2")
    require_whole(stuck, "contas")


# --------------------------------------------------------- what the world does to a run


def test_a_connection_that_is_cut_leaves_the_old_state_or_the_new_one(project: Project) -> None:
    there = sa.make_url(project.url)
    if addresses.server_kind(there) == "sqlite":
        pytest.skip("no connection to cut")
    chance = random.Random(SEED + 2)
    for _ in range(3):
        proxy = Proxy(there.host or "127.0.0.1", addresses.port(there))
        proxy.start()
        through = there.set(host="127.0.0.1", port=proxy.own).render_as_string(hide_password=False)
        timer = threading.Timer(chance.uniform(0.05, 0.6), proxy.cut)
        timer.start()
        try:
            commands.up(project.plan(), url=through)
        except SqlstrataError as error:
            assert error.code in {7, 8, 9}  # noqa: PT017
        timer.join()
        proxy.stop()
        commands.up(project.plan())
        require_whole(project, "lojas")
        commands.down(project.plan(), "contas")
        require_whole(project, "contas")


AGAIN = {
    "postgresql": "DO $$ BEGIN IF nextval('voltas') < {times} THEN RAISE 'again' USING ERRCODE = '40001'; END IF; END $$",
    "mysql": "BEGIN NOT ATOMIC IF NEXTVAL(voltas) < {times} THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END IF; END",
}


@pytest.fixture
def unlucky(project: Project) -> Callable[[int], Project]:
    """The second stage is a deadlock's victim until it has been tried so many times; a sequence is not rolled back."""
    if project.url.startswith("sqlite"):
        pytest.skip("SQLite has one writer at a time, and so no deadlocks")

    def made(times: int) -> Project:
        again = {kind: text.format(times=times) for kind, text in AGAIN.items()}
        data = {"upgrade": {**again, "sqlite": "SELECT 1"}, "downgrade": "SELECT 1"}
        first, *_ = ({"message": each["name"], **each} for each in STAGES)
        project.configure(stages=[first, {"name": "azar", "data": data}])
        execute(project.url, "CREATE SEQUENCE voltas")
        commands.rebuild(project.plan(), apply_it=False, proof=False)
        return project

    return made


def test_who_lost_a_deadlock_tries_again(unlucky: Callable[[int], Project]) -> None:
    project = unlucky(3)
    assert commands.up(project.plan(), wait=5) == ("azar",)
    assert outcome(commands.status, project.plan()).stage == "azar"


def test_who_loses_every_time_gives_up_and_says_so(unlucky: Callable[[int], Project]) -> None:
    project = unlucky(1000)
    with pytest.raises(MigrationFailed):
        commands.up(project.plan(), wait=5)
    assert rows(
        project.url, "SELECT NEXTVAL(voltas)" if project.url.startswith("maria") else "SELECT nextval('voltas')"
    ) == [(5,)]
    assert outcome(commands.status, project.plan()).stage == "contas"


def test_a_file_that_is_read_only_is_reported_and_left_as_it_is(tmp_path: Path) -> None:
    made = write(tmp_path / "p", MODULES, STAGES, package="modelos")
    commands.rebuild(made.plan(), proof=False)
    commands.down(made.plan(), "contas")
    before = (made.folder / "dev.db").read_bytes()
    url = f"sqlite:///file:{made.folder / 'dev.db'}?mode=ro&uri=true"
    run = alembic(made, "-x", f"url={url}", "upgrade", "head")
    assert run.communicate(timeout=60)[1]
    assert run.returncode != 0
    if os.geteuid() == 0 and shutil.which("chattr"):
        locked = subprocess.run(
            [str(shutil.which("chattr")), "+i", str(made.folder / "dev.db")], check=False, capture_output=True
        )
        if locked.returncode == 0:
            try:
                with pytest.raises(MigrationFailed, match=r"readonly|read-only|unable to open"):
                    commands.up(made.plan())
            finally:
                subprocess.run([str(shutil.which("chattr")), "-i", str(made.folder / "dev.db")], check=True)
    assert (made.folder / "dev.db").read_bytes() == before


def test_of_several_stages_those_before_one_that_fails_stay(project: Project) -> None:
    execute(project.url, "CREATE TABLE lojas (id INTEGER)")
    with pytest.raises(MigrationFailed) as failed:
        commands.up(project.plan())
    assert failed.value.details["applied"] == ["contas_2"]
    assert "The database is at stage contas_2" in failed.value.message
    assert rows(project.url) == AFTER
    execute(project.url, "DROP TABLE lojas")
    assert commands.up(project.plan()) == ("lojas",)
    require_whole(project, "lojas")


def test_a_column_that_is_there_already_keeps_its_values(project: Project) -> None:
    """Somebody has made by hand what the stage adds: its `fill` is not for these rows."""
    execute(project.url, "ALTER TABLE contas ADD COLUMN apelido VARCHAR(20)", "UPDATE contas SET apelido = 'por mim'")
    with pytest.raises(MigrationFailed, match="apelido"):
        commands.up(project.plan())
    assert rows(project.url, "SELECT apelido FROM contas") == [("por mim",), ("por mim",)]


def test_a_stage_whose_commit_fails_is_not_reported_as_applied(project: Project) -> None:
    if "postgresql" not in project.url:
        pytest.skip("only PostgreSQL has constraint triggers, which speak at the commit")
    last = apply.files(project.plan())[-1].id
    execute(
        project.url,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$",
        "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON alembic_version DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        f" WHEN (NEW.version_num = '{last}') EXECUTE FUNCTION no()",
    )
    with pytest.raises(MigrationFailed, match="not now") as failed:
        commands.up(project.plan())
    assert failed.value.details["applied"] == ["contas_2"]


def test_sql_that_ends_sqlite_s_transaction_is_reported(project: Project) -> None:
    if not project.url.startswith("sqlite"):
        pytest.skip("the other servers have no savepoint for each stage")
    data = {"upgrade": ["/* hidden */ COMMIT"], "downgrade": ["SELECT 1"]}
    project.configure(stages=[{"message": each["name"], **each} for each in (*STAGES[:2], {**STAGES[2], "data": data})])
    commands.rebuild(project.plan(), apply_it=False, proof=False)
    with pytest.raises(MigrationFailed, match="no such savepoint"):
        commands.up(project.plan())


def test_a_version_that_somebody_else_wrote_meanwhile_stops_the_run(project: Project) -> None:
    stages = [{"message": each["name"], **each} for each in STAGES]
    stages[2]["data"] = {"upgrade": "UPDATE alembic_version SET version_num = 'other'", "downgrade": "SELECT 1"}
    project.configure(stages=stages)
    commands.rebuild(project.plan(), apply_it=False, proof=False)
    with pytest.raises(MigrationFailed) as failed:
        commands.up(project.plan())
    assert failed.value.details["applied"] == ["contas_2"]


def test_a_full_disk_is_reported_and_the_file_is_whole(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("only root can make a small disk")
    try:
        made = write(tmp_path / "p", MODULES, STAGES, url=f"sqlite:///{small / 'dev.db'}", package="modelos")
        commands.rebuild(made.plan(), proof=False)
        commands.down(made.plan(), "contas")
        with database.engine(made.url).begin() as connection:
            for number in range(1500):
                connection.exec_driver_sql("INSERT INTO contas (nome, saldo) VALUES (?, '1')", (f"n{number}" * 8,))
        _fill(small / "rest")
        with pytest.raises(MigrationFailed, match="full") as failed:
            commands.up(made.plan())
        assert "The database is at stage contas." in failed.value.message
        assert failed.value.details["applied"] == []
        (small / "rest").unlink()
        state = outcome(commands.status, made.plan())
        assert (state.stage, state.schema_matches) == ("contas", True)
    finally:
        subprocess.run([str(shutil.which("umount")), "-l", str(small)], check=True)


def _fill(path: Path) -> None:
    """Use all the room that is left."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 1024)


def test_who_may_only_read_can_look_and_is_reported_the_rest(project: Project) -> None:
    there = sa.make_url(project.url)
    kind = addresses.server_kind(there)
    if kind == "sqlite":
        pytest.skip("SQLite has no users")
    name = f"strata_user_{secrets.token_hex(4)}"
    made = {
        "postgresql": [f"CREATE ROLE {name} LOGIN", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"],
        "mariadb": [f"CREATE USER {name}", f"GRANT SELECT ON `{there.database}`.* TO {name}"],
    }
    gone = {"postgresql": [f"DROP OWNED BY {name}", f"DROP ROLE {name}"], "mariadb": [f"DROP USER {name}"]}
    execute(project.url, *made[kind])
    try:
        url = there.set(username=name).render_as_string()
        with pytest.raises(SqlstrataError) as refused:
            commands.up(project.plan(), url=url, wait=1)
        assert refused.value.code in {8, 9}
        assert "denied" in refused.value.message or "owner" in refused.value.message
    finally:
        execute(project.url, *gone[kind])
    require_whole(project, "contas")
