"""What a server does for the campaign, and the picture that the oracle takes of a database."""

from __future__ import annotations

import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

VERSION, JOURNAL = "alembic_version", "strata_migration"


@dataclass(frozen=True)
class Picture:
    """All that a database holds: its schema element by element, each table's rows, and what it says of itself."""

    schema: frozenset[str]
    rows: Mapping[str, tuple[str, ...]]
    about: str

    @property
    def revision(self) -> tuple[str, ...]:
        """The rows of Alembic's table."""
        return self.rows.get(VERSION, ())

    @property
    def half_done(self) -> bool:
        """Whether the table is there that a run on MariaDB keeps while it is at work."""
        return any(JOURNAL in name for name in self.rows)

    @property
    def data(self) -> dict[str, tuple[str, ...]]:
        """The rows of the tables that are not Alembic's."""
        return {name: rows for name, rows in self.rows.items() if name != VERSION}


def frozen(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A table's rows in a form that compares: by column and value, whatever their order."""
    return tuple(sorted(repr(sorted(row.items())) for row in rows))


class Server(ABC):
    """A kind of server. A database is called by its name; on SQLite that is its path."""

    kind: ClassVar[str]

    @abstractmethod
    def silence(self) -> str | None:
        """Why the server cannot be used; None where it answers."""

    @abstractmethod
    def picture(self, name: str) -> Picture | None:
        """What a database holds; None where there is none."""

    @abstractmethod
    def create(self, name: str, owner: str) -> None:
        """Make an empty database that the user may do everything with."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Drop a database, if it is there."""

    @abstractmethod
    def execute(self, name: str, *statements: str, user: str = "") -> None:
        """Run statements in a database, so that what they make is the user's."""

    @abstractmethod
    def insert(self, name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], user: str = "") -> None:
        """Put rows into tables, in the tables' order."""

    @abstractmethod
    def url(self, user: str, password: str, name: str, **where: Any) -> str:
        """The program's URL of a database; `where` may hold host, port and query."""

    @abstractmethod
    def say(self, name: str, text: str) -> None:
        """Have a database say something of itself, where the program keeps its mark, too."""

    def make_user(self, user: str, password: str, prefix: str) -> None:
        """Make a user who may do everything with databases that begin so, and with scratch databases."""
        return

    def drop_user(self, user: str) -> None:
        """Take the user away, and what is left of theirs."""
        return

    def connections(self, user: str) -> int:
        """How many connections the user has."""
        return 0

    def names(self) -> set[str]:
        """The databases that there are on the server."""
        return set()

    def rename(self, name: str, new: str) -> None:
        raise NotImplementedError


def server_url(
    driver: str, address: Mapping[str, Any], user: str, password: str, name: str, where: Mapping[str, Any]
) -> str:
    """The URL of a database on a server, with all characters that a password may have quoted."""
    quoted = urllib.parse.quote
    host, port = where.get("host", address["host"]), where.get("port", address["port"])
    query = where.get("query", "")
    secret = f":{quoted(password, safe='')}" if password else ""
    return f"{driver}://{quoted(user, safe='')}{secret}@{host}:{port}/{name}{'?' + query if query else ''}"


def inserting(table: str, row: Mapping[str, Any], mark: str = "%s") -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join([mark] * len(row))})"
