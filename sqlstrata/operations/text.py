"""SQL text, for every server or for each server."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import TypeCompiler

from .driver import server_of
from .registry import MigrationStopped, Writer, operation


def chosen(
    operations: Operations, default: str | None, sqlite: str | None, postgresql: str | None, mysql: str | None
) -> str | None:
    """The text for this server; `mysql` is for MariaDB."""
    server = server_of(operations.get_context().dialect.name)
    given = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mysql}.get(server)
    return default if given is None else given


@operation
def sql(
    operations: Operations,
    default: str | None = None,
    *,
    sqlite: str | None = None,
    postgresql: str | None = None,
    mysql: str | None = None,
) -> sa.ColumnClause[object] | None:
    """An SQL expression that differs by server; None where none is given for this one."""
    text = chosen(operations, default, sqlite, postgresql, mysql)
    return None if text is None else sa.literal_column(text)


@operation
def run_sql(
    operations: Operations,
    default: str | Sequence[str] = (),
    *,
    sqlite: str | Sequence[str] | None = None,
    postgresql: str | Sequence[str] | None = None,
    mysql: str | Sequence[str] | None = None,
) -> None:
    """Run literal SQL, colons and percent signs included: that for this server, else `default`."""
    server = server_of(operations.get_context().dialect.name)
    given = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mysql}.get(server)
    statements = default if given is None else given
    writer = Writer(operations)
    for statement in (statements,) if isinstance(statements, str) else statements:
        writer.run(statement)


class _NativeType(sa.types.UserDefinedType[object]):
    """A type with a name for each server."""

    cache_ok = True

    def __init__(self, texts: tuple[tuple[str, str], ...]) -> None:
        self.texts = texts

    def get_col_spec(self, type_expression: object = None, **_: object) -> str:
        raise NotImplementedError


@compiles(_NativeType)
def _native_type(type_: _NativeType, compiler: TypeCompiler, **_: object) -> str:
    texts = dict(type_.texts)
    name = server_of(compiler.dialect.name)
    if name not in texts:
        raise sa.exc.CompileError(f"No type is given for {name}.")
    return texts[name]


@operation
def native_type(
    operations: Operations, *, sqlite: str | None = None, postgresql: str | None = None, mysql: str | None = None
) -> _NativeType:
    """A column type that SQLAlchemy lacks, by its name on each server."""
    given = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mysql}
    return _NativeType(tuple((server, text) for server, text in given.items() if text is not None))


@operation
def irreversible(operations: Operations, why: str) -> None:
    """Stop: this revision cannot be undone."""
    raise MigrationStopped(f"{why} Nothing was changed.", code=6)
