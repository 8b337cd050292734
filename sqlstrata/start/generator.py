"""sqlacodegen's generator of declarative models, for a base in a module of its own. It needs the extra `models`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlacodegen.generators import Base, DeclarativeGenerator, LiteralImport
from sqlacodegen.models import Model
from sqlacodegen.utils import render_callable

from sqlstrata.start.reflection import checks_of


class Generator(DeclarativeGenerator):
    """Writes the models of a MetaData that was reflected."""

    def __init__(self, metadata: sa.MetaData, connection: sa.Connection, base: str) -> None:
        # A CHECK stays one, and does not become an Enum that has another name for it.
        super().__init__(metadata, connection, ["include_dialect_options", "nosyntheticenums"])
        self.module = base
        self.column: sa.Column[Any] | None = None

    def generate_base(self) -> None:
        self.base = Base([LiteralImport(self.module, "Base")], [], "Base.metadata")

    def collect_imports(self, models: Iterable[Model]) -> None:
        self.generate_base()  # where no table has a primary key, sqlacodegen has chosen a MetaData of its own
        super().collect_imports(models)

    def render_column(self, column: sa.Column[Any], show_name: bool, is_table: bool = False) -> str:  # noqa: FBT001, FBT002
        self.column = column
        return str(super().render_column(column, show_name, is_table))

    def render_column_callable(self, is_table: bool, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401, FBT001
        """Render a column with the check that is part of its definition."""
        assert self.column is not None
        check = checks_of(self.metadata).get((self.column.table.name, self.column.name))
        if check is not None:
            self.add_import(sa.CheckConstraint)
            args = (*args, render_callable("CheckConstraint", repr(check)))
        return str(super().render_column_callable(is_table, *args, **kwargs))

    def render_index(self, index: sa.Index) -> str:
        """Render an index with its expressions, its order and its condition, which sqlacodegen leaves out."""
        parts = [self._part(each) for each in index.expressions]
        options = {key: self._part(each) for key, each in sorted(index.kwargs.items()) if each not in ([], {}, None)}
        if index.unique:
            options["unique"] = "True"
        return render_callable("Index", repr(index.name), *parts, kwargs=options)

    def _part(self, value: object) -> str:
        if isinstance(value, sa.Column):
            return repr(value.name)
        if not isinstance(value, sa.ClauseElement):
            return repr(value)
        self.add_literal_import("sqlalchemy", "text")
        compiled = value.compile(self.bind, compile_kwargs={"literal_binds": True, "include_table": False})
        return render_callable("text", repr(str(compiled)))
