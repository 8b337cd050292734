"""`onboard`: from a fresh clone to a working database; and secrets, in all that commands print."""

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
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import addresses, database, removal
from sqlstrata.errors import HistoryDiffers, Protected, Unreachable
from sqlstrata.secret import masked
from tests.migrate.test_identify import MODULES, STAGES
from tests.projects import Project, write
from tests.servers import SERVERS, answering, anything

ROOT = Path(__file__).resolve().parents[2]

SECRET = "segredo99"  # noqa: S105 - of a user that the test makes

YES, NO = (lambda _: True), (lambda _: False)


@pytest.fixture
def project(clone: Project) -> Project:
    """On each server."""
    return clone


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
        assert commands.onboard(project.plan(), notify=lambda sentence, _: said.append(sentence)).tables == {
            "gente.pessoas": 1
        }
        assert said.count("Created the schema gente.") == 1
        assert not commands.onboard(project.plan(), notify=lambda sentence, _: said.append(sentence)).changed
        assert commands.reset(project.plan(), YES).applied == ("pessoas",)
        assert said.count("Created the schema gente.") == 1
    finally:
        removal.drop(made, anything)


def test_a_history_that_is_not_what_the_stages_give_is_reported_before_the_database_is_touched(local: Project) -> None:
    commands.rebuild(local.plan(), apply_it=False, proof=False)
    local.configure(stages=[{"message": "Outra", **each} for each in STAGES])
    with pytest.raises(HistoryDiffers):
        commands.onboard(local.plan())
    assert not (local.folder / "dev.db").exists()


def test_no_server_is_reported_with_its_address_after_the_wait(local: Project) -> None:
    local.configure(database={"url": "postgresql+psycopg://ana:segredo@127.0.0.1:1/x"})
    heard: list[str] = []
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"PostgreSQL at 127\.0\.0\.1:1 cannot be reached"):
        commands.onboard(local.plan(), wait=1, notify=lambda said, _: heard.append(said))
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


def test_what_a_rebuild_did_beside_a_protected_database_is_reported(local: Project) -> None:
    commands.rebuild(local.plan())
    local.configure(database={"url": "sqlite:///dev.db", "protected": True})
    local.module("cidades", MODULES["cidades"] + "    nome: Mapped[str | None]\n")
    with pytest.raises(Protected) as caught:
        commands.rebuild(local.plan())
    assert caught.value.message.endswith("The new history is written.")
    assert str(caught.value.hint).startswith("The database was not changed.")


def inv(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words]
    return subprocess.run(
        command, cwd=project.folder, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False
    )


def test_no_password_is_in_any_output(local: Project) -> None:
    local.configure(database={"url": "postgresql+psycopg://ana:s3gr%40do99@127.0.0.1:1/x"})
    for words in (["status", "--json"], ["onboard", "--wait", "0"], ["reset", "--yes", "--json"], ["rebuild"]):
        done = inv(local, *words)
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
