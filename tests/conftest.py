"""What tests share: real servers, as fixtures."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata.databases import creation, removal
from tests.servers import RELEASES, SERVERS, answering, anything, running


@pytest.fixture(scope="session", autouse=True)
def _embedded_ends() -> Iterator[None]:
    with running:
        yield


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> str:
    """The URL of each server in turn."""
    return answering(request.param)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """The URL of each server in turn, and of the later PostgreSQL."""
    return answering(request.param)


@pytest.fixture
def url(server: str, tmp_path: Path) -> Iterator[str]:
    """A database that is not there yet; dropped at the end."""
    if server == "sqlite://":
        yield f"sqlite:///{tmp_path / 'dev.db'}"
        return
    made = sa.make_url(server).set(database=f"strata_test_{secrets.token_hex(6)}")
    yield made.render_as_string(hide_password=False)
    if creation.exists(made):
        removal.drop(made, anything)
