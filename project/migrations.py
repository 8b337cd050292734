"""Making and carrying out migrations, under the names of the tutorial that this example grew from."""

from __future__ import annotations

from pathlib import Path

from sqlstrata import Revision, find, read, rebuild, up


def create_migration(config: Path | None = None) -> tuple[Revision, ...]:
    """Make the history from the stages, prove it and write it; the database is left alone. Gives all revisions."""
    return rebuild(read(find(config)), apply_it=False).revisions


def apply_migration(config: Path | None = None, url: str | None = None) -> tuple[str, ...]:
    """Bring the database, or the one at `url`, to the last stage, and give the stages that were applied."""
    return up(read(find(config)), url=url)
