"""Generating and applying migrations, under the names of the tutorial that this example is based on."""

from __future__ import annotations

from pathlib import Path

from sqlstrata import Revision, find, read, rebuild, up


def create_migration(config: Path | None = None) -> tuple[Revision, ...]:
    """Generate the history from the stages, prove and write it, and give all revisions. The database is not changed."""
    return rebuild(read(find(config)), apply_it=False).revisions


def apply_migration(config: Path | None = None, url: str | None = None) -> tuple[str, ...]:
    """Upgrade the database, or the one at `url`, to the last stage, and give the applied stages."""
    return up(read(find(config)), url=url)
