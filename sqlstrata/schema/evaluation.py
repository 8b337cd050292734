"""Evaluate Python source as a revision does: with `sa`, `op` and the dialects, and nothing else."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import mysql, postgresql, sqlite

import sqlstrata.operations  # noqa: F401  (registers the custom operations)
from sqlstrata.dialects import dialect
from sqlstrata.source import Source, flat


@cache
def operations(name: str) -> Operations:
    """Alembic's operations on one dialect, offline: the `op` of a revision."""
    options: dict[str, Any] = {"as_sql": True, "output_buffer": io.StringIO()}
    return Operations(MigrationContext.configure(dialect=dialect(name), opts=options))


def evaluate(source: Source, on: str = "sqlite") -> Any:
    """The value of the source on one dialect."""
    names = {"sa": sa, "op": operations(on), "mysql": mysql, "postgresql": postgresql, "sqlite": sqlite}
    return eval(flat(source), names)  # noqa: S307  (source that we wrote ourselves)
