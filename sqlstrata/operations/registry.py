"""Registering functions as Alembic operations, and the writer of their SQL."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn, ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from .driver import server_of
from .journal import current
from .private_names import should_create


class MigrationStopped(CommandError):
    """A revision stops before its first statement, because of the rows.

    `code` is the exit code of `inv`: 6 where values would be lost or invented, 9 where rows break a new rule.
    """

    def __init__(self, message: str, code: int = 9) -> None:
        super().__init__(message)
        self.code = code


def operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register `function(operations, …)` as `op.<its name>(…)`.

    Alembic's public way is a class with a classmethod for each ("Operation Plugins"); this makes that class.
    """
    name = function.__name__

    def invoke(cls: type[MigrateOperation], operations: Operations, *args: Any, **keywords: Any) -> Any:
        return function(operations, *args, **keywords)

    invoke.__name__ = name
    invoke.__doc__ = function.__doc__
    registered(name)(type(name, (MigrateOperation,), {name: classmethod(invoke)}))
    return function


def registered(name: str) -> Callable[[type[MigrateOperation]], type[MigrateOperation]]:
    """Alembic's `Operations.register_operation`, remembered for `claim`."""

    def register(made: type[MigrateOperation]) -> type[MigrateOperation]:
        Operations.register_operation(name)(made)
        _ours[name] = made, vars(Operations)[name]
        return made

    return register


_ours: dict[str, tuple[type[MigrateOperation], object]] = {}
"""By its name each operation, and the method that Alembic has made of it."""


def claim() -> None:
    """Have `op` use these operations again: Alembic has one register, and another copy may have been imported since."""
    for name, (made, method) in _ours.items():
        if vars(Operations)[name] is not method:
            registered(name)(made)


class Statement(ExecutableDDLElement):
    """Literal SQL: unlike in sa.text(), a colon is a colon and a percent sign a percent sign."""

    def __init__(self, sql: str) -> None:
        self.sql = sql


@compiles(Statement)
def _statement(element: Statement, compiler: DDLCompiler, **_: object) -> str:
    return str(compiler.sql_compiler.escape_literal_column(element.sql))  # type: ignore[no-untyped-call]


