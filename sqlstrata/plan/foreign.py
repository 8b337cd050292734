"""Tables of somebody else in a database: another program's, a plugin's, or Alembic's own under another name."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase


def is_foreign(name: str, patterns: Collection[str], default_schema: str | None = None) -> bool:
    """Whether a table, by its key in a snapshot, matches one of these patterns.

    A pattern is that of a table in the default schema, or `schema.table`, both with fnmatch's wildcards.
    """
    schema, _, table = name.rpartition(".")
    for pattern in patterns:
        its_schema, _, its_table = pattern.rpartition(".")
        here = fnmatchcase(schema, its_schema) or (not schema and its_schema == default_schema)
        if here and fnmatchcase(table, its_table):
            return True
    return False
