"""The supported servers, in one table: names, drivers, ports and versions. SQLAlchemy is not imported.

SQLAlchemy has two names for MariaDB, `mysql` and `mariadb`. In config.yaml and in revisions it is `mysql`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of server.

    name: its name in this program; title: its name in messages; key: its name in config.yaml and in revisions.
    dialects: SQLAlchemy's names for it; driver: SQLAlchemy's name for the driver; extra: the extra that installs
    it, None where Python has it; port: the default one.
    minimum: the oldest version that is supported; compiled: the version that DDL is compiled for without a server.
    """

    name: str
    title: str
    key: str
    dialects: tuple[str, ...]
    driver: str
    extra: str | None
    port: int | None
    minimum: tuple[int, ...]
    compiled: tuple[int, ...]

    def drivername(self, dialect: str | None = None) -> str:
        """The beginning of a URL, up to `://`, under one of the dialects' names."""
        dialect = dialect or self.name
        return dialect if self.extra is None else f"{dialect}+{self.driver}"

    @property
    def requirement(self) -> str:
        """What to install with pip."""
        return "sqlstrata" if self.extra is None else f"sqlstrata[{self.extra}]"

    @property
    def oldest(self) -> str:
        """The oldest supported version, for messages."""
        return f"{self.title} {'.'.join(map(str, self.minimum))}"


KINDS: Mapping[str, Kind] = {
    each.name: each
    for each in (
        Kind("sqlite", "SQLite", "sqlite", ("sqlite",), "pysqlite", None, None, (3, 31), (3, 45, 0)),
        Kind(
            *("postgresql", "PostgreSQL", "postgresql", ("postgresql",), "psycopg", "postgresql"),
            *(5432, (13,), (15, 0)),
        ),
        Kind(
            *("mariadb", "MariaDB", "mysql", ("mysql", "mariadb"), "pymysql", "mariadb"),
            *(3306, (10, 6), (10, 11, 0)),
        ),
    )
}
DIALECTS = tuple(dialect for each in KINDS.values() for dialect in each.dialects)
"""SQLAlchemy's names for all kinds."""
KEYS = tuple(each.key for each in KINDS.values())
"""The names of all kinds in config.yaml and in revisions."""

_NAMES = {dialect: each.name for each in KINDS.values() for dialect in each.dialects}


def kind_of(dialect: str) -> Kind:
    """The kind of server with this name in SQLAlchemy. Raises KeyError for another name."""
    return KINDS[_NAMES[dialect]]


def dialects_of(kinds: Iterable[str]) -> tuple[str, ...]:
    """SQLAlchemy's names for these kinds of servers, in the table's order."""
    wanted = set(kinds)
    return tuple(dialect for each in KINDS.values() if each.name in wanted for dialect in each.dialects)


def keys_of(dialects: Iterable[str]) -> tuple[str, ...]:
    """The names in config.yaml and in revisions of the servers that have these names in SQLAlchemy."""
    return tuple(dict.fromkeys(map(key_of, dialects)))


def key_of(dialect: str) -> str:
    """The name in config.yaml and in revisions of the server with this name in SQLAlchemy."""
    return kind_of(dialect).key


def by_key(values: Mapping[str, T]) -> dict[str, T]:
    """The same values by their servers' keys; where a server has two names, the later one's."""
    return {key_of(dialect): value for dialect, value in values.items()}


def listed(kinds: Iterable[Kind] | None = None) -> str:
    """The kinds with their URLs, for messages."""
    known = [f"{each.title} ({'://, '.join(each.dialects)}://)" for each in kinds or KINDS.values()]
    return f"{', '.join(known[:-1])} and {known[-1]}" if len(known) > 1 else known[0]
