"""op.create_table: a new table and its indexes; on MariaDB, which commits each statement, in one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations, ops
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.compiler import DDLCompiler

from .definition import leave_nullable_open
from .driver import server_of
from .private_names import make_no_types
from .registry import registered


@registered("create_table")
class CreateTable(ops.CreateTableOp):
    """Alembic's own, implemented by `_create_table`: Alembic can replace an implementation only since 1.17."""


@Operations.implementation_for(CreateTable)
def _create_table(operations: Operations, made: CreateTable) -> sa.Table:
    """Create indexes in order, computed columns that MariaDB accepts, and no types."""
    leave_nullable_open(each for each in made.columns if isinstance(each, sa.Column))
    table = made.to_table(operations.get_context())
    make_no_types(table)
    indexes = [each for each in made.columns if isinstance(each, sa.Index)]
    inside, after = (indexes, []) if server_of(operations.impl.dialect.name) == "mariadb" else ([], indexes)
    table.indexes -= set(indexes)
    for index in inside:
        table.append_constraint(_Inside(index))
    operations.impl.create_table(table, **({"if_not_exists": True} if getattr(made, "if_not_exists", None) else {}))
    for index in after:
        operations.impl.create_index(index)
    return table


class _Inside(sa.Constraint):
    """An index as a part of CREATE TABLE, which SQLAlchemy knows only as a statement of its own."""

    def __init__(self, index: sa.Index) -> None:
        super().__init__()
        self.index = index


@compiles(_Inside)
def _clause(element: _Inside, compiler: DDLCompiler, **_: object) -> str:
    """CREATE INDEX without the table: `UNIQUE INDEX name (columns)`."""
    assert element.index.table is not None
    name = compiler.preparer.format_index(element.index)
    table = compiler.preparer.format_table(element.index.table)
    before, after = compiler.process(CreateIndex(element.index)).split(f" INDEX {name} ON {table} ", 1)
    return f"{before.removeprefix('CREATE')} INDEX {name} {after}".lstrip()
