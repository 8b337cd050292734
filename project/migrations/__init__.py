"""Making and carrying out migrations, under the names of the tutorial that the project grew from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from project.migrations.revision import Revision
    from project.plan import Plan

__all__ = ["apply_migration", "create_migration"]


def create_migration(config: Path | None = None) -> tuple[Revision, ...]:
    """Make the history from the stages, prove it and write it; the database is left alone.

    `config` is the plan, by default config.yaml or what the variable CONFIG names. Gives all revisions, first to last.
    Raises what `project.rebuild` does.
    """
    from project import rebuild  # noqa: PLC0415 - heavy, and importing the package must cost nothing

    return rebuild(_plan(config), apply_it=False).revisions


def apply_migration(config: Path | None = None, url: str | None = None) -> tuple[str, ...]:
    """Bring the database, or the one at `url`, to the last stage, and give the stages that were applied.

    Raises what `project.up` does.
    """
    from project import up  # noqa: PLC0415

    return up(_plan(config), url=url)


def _plan(config: Path | None) -> Plan:
    from project.plan import read  # noqa: PLC0415

    return read(config or Path(os.environ.get("CONFIG", "config.yaml")))
