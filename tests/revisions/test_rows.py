"""The development rows of a stage, as types and drivers expect them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from sqlstrata.plan.values import FrozenDict
from sqlstrata.revisions.rows import can_store, python_value


class Vector(sa.types.UserDefinedType[list[float]]):
    """As pgvector's: it takes lists alone."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "VECTOR(2)"

    def bind_processor(self, _: sa.Dialect) -> object:
        def process(value: object) -> str:
            if not isinstance(value, list):
                raise TypeError(value)
            return str(value)

        return process


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        (FrozenDict({"a": (1,)}), {"a": [1]}),
        ((FrozenDict(),), [{}]),
        ("x", "x"),
        (None, None),
    ],
)
def test_lists_and_mappings_of_the_plan_are_those_of_python(given: object, wanted: object) -> None:
    found = python_value(sa.Column("x", sa.JSON), given)
    assert (found, type(found)) == (wanted, type(wanted))


def test_a_type_that_takes_lists_alone_can_store_one() -> None:
    assert can_store("postgresql", sa.Column("x", Vector()), (1.0, 2.0))
    assert not can_store("postgresql", sa.Column("x", Vector()), "[1, 2]")
    assert not can_store("sqlite", sa.Column("x", sa.String), (1, 2))
