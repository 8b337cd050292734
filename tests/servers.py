"""The real servers that tests use: where they are, and a skip or a failure where one does not answer."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import cache

import pytest

from sqlstrata.databases import database
from sqlstrata.errors import SqlstrataError
from tests.embedded import missing, postgresql18

SERVERS = {
    "sqlite": "sqlite://",
    "postgresql": os.environ.get("STRATA_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("STRATA_MARIADB", "mariadb+pymysql://root@127.0.0.1:3306/"),
}
EMBEDDED = "postgresql18"
RELEASES = (*SERVERS, EMBEDDED)
"""The servers, and a later PostgreSQL, for tests of what depends on a server's release."""
running = ExitStack()


def family(kind: str) -> str:
    """The kind of server that a release is one of."""
    return "postgresql" if kind == EMBEDDED else kind


@cache
def embedded() -> str:
    """The URL of the later PostgreSQL, which runs until the tests end."""
    return running.enter_context(postgresql18())


@cache
def silence(kind: str) -> str | None:
    """Why the server cannot be used; None where it answers."""
    try:
        database.connect(database.engine(SERVERS[kind])).close()
    except SqlstrataError as error:
        return str(error)
    return None


def answering(kind: str) -> str:
    """The URL of a server that answers; without one the test is skipped, but fails where CI promises all servers."""
    if kind == EMBEDDED:
        return pytest.skip(reason) if (reason := missing()) else embedded()
    reason = silence(kind)
    if reason is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return SERVERS[kind]


def anything(_: object) -> None:
    """Allow a test's own database to be dropped, whatever it is."""
