"""Writing the version, with one statement for all revisions, which is compiled once.

Alembic writes the ids into the text, which is then another one each time; compiling it takes longer than many a
revision.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import sqlalchemy as sa
from alembic.runtime import migration
from alembic.util import CommandError


class _Heads(migration.HeadMaintainer):
    """Alembic's, but that the ids are the statement's parameters."""

    @cached_property
    def _written(self) -> sa.Update:
        column = self.context._version.c.version_num
        return sa.update(column.table).where(column == sa.bindparam("old")).values(version_num=sa.bindparam("new"))

    def _update_version(self, from_: str, to_: str) -> None:
        if self.context.as_sql or self.context.connection is None:  # another thread's, which writes SQL
            super()._update_version(from_, to_)
            return
        self.heads.remove(from_)
        self.heads.add(to_)
        found = self.context.connection.execute(self._written, {"old": from_, "new": to_}).rowcount
        if found != 1:
            table = self.context.version_table
            raise CommandError(f"{table} should have one row with {from_}, to become {to_}, and has {found}.")


@contextmanager
def compiled_once() -> Iterator[None]:
    """Have Alembic write versions that way inside; it has no public way to be given another class."""
    usual = migration.HeadMaintainer
    migration.HeadMaintainer = _Heads  # type: ignore[misc]
    try:
        yield
    finally:
        migration.HeadMaintainer = usual  # type: ignore[misc]
