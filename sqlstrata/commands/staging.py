"""A temporary migrations folder, in which a history is tried before it replaces the one on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlstrata import folder
from sqlstrata.databases.maker import folder as temporary_folder
from sqlstrata.databases.maker import writing
from sqlstrata.errors import SqlstrataError
from sqlstrata.plan import Plan
from sqlstrata.revisions.revision import Revision


@contextmanager
def staged(plan: Plan, revisions: tuple[Revision, ...]) -> Iterator[Path]:
    """A temporary migrations folder with these revisions and a copy of the real one's env.py, for the proof."""
    with temporary_folder() as place:
        migrations = place / "migrations"
        with writing(place):
            migrations.mkdir()
            if not folder.is_foreign(plan.migrations):
                folder.copy(plan.migrations, migrations)
            folder.environment(migrations)
            (migrations / "versions").mkdir()
            folder.write(migrations / "versions", revisions)
        try:
            yield migrations
        except SqlstrataError as error:
            if error.where is not None:
                error.where = error.where.replace(str(migrations), str(plan.migrations))
            raise