class Writer:
    """SQL text for one migration context: names quoted, schemas translated, percent signs single."""

    def __init__(self, operations: Operations) -> None:
        self.operations = operations
        context = operations.get_context()
        self.offline: bool = context.as_sql
        self.dialect = single_percent(context.dialect)
        self.server = server_of(self.dialect.name)
        self.native_uuid = self.dialect.supports_native_uuid
        options: Mapping[str, Any] = {} if self.offline else operations.get_bind().get_execution_options()
        self.schemas: dict[str | None, str | None] = dict(options.get("schema_translate_map", {}))

    def name(self, identifier: str) -> str:
        """The identifier, quoted where it must be."""
        return self.dialect.identifier_preparer.quote(identifier)

    def names(self, identifiers: Sequence[str]) -> str:
        return ", ".join(self.name(each) for each in identifiers)

    def table(self, name: str, schema: str | None = None) -> str:
        """The table's name with its schema, as this database has it."""
        real = self.schemas.get(schema, schema)
        return f"{self.name(real)}.{self.name(name)}" if real else self.name(name)

    def path(self, key: str) -> str:
        """The same for a table's key, `schema.table` or `table`."""
        schema, _, name = key.rpartition(".")
        return self.table(name, schema or None)

    def compile(self, element: sa.sql.elements.CompilerElement) -> str:
        """The element's DDL or SQL on this server, with literal values."""
        text = element.compile(
            dialect=self.dialect,
            schema_translate_map=self.schemas or None,
            render_schema_translate=bool(self.schemas),
        )
        return str(text).strip()

    def column(self, column: sa.Column[Any]) -> str:
        """The column as CREATE TABLE would write it."""
        return self.compile(CreateColumn(column))

    def type(self, column: sa.Column[Any]) -> str:
        """The column's type as CREATE TABLE would write it."""
        return self.dialect.type_compiler_instance.process(column.type, type_expression=column)

    def clause(self, part: sa.Constraint | sa.Computed | sa.Identity) -> str | None:
        """A part of a table as CREATE TABLE would write it; None for a constraint that is not for this server."""
        compiler = self._compiler()
        if isinstance(part, sa.PrimaryKeyConstraint) and not len(part.columns):
            return None
        if isinstance(part, sa.Constraint) and not should_create(part, compiler):
            return None
        return str(compiler.process(part))

    def default(self, column: sa.Column[Any]) -> str | None:
        """The column's DEFAULT; None without one."""
        text: str | None = self._compiler().get_column_default_string(column)
        return text

    def options(self, table: sa.Table) -> str:
        """What CREATE TABLE has after the columns."""
        return str(self._compiler().post_create_table(table)).strip()

    def _compiler(self) -> Any:
        return self.dialect.ddl_compiler(self.dialect, sa.DDL(""))  # type: ignore[no-untyped-call]

    def run(self, sql: str) -> None:
        """Run one statement, or write it where offline."""
        if self.offline:
            # Alembic itself would turn each tab into four spaces, also in values.
            impl = self.operations.get_context().impl
            impl.static_output(f"{sql.strip()}{impl.command_terminator}")
        else:
            self.operations.execute(Statement(sql))

    def fetch(self, sql: str) -> list[Any]:
        """The rows of a query; never called offline."""
        options = {"no_parameters": True}  # so that % is not special

        def ask() -> list[Any]:
            return list(self.operations.get_bind().exec_driver_sql(sql, execution_options=options))

        journal = current()
        return ask() if journal is None else list(journal.answer(sql, ask))

    def indexes(self, table: str, schema: str | None) -> list[dict[str, Any]]:
        """The table's indexes; never called offline."""
        return self._inspected("get_indexes", table, schema)

    def foreign_keys(self, table: str, schema: str | None) -> list[dict[str, Any]]:
        """The table's foreign keys; never called offline."""
        return self._inspected("get_foreign_keys", table, schema)

    def _inspected(self, what: str, table: str, schema: str | None) -> list[dict[str, Any]]:
        def ask() -> list[dict[str, Any]]:
            inspector = sa.inspect(self.operations.get_bind())
            return [dict(each) for each in getattr(inspector, what)(table, schema=self.schemas.get(schema, schema))]

        journal = current()
        return ask() if journal is None else list(journal.answer(f"{what} {schema} {table}", ask))

    def value(self, text: str) -> str:
        """A text as an SQL literal."""
        processor = sa.String().literal_processor(self.dialect)  # type: ignore[no-untyped-call]
        assert processor is not None
        literal = str(processor(text))
        return literal.replace("\\", "\\\\") if self.server == "mariadb" else literal


def expression(writer: Writer, text: str | sa.ColumnClause[object]) -> str:
    """A `fill` or `cast` as SQL."""
    return text if isinstance(text, str) else writer.compile(text)


def single_percent(dialect: sa.Dialect) -> sa.Dialect:
    """A copy of the dialect that writes % once; running the text doubles it where the driver needs that."""
    plain = copy.copy(dialect)
    for name in _remembered(type(plain)) & vars(plain).keys():  # they write % twice
        del vars(plain)[name]
    plain.paramstyle, plain.positional = "named", False
    plain.identifier_preparer = preparer = type(dialect.identifier_preparer)(plain)
    for name in ("initial_quote", "final_quote", "escape_quote", "escape_to_quote", "omit_schema"):
        setattr(preparer, name, getattr(dialect.identifier_preparer, name))
    plain.type_compiler_instance = plain.type_compiler_cls(plain)
    return plain


def _remembered(cls: type) -> set[str]:
    """The names of the class's memoized properties."""
    members = (member for each in cls.__mro__ for member in vars(each).items())
    return {name for name, value in members if isinstance(value, sa.util.memoized_property)}
