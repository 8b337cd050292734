"""Other Alembic histories around the project: a database at one of their revisions is in use by them."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

from sqlstrata.disk import shown
from sqlstrata.errors import SchemaDiffers
from sqlstrata.plan import Plan

_REVISION = r"^revision\s*(?::[^=\n]*)?=\s*[\"']{}[\"']"
_ABOVE = 4
"""How many folders above the project are looked into."""


def require_not_theirs(plan: Plan, revision: str) -> None:
    """Raise SchemaDiffers for a revision of another Alembic history, which an alembic.ini here or above names."""
    for ini, folder in _folders(plan):
        for path in sorted((folder / "versions").glob("**/*.py")):
            text = path.read_text(encoding="utf-8", errors="replace")
            if re.search(_REVISION.format(re.escape(revision)), text, re.MULTILINE):
                raise SchemaDiffers(
                    f"The database is at revision {revision} of another Alembic history, {shown(path)}, "
                    f"which {shown(ini)} names. Its revision stays.",
                    hint="`inv import-alembic` makes stages of that history and keeps its ids. To use both, name "
                    "another table with `version_table` in config.yaml.",
                    revision=revision,
                )


def _folders(plan: Plan) -> Iterator[tuple[Path, Path]]:
    """Each alembic.ini, and the folder that it names, but for the project's own."""
    for place in (plan.folder, *list(plan.folder.parents)[:_ABOVE]):
        ini = place / "alembic.ini"
        if not ini.is_file():
            continue
        parser = configparser.ConfigParser({"here": str(place)}, strict=False)
        try:
            parser.read(ini, encoding="utf-8")
            named = parser.get("alembic", "script_location", fallback=None)
        except configparser.Error:
            continue  # Alembic could not use it either
        folder = None if named is None else (place / named).resolve()
        if folder is not None and folder != plan.migrations.resolve():
            yield ini, folder
