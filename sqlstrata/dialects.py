"""SQLAlchemy dialects that compile DDL without a server.

`mysql` and `mariadb` are two names of one server: types and options may be given for either, so both are compiled. The
versions are those of `sqlstrata.servers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine.url import make_url

from sqlstrata import servers
from sqlstrata.private_names import rules_kept, say_connected
from sqlstrata.servers import DIALECTS
from sqlstrata.sqlalchemy_versions import HAS_NATIVE_UUID, leave_columns_alone

NAMES = DIALECTS


@cache
def dialect(name: str) -> sa.Dialect:
    """The dialect of a server, set up as by a connection, which does not double `%`."""
    kind = servers.kind_of(name)
    options: dict[str, Any] = {"is_mariadb": True} if kind.name == "mariadb" else {}
    url = make_url(f"{kind.drivername(name)}://")
    made: Any = url.get_dialect()(**{"paramstyle": "named", **options})
    made.server_version_info = kind.compiled
    if options:
        made.supports_sequences = True
        made.supports_native_uuid = HAS_NATIVE_UUID
        say_connected(made)
        leave_columns_alone(made)
    return cast("sa.Dialect", made)


def path_on(name: str, *names: str | None) -> str:
    """Names as a server writes them, quoted where they must be, and joined by dots; None is left out."""
    quote = dialect(name).identifier_preparer.quote
    return ".".join(quote(each) for each in names if each)


def quoted(connection: sa.Connection, *names: str | None) -> str:
    """Names joined by dots and quoted for the connection's server; None is left out."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(name) for name in names if name)


@contextmanager
def unmarked(tables: sa.MetaData | Iterable[sa.Table]) -> Iterator[None]:
    """Undo what create_all and drop_all change in MetaData.

    They mark the foreign keys that they add and drop by ALTER TABLE, and a CREATE TABLE compiled afterwards for SQLite
    would omit those. SQLAlchemy 2.0 also makes computed columns nullable on MariaDB.
    """
    all_of_them = tables.tables.values() if isinstance(tables, sa.MetaData) else list(tables)
    computed = [(each, each.nullable) for table in all_of_them for each in table.columns if each.computed is not None]
    with rules_kept([each for table in all_of_them for each in table.constraints]):
        try:
            yield
        finally:
            for column, nullable in computed:
                column.nullable = nullable
