"""From a fresh clone to a working database, anew, on other servers, and a stage more."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.commands.adding import with_stage
from sqlstrata.commands.verifying import failure
from sqlstrata.databases import addresses, creation, database, removal
from sqlstrata.errors import HistoryDiffers, Locked, Protected, Unreachable, WrongUse
from sqlstrata.plan import read
from sqlstrata.secret import masked
from tests.migrate.test_identify import MODULES, STAGES
from tests.projects import Project, write
from tests.servers import SERVERS, answering, anything

ROOT = Path(__file__).resolve().parents[2]
SECRET = "segredo99"  # noqa: S105 - of a user that the test makes
YES, NO = (lambda _: True), (lambda _: False)


@pytest.fixture
def url(server: str, tmp_path: Path) -> Iterator[str]:
    if server == "sqlite://":
        yield f"sqlite:///{tmp_path / 'dev.db'}"
        return
    made = sa.make_url(server).set(database=f"strata_test_{secrets.token_hex(6)}")
    yield made.render_as_string(hide_password=False)
    if creation.exists(made):
        removal.drop(made, anything)


@pytest.fixture
def project(tmp_path: Path, url: str) -> Project:
    return write(tmp_path / "p", MODULES, STAGES, url=url, package="modelos")


@pytest.fixture
def local(tmp_path: Path) -> Project:
    """A project on SQLite."""
    return write(tmp_path / "p", MODULES, STAGES, package="modelos")


# ------------------------------------------------------------------------------- onboard


def test_a_fresh_clone_becomes_a_working_database_and_twice_does_no_harm(project: Project) -> None:
    done = commands.onboard(project.plan())
    assert (done.created, done.applied, done.stage) == (True, ("pessoas", "cidades", "email"), "email")
    assert done.tables == {"pessoas": 1, "cidades": 0}
    files = project.files()
    again = commands.onboard(project.plan())
    assert not again.changed
    assert again.tables == done.tables
    assert project.files() == files


def test_a_schema_that_the_development_database_has_not_is_made(tmp_path: Path) -> None:
    server = sa.make_url(answering("postgresql"))
    made = server.set(database=f"strata_test_{secrets.token_hex(6)}").render_as_string(hide_password=False)
    module = MODULES["pessoas"].replace('"pessoas"', '"pessoas"\n            __table_args__ = {"schema": "gente"}')
    stages = [{"name": "pessoas", "enable": ["pessoas"], "rows": {"gente.pessoas": [{"nome": "Ana"}]}}]
    project = write(tmp_path / "p", {"pessoas": module}, stages, url=made, prove_on=[SERVERS["postgresql"]])
    said: list[str] = []
    try:
        assert commands.onboard(project.plan(), told=lambda sentence, _: said.append(sentence)).tables == {
            "gente.pessoas": 1
        }
        assert said.count("Made the schema gente.") == 1
        assert not commands.onboard(project.plan(), told=lambda sentence, _: said.append(sentence)).changed
        assert commands.reset(project.plan(), YES).applied == ("pessoas",)
        assert said.count("Made the schema gente.") == 1
    finally:
        removal.drop(made, anything)


def test_a_history_that_is_not_what_the_stages_give_is_told_before_the_database_is_touched(local: Project) -> None:
    commands.rebuild(local.plan(), apply_it=False, proof=False)
    local.configure(stages=[{"message": "Outra", **each} for each in STAGES])
    with pytest.raises(HistoryDiffers):
        commands.onboard(local.plan())
    assert not (local.folder / "dev.db").exists()


def test_no_server_is_told_with_its_address_after_the_wait(local: Project) -> None:
    local.configure(database={"url": "postgresql+psycopg://ana:segredo@127.0.0.1:1/x"})
    heard: list[str] = []
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"PostgreSQL at 127\.0\.0\.1:1 cannot be reached"):
        commands.onboard(local.plan(), wait=1, told=lambda said, _: heard.append(said))
    assert 1 <= time.monotonic() - begun < 10
    assert any("Waiting up to 1 s" in said for said in heard)
    assert not any("segredo" in said for said in heard)


def test_a_server_that_is_starting_is_waited_for(tmp_path: Path) -> None:
    there = sa.make_url(answering("postgresql"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = there.set(host="127.0.0.1", port=port, database=f"strata_test_{secrets.token_hex(6)}")
    project = write(tmp_path / "p", MODULES, STAGES, url=made.render_as_string(hide_password=False), package="modelos")
    server = Proxy(there.host or "127.0.0.1", addresses.port(there), port)
    threading.Timer(1.5, server.start).start()
    try:
        assert commands.onboard(project.plan(), wait=30).created
    finally:
        server.stop()
        removal.drop(there.set(database=made.database), anything)


class Proxy:
    """A TCP proxy that can cut its connections."""

    def __init__(self, host: str, port: int, own: int = 0) -> None:
        self.target, self.own = (host, port), own
        self.pairs: list[socket.socket] = []
        self.server: socket.socket | None = None

    def start(self) -> None:
        self.server = socket.create_server(("127.0.0.1", self.own))
        self.own = self.server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.server,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                one, _ = server.accept()
                other = socket.create_connection(self.target)
            except OSError:
                return
            self.pairs += [one, other]
            for here, there in ((one, other), (other, one)):
                threading.Thread(target=self._pass, args=(here, there), daemon=True).start()

    @staticmethod
    def _pass(here: socket.socket, there: socket.socket) -> None:
        try:
            while data := here.recv(65536):
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def cut(self) -> None:
        for each in self.pairs:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.pairs.clear()

    def stop(self) -> None:
        if self.server is not None:
            self.server.close()
        self.cut()


def test_who_may_not_create_a_database_is_told_the_sql_that_an_administrator_would_run(tmp_path: Path) -> None:
    for kind, make, grant in (
        ("postgresql", "CREATE ROLE {} LOGIN PASSWORD 'segredo99'", "CREATEDB"),
        ("mariadb", "CREATE USER {} IDENTIFIED BY 'segredo99'", "GRANT ALL ON"),
    ):
        server = sa.make_url(answering(kind))
        name = f"strata_user_{secrets.token_hex(4)}"
        with database.engine(addresses.server(server)).begin() as connection:
            connection.exec_driver_sql(make.format(name))
        try:
            user = server.set(username=name, password=SECRET, database=f"strata_test_{secrets.token_hex(6)}")
            shown = user.render_as_string(hide_password=False)
            project = write(tmp_path / kind, MODULES, STAGES, url=shown, package=f"modelos_{kind}")
            for name_, text in MODULES.items():
                project.module(name_, text.replace("modelos.", f"modelos_{kind}."))
            with pytest.raises(Unreachable) as refused:
                commands.onboard(project.plan(), wait=1)
            assert grant in str(refused.value)
            assert "segredo99" not in json.dumps(refused.value.to_json())
        finally:
            with database.engine(addresses.server(server)).begin() as connection:
                connection.exec_driver_sql(f"DROP {'ROLE' if kind == 'postgresql' else 'USER'} {name}")


# --------------------------------------------------------------------------------- reset


def test_reset_makes_the_development_database_anew(project: Project, url: str) -> None:
    commands.onboard(project.plan())
    with database.engine(url).begin() as connection:
        connection.exec_driver_sql("DELETE FROM pessoas")
        connection.exec_driver_sql("CREATE TABLE extra (id INTEGER)")
    with pytest.raises(WrongUse, match="Nothing was changed"):
        commands.reset(project.plan(), NO)
    done = commands.reset(project.plan(), YES)
    assert (done.created, done.tables) == (True, {"pessoas": 1, "cidades": 0})


def test_what_we_neither_made_nor_adopted_is_never_dropped(project: Project, url: str) -> None:
    commands.onboard(project.plan())
    removal.drop(url, anything)
    creation.create(url)
    with database.engine(url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE deles (id INTEGER)")
    with pytest.raises(Protected, match="was not created or adopted by this project|is not the file that this project"):
        commands.reset(project.plan(), YES)
    with database.engine(url).begin() as connection:
        connection.exec_driver_sql("INSERT INTO deles VALUES (1)")
        connection.exec_driver_sql("DROP TABLE deles")
    commands.adopt(project.plan())
    assert commands.reset(project.plan(), YES).created


def test_a_protected_plan_is_not_reset(local: Project) -> None:
    commands.onboard(local.plan())
    local.configure(database={"url": "sqlite:///dev.db", "protected": True})
    with pytest.raises(Protected):
        commands.reset(local.plan(), YES)
    assert commands.status(local.plan()).stage == "email"


def test_what_a_rebuild_did_beside_a_protected_database_is_told(local: Project) -> None:
    commands.rebuild(local.plan())
    local.configure(database={"url": "sqlite:///dev.db", "protected": True})
    local.module("cidades", MODULES["cidades"] + "    nome: Mapped[str | None]\n")
    with pytest.raises(Protected) as caught:
        commands.rebuild(local.plan())
    assert caught.value.message.endswith("The new history is written.")
    assert str(caught.value.hint).startswith("The database was not changed.")


def test_reset_cuts_nobody_off(project: Project, url: str) -> None:
    if not url.startswith("postgresql"):
        pytest.skip("MariaDB drops a database that is looked at; SQLite's case is its write lock")
    commands.onboard(project.plan())
    with database.engine(url).connect() as other:
        other.exec_driver_sql("SELECT 1")
        with pytest.raises(Locked, match="is in use"):
            commands.reset(project.plan(), YES, wait=0.3)
        assert other.exec_driver_sql("SELECT count(*) FROM pessoas").scalar() == 1


def inv(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words]
    return subprocess.run(
        command, cwd=project.folder, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False
    )


def test_without_a_terminal_nothing_is_asked(local: Project) -> None:
    commands.onboard(local.plan())
    done = inv(local, "reset")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert inv(local, "reset", "--yes").returncode == 0


# -------------------------------------------------------------------------------- verify


def test_verify_proves_on_several_servers_at_once(local: Project) -> None:
    commands.rebuild(local.plan(), proof=False)
    urls = [
        "sqlite://",
        answering("postgresql"),
        answering("mariadb"),
        "postgresql+psycopg://ana:segredo99@127.0.0.1:1/x",
    ]
    found = commands.verify(local.plan(), urls)
    assert [set(server.seconds) for server in found.servers[:3]] == [{"pessoas", "cidades", "email"}] * 3
    assert [server.error is None for server in found.servers] == [True, True, True, False]
    error = failure(found)
    assert isinstance(error, Unreachable)
    assert "segredo99" not in json.dumps(error.to_json())


def test_verify_tells_a_history_that_does_not_do(local: Project) -> None:
    commands.rebuild(local.plan(), proof=False)
    path = next(local.versions.glob("0003*"))
    path.write_text(path.read_text().replace("nullable=True", "nullable=False"))
    with pytest.raises(HistoryDiffers, match="hand edit"):
        commands.verify(local.plan())


# ----------------------------------------------------------------------------- new-stage


CONFIG = """\
# Nosso plano
database: {{url: "sqlite:///dev.db"}}   # local
models: {{package: modelos, base: "base:Base"}}
stages:
{stages}
# o fim
prove_on: [sqlite://]
"""
LAYOUTS = {
    "indented, with blank lines": (
        "  - name: pessoas   # a primeira\n    enable: [pessoas]\n    # nota\n\n"
        "  - name: cidades\n    enable:\n      - cidades\n    # fim da cidade\n"
    ),
    "flush": "- name: pessoas\n  enable: [pessoas]\n- name: cidades\n  enable: [cidades]",
    "wide": "    -   name: pessoas\n        enable: [pessoas]\n    -   {name: cidades, enable: [cidades]}  # curto",
    "block text": "  - name: pessoas\n    enable: [pessoas]\n    data: |\n      SELECT 1\n\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_new_stage_keeps_every_other_line(local: Project, layout: str, newline: str) -> None:
    before = CONFIG.format(stages=LAYOUTS[layout]).replace("\n", newline)
    local.config.write_bytes(before.encode())
    names = [stage.name for stage in read(local.config).stages]
    done = commands.new_stage(read(local.config), "telefone", message="O: telefone # novo", extends="Pessoa")
    after = local.config.read_bytes().decode()
    left, added = before.splitlines(keepends=True), after.splitlines(keepends=True)
    kept = [line for line in added if line in left]
    assert [line for line in left if line not in kept] == []
    assert added[done.line - 1].strip().endswith("name: telefone")
    assert ("\r\n" in after) == (newline == "\r\n")
    plan = read(local.config)
    assert [stage.name for stage in plan.stages] == [*names, "telefone"]
    assert (plan.stages[-1].message, plan.stages[-1].enable) == ("O: telefone # novo", ("telefone",))
    assert commands.rebuild(plan).revisions[-1].changes == ("pessoas: + telefone",)


def test_new_stage_in_brackets() -> None:
    text, line = with_stage("a: 1\nstages: [{name: x, enable: [x]}]  # fim\n", "y", "Y", ("y",))
    assert text == "a: 1\nstages: [{name: x, enable: [x]}, {name: y, message: Y, enable: [y]}]  # fim\n"
    assert line == 2


def test_a_new_model_makes_a_table(local: Project) -> None:
    done = commands.new_stage(local.plan(), "notas")
    assert [path.name for path in done.written] == ["notas.py"]
    assert commands.rebuild(local.plan()).revisions[-1].changes == ("+ notas (1 column)",)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pessoas", {}, "already"),
        ("Notas", {}, "not a stage's name"),
        ("notas", {"extends": "Nada"}, "has a class Nada"),
        ("notas", {"enable": ("pessoas",)}, "pessoas"),
        ("notas", {"enable": ("../x",)}, "not a module's name"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    local: Project, name: str, options: dict[str, object], message: str
) -> None:
    before = {
        path: path.read_bytes() for path in local.folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }
    with pytest.raises(WrongUse, match=message):
        commands.new_stage(local.plan(), name, **options)  # type: ignore[arg-type]
    after = {
        path: path.read_bytes() for path in local.folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }
    assert after == before


# ------------------------------------------------------------------------------- secrets


def test_no_password_is_in_anything_that_is_said(local: Project) -> None:
    local.configure(database={"url": "postgresql+psycopg://ana:s3gr%40do99@127.0.0.1:1/x"})
    for words in (
        ["up"],
        ["status"],
        ["identify"],
        ["adopt"],
        ["onboard", "--wait", "0"],
        ["reset", "--yes"],
        ["rebuild"],
    ):
        for more in ([], ["--json"]):
            done = inv(local, *words, *more)
            assert done.returncode in {2, 3, 8}, (words, done.stderr)
            assert "s3gr" not in done.stdout + done.stderr
            assert "Traceback" not in done.stderr
    assert not any("s3gr" in path.read_text(errors="replace") for path in (local.folder / "migrations").rglob("*.py"))


def test_a_traceback_hides_the_passwords_too(local: Project) -> None:
    addresses.parsed("postgresql://ana:umsegredo@servidor/x")
    assert "umsegredo" not in masked("OperationalError: password 'umsegredo' for postgresql://ana:umsegredo@servidor/x")
    assert masked("umsegredos") == "umsegredos"
    text = "import sqlstrata.commands as c\ndef up(*_, **__):\n    raise RuntimeError('to postgresql://ana:umsegredo@s/x')\n"
    (local.folder / "sitecustomize.py").write_text(f"{text}c.up = up\n")
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "up", "--json"]
    environ = {**os.environ, "PYTHONPATH": f"{local.folder}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=local.folder, env=environ, text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == 1
    assert "umsegredo" not in done.stdout + done.stderr
