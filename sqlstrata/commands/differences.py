"""How a schema differs, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from sqlstrata.result import Table
from sqlstrata.snapshot import Difference

_UNDO = "Undo what was changed by hand, or put it into the models."


def advice(found: Sequence[Difference]) -> str:
    """Give the hint for a schema that differs; tables that no stage has may belong to somebody else."""
    more = [each.table for each in found if each.what == "table" and each.expected is None]
    if not more:
        return _UNDO
    return f"{_UNDO} For tables that belong to somebody else, write `not_ours: [{', '.join(more)}]` in config.yaml."


def table(found: Sequence[Difference]) -> Table:
    """Give the differences as rows."""
    rows = [tuple("-" if value is None else str(value) for value in each) for each in found]
    return Table(("table", "what", "expected", "found"), rows)


def as_json(found: Sequence[Difference]) -> list[dict[str, object]]:
    """Give the differences as objects."""
    return [each._asdict() for each in found]
