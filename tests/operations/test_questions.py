"""A question about values finds each one that a conversion would change, whatever collation or limit hides it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util import CommandError

import sqlstrata.operations  # noqa: F401 - registers op.require_convertible
from sqlstrata.scratch.bracket import scratch
from tests.servers import answering

LABELS = sa.Enum("novo", "a\\b", name="estado", native_enum=False)
NOCASE, CITEXT = sa.String(20, collation="NOCASE"), sa.dialects.postgresql.CITEXT()  # type: ignore[attr-defined]
WORDS = ["novo", "NOVO", "a\\b"]
CASES: list[tuple[str, Any, Any, list[object], int]] = [
    ("sqlite", NOCASE, LABELS, WORDS, 1),
    ("sqlite", NOCASE, sa.Boolean(), ["true", "TRUE"], 1),
    ("sqlite", sa.String(20, collation="RTRIM"), sa.Integer(), ["12", "12 "], 1),
    ("sqlite", sa.Text(), sa.JSON(), ['{"a": 1}', "0.50", "12", "12345678901234567890", "true"], 2),
    ("postgresql", sa.String(20), LABELS, WORDS, 1),
    ("postgresql", CITEXT, LABELS, WORDS, 1),
    ("postgresql", CITEXT, sa.Boolean(), ["true", "TRUE"], 1),
    ("mariadb", sa.String(20), LABELS, [*WORDS, "novo "], 2),
    ("mariadb", sa.String(20), sa.Boolean(), ["true", "TRUE", "false "], 2),
    ("mariadb", sa.Integer(), sa.Float(), [1, 2**31 - 1], 1),
    ("mariadb", sa.Float(), sa.Integer(), [1.0, 2.0**31], 1),
    ("mariadb", sa.Numeric(8, 2), sa.Integer(), [1, "999999.99"], 1),
    ("mariadb", sa.Integer(), sa.Numeric(6, 2), [9999, 10000], 1),
]


@pytest.mark.parametrize(("kind", "old", "new", "values", "lost"), CASES)
def test_each_value_that_would_change_is_counted(
    kind: str, old: Any, new: Any, values: list[object], lost: int
) -> None:
    with scratch(answering(kind)) as empty, empty.engine.connect() as connection:
        if isinstance(old, type(CITEXT)):
            connection.exec_driver_sql("CREATE EXTENSION citext")
        table = sa.Table("item", sa.MetaData(), sa.Column("v", old))
        table.create(connection)
        connection.execute(table.insert(), [{"v": value} for value in values])
        operations: Any = Operations(MigrationContext.configure(connection))
        with pytest.raises(CommandError, match=f"Table item: {lost} row"):
            operations.require_convertible("item", sa.Column("v", new), sa.Column("v", old))
