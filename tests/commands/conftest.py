"""Fixtures of the tests of commands."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from invoke import Collection

from sqlstrata.databases import creation, removal
from sqlstrata.program import StrictProgram
from sqlstrata.servers import KINDS
from tests.commands.running import (
    MODULES,
    STAGES,
    Inv,
    Ran,
    fresh_tasks,
)
from tests.migrate import test_identify as identified
from tests.projects import Project, write
from tests.servers import answering, anything


@pytest.fixture
def inv(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inv:
    """Run `inv WORDS…` in this process, from wherever we are."""
    for name in ("CONFIG", "SQLSTRATA_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Ran:
        capsys.readouterr()
        program = StrictProgram(namespace=Collection.from_module(fresh_tasks()), name="inv", binary="inv")
        try:
            program.run(["inv", *words])
            code: object = 0
        except SystemExit as end:
            code = end.code or 0
        assert isinstance(code, int)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Ran(code, said.out, said.err)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write(tmp_path / "projeto", MODULES, STAGES, servers=tuple(KINDS))


@pytest.fixture
def given(inv: Inv, project: Project) -> Inv:
    """`inv WORDS… --config` the project's file."""
    return lambda *words: inv(*words, "--config", str(project.config))


@pytest.fixture
def server_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server, and the URL of a database on it that is not there yet; dropped at the end."""
    server = answering(request.param)
    name = f"strata_loja_{secrets.token_hex(6)}"
    if request.param == "sqlite":
        yield server, f"sqlite:///{tmp_path / name}.db"
        return
    url = sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    yield server, url
    if creation.exists(url):
        removal.drop(url, anything)


@pytest.fixture
def local(tmp_path: Path) -> Project:
    """A project on SQLite."""
    return write(tmp_path / "p", identified.MODULES, identified.STAGES, package="modelos")


@pytest.fixture
def clone(tmp_path: Path, url: str) -> Project:
    """The same project, with its database on each server."""
    return write(tmp_path / "p", identified.MODULES, identified.STAGES, url=url, package="modelos")
