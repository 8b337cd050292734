"""Which tests need SQLAlchemy 2.1, whose names 2.0 does not have."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

IS_2_1 = hasattr(sa, "CreateView")
needs_2_1 = pytest.mark.skipif(
    not IS_2_1, reason=f"SQLAlchemy {sa.__version__} has no CreateView, CreateTableAs and postgresql_with of tables"
)
_ADDED = re.compile(r"CreateView|CreateTableAs|\bpostgresql_with\b")


def is_sayable(model: str) -> bool:
    """Whether the installed SQLAlchemy has what the text of a model names."""
    return IS_2_1 or _ADDED.search(model) is None
