"""The servers that a history is written for, as SQLAlchemy dialects that need no server to compile DDL.

`mysql` and `mariadb` are two names of one server: types and options may be given for either, so both are compiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine.url import make_url

from sqlstrata.private_names import rules_kept, say_connected
from sqlstrata.sqlalchemy_versions import HAS_NATIVE_UUID, leave_columns_alone

NAMES = ("sqlite", "postgresql", "mysql", "mariadb")

# What a connection to a server of these versions would set; older servers compile their own DDL when they run it.
_URLS = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://",
    "mysql": "mysql+pymysql://",
    "mariadb": "mariadb+pymysql://",
}
_VERSIONS = {"sqlite": (3, 45, 0), "postgresql": (15, 0), "mysql": (10, 11, 0), "mariadb": (10, 11, 0)}


@cache
def dialect(name: str) -> sa.Dialect:
    """The dialect of a server, knowing what a live one would tell it, and writing each % once."""
    options: dict[str, Any] = {"is_mariadb": True} if name in {"mysql", "mariadb"} else {}
    made: Any = make_url(_URLS[name]).get_dialect()(**{"paramstyle": "named", **options})
    made.server_version_info = _VERSIONS[name]
    if options:
        made.supports_sequences = True
        made.supports_native_uuid = HAS_NATIVE_UUID
        say_connected(made)
        leave_columns_alone(made)
    return cast("sa.Dialect", made)


def quoted(connection: sa.Connection, *names: str | None) -> str:
    """A name as the connection's server has it in quotes, with what it is in before it; None is left out."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(name) for name in names if name)


def dialects() -> Iterator[tuple[str, sa.Dialect]]:
    """Every server's name and dialect."""
    return ((name, dialect(name)) for name in NAMES)


def server(name: str) -> str:
    """The server behind a dialect's name: `mysql` is MariaDB, too."""
    return "mariadb" if name == "mysql" else name


@contextmanager
def unmarked(tables: sa.MetaData | Iterable[sa.Table]) -> Iterator[None]:
    """Leave no mark: create_all and drop_all mark the foreign keys that they add and drop by ALTER.

    A CREATE TABLE for SQLite, made of the same MetaData afterwards, would leave those out. SQLAlchemy 2.0 also makes
    computed columns nullable, where the server is MariaDB.
    """
    all_of_them = tables.tables.values() if isinstance(tables, sa.MetaData) else list(tables)
    computed = [(each, each.nullable) for table in all_of_them for each in table.columns if each.computed is not None]
    with rules_kept([each for table in all_of_them for each in table.constraints]):
        try:
            yield
        finally:
            for column, nullable in computed:
                column.nullable = nullable
