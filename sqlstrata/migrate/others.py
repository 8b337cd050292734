"""Other Alembic histories around the project: a database at one of their revisions is in use by them."""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlstrata.disk import shown
from sqlstrata.errors import SchemaDiffers
from sqlstrata.migrate.alembic_files import Written, ancestors, written
from sqlstrata.plan import Plan

_ABOVE = 4
"""How many folders above the project are looked into."""


@dataclass(frozen=True)
class _Folder:
    """A folder with revisions, and the file that names it."""

    path: Path
    named_by: Path

    def revisions(self) -> Mapping[str, tuple[Written, Path]]:
        """The revisions in it, each with its file."""
        found: dict[str, tuple[Written, Path]] = {}
        for path in sorted(self.path.glob("**/*.py")):
            with suppress(SyntaxError):  # Alembic cannot use it either
                one = written(path.read_bytes())
                if one is not None:
                    found[one.id] = (one, path)
        return found


def between(plan: Plan, revision: str) -> SchemaDiffers | None:
    """The error for a revision before one that is a stage, in the history that the stage is from; None for any other.

    What the revisions up to the stage do to rows is known to that history alone.
    """
    if revision in {stage.revision for stage in plan.stages}:
        return None
    for folder in _folders(plan):
        found = folder.revisions()
        known = {name: one.parents for name, (one, _) in found.items()}
        stages = [stage for stage in plan.stages if stage.revision in known] if revision in known else []
        later = next((each for each in stages if revision in ancestors(known, str(each.revision))), None)
        if later is not None:
            before = [each.name for each in stages if each.revision in ancestors(known, revision)]
            after = f"between the stages {before[-1]} and" if before else "before stage"
            return SchemaDiffers(
                f"The database is at revision {revision}, {after} {later.name}; legacy: {shown(found[revision][1])}.",
                hint=f"Bring it to stage {later.name} first, with that history's own files, which are still there: "
                f"`alembic upgrade {later.revision}`.",
                revision=revision,
                stage=later.name,
            )
    return None


def require_not_between(plan: Plan, *revisions: str) -> None:
    """Raise the error of `between` for one of these revisions."""
    for each in revisions:
        error = between(plan, each)
        if error is not None:
            raise error


def require_not_theirs(plan: Plan, revision: str) -> None:
    """Raise SchemaDiffers for a revision of another Alembic history, which an alembic.ini here or above names."""
    require_not_between(plan, revision)
    for folder in _folders(plan):
        found = folder.revisions().get(revision)
        if found is not None:
            raise SchemaDiffers(
                f"The database is at revision {revision} of another Alembic history, {shown(found[1])}, "
                f"which {shown(folder.named_by)} names. Its revision stays.",
                hint="`inv import-alembic` makes stages of that history and keeps its ids. To use both, name "
                "another table with `version_table` in config.yaml.",
                revision=revision,
            )


def _folders(plan: Plan) -> Iterator[_Folder]:
    """The folders that config.yaml names, and what each alembic.ini here or above does, but for the project's own."""
    yield from (_Folder(each, plan.path) for each in plan.legacy)
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
            yield _Folder(folder / "versions", ini)
