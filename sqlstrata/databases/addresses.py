"""Database URLs: parsed once, and the names that messages have for where they lead. Nothing is connected here."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from sqlstrata.disk import shown
from sqlstrata.errors import WrongUse
from sqlstrata.plan.drivers import Unusable
from sqlstrata.plan.urls import as_url
from sqlstrata.secret import is_ambiguous, keep_secret, keep_url
from sqlstrata.servers import kind_of


def parsed(url: str | sa.URL) -> sa.URL:
    """The URL as a value, for the driver that migrations run with.

    Raises WrongUse for text that is not a URL, a server or driver that is not supported, and a URL that could lead to
    another database than it names.
    """
    if isinstance(url, str):
        keep_url(url)
    try:
        value = as_url(url)
    except ArgumentError:
        message = "This is not a database URL."
        raise WrongUse(message, hint="Write it as postgresql+psycopg://user@host:5432/name.") from None
    except Unusable as error:
        raise WrongUse(str(error), hint=error.hint, **({"option": error.key} if error.key else {})) from None
    if value.password:
        keep_secret(str(value.password))
    if isinstance(url, str) and is_ambiguous(url) and "@" not in str(value.host):
        message = "This URL has a second `@` before its host."
        raise WrongUse(message, hint="In a user's name or password write %40 for `@`.")
    return value


def server_kind(url: sa.URL) -> str:
    """The server's name: sqlite, postgresql or mariadb. The URL is one that was `parsed`."""
    return kind_of(url.get_backend_name()).name


def address(url: sa.URL) -> str:
    """Where the URL leads, for messages: never with a user's password.

    What stands before an "@" in the host may be the end of a password that was not escaped.
    """
    if server_kind(url) == "sqlite":
        return f"SQLite file {shown(Path(url.database))}" if url.database else "SQLite in memory"
    host = (url.host or "localhost").rpartition("@")[2]
    return f"{kind_of(url.get_backend_name()).title} at {host}:{port(url)}"


def title(url: sa.URL) -> str:
    """The database for messages: its name and its server, or its file."""
    return address(url) if server_kind(url) == "sqlite" else f"database {url.database} on {address(url)}"


def port(url: sa.URL) -> int | None:
    """The URL's port, or its server's default; SQLite has none."""
    return url.port or kind_of(url.get_backend_name()).port


def server(url: sa.URL) -> sa.URL:
    """The URL's server, in a database that every server has: where one connects to create or drop databases."""
    return url.set(database="postgres" if server_kind(url) == "postgresql" else "information_schema")


def in_memory(url: sa.URL) -> bool:
    """Whether a SQLite URL names no file."""
    return url.database in {None, "", ":memory:"}
