"""An existing Alembic project: its history, and its own env.py run on a scratch database, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.migration import MigrationContext

from sqlstrata import child
from sqlstrata.disk import shown
from sqlstrata.errors import MigrationFailed, WrongUse
from sqlstrata.migrate import alembic_files
from sqlstrata.nearest import nearest_hint
from sqlstrata.secret import masked

_CHILD = Path(__file__).with_name("child.py")
_ERROR = re.compile(r"^(?:[\w.]+: .+|FAILED: .+)$", re.MULTILINE)
"""The line of a traceback that names the error, or Alembic's own."""
_LONGEST = 1800.0
"""Seconds that one of Alembic's commands may take."""


@dataclass(frozen=True)
class Old:
    """A revision of the project's history."""

    id: str
    parents: tuple[str, ...]
    message: str
    path: Path


@dataclass(frozen=True)
class Heard:
    """The statements that a revision executed, as the driver got them."""

    revision: str
    statements: tuple[str, ...]


@dataclass(frozen=True)
class Ran:
    """What one command executed, and Alembic's table there."""

    heard: tuple[Heard, ...]
    table: str
    schema: str | None

    @property
    def own(self) -> tuple[str, ...]:
        """The keys of the tables that are Alembic's."""
        return (self.table if self.schema is None else f"{self.schema}.{self.table}",)

    def at(self, connection: sa.Connection) -> frozenset[str]:
        """The revisions in Alembic's table of a database."""
        options = {"version_table": self.table, "version_table_schema": self.schema}
        return frozenset(map(str, MigrationContext.configure(connection, opts=options).get_current_heads()))


@dataclass(frozen=True)
class Project:
    """Where an Alembic project is, the interpreter that has its libraries, and what its environment has more."""

    folder: Path
    ini: Path | None
    script_location: str | None = None
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def scripts(self) -> Path | None:
        """The folder with its env.py."""
        named = self.script_location or (Config(str(self.ini)).get_main_option("script_location") if self.ini else None)
        return None if named is None else (self.folder / named).resolve()

    def history(self) -> tuple[Old, ...]:
        """All revisions, the first one first, each after its parents. Raises WrongUse where there are none."""
        answer = self._ask({"command": "history"})
        found = [
            Old(each["id"], tuple(each["parents"]), each["message"], Path(each["path"])) for each in answer["revisions"]
        ]
        if not found:
            raise WrongUse("There is no revision in this Alembic history.", where=str(self.ini or self.script_location))
        return tuple(found)

    def require_one_head(self, history: Sequence[Old]) -> None:
        """Raise WrongUse where a history has several last revisions."""
        followed = {parent for old in history for parent in old.parents}
        heads = [old.id for old in history if old.id not in followed]
        if len(heads) > 1:
            raise WrongUse(
                f"This Alembic history has {len(heads)} heads: {', '.join(heads)}.",
                where=str(self.ini or self.script_location),
                hint="Merge them with `alembic merge`, or name the revisions to import with `--at`.",
                heads=heads,
            )

    def run(self, way: str, to: str, url: sa.URL, *, create: bool = False) -> Ran:
        """Run `upgrade`, `downgrade` or `stamp` on a scratch database; with `create`, create its MetaData before.

        Raises MigrationFailed with what the project printed; `applied` has the revisions that were done.
        """
        there = url.render_as_string(hide_password=False)
        given = {"command": "run", "way": way, "to": to, "url": there, "create": create}
        answer = self._ask(given)
        heard = tuple(Heard(str(each["revision"]), tuple(each["statements"])) for each in answer["heard"])
        table = answer["version_table"]
        return Ran(heard, table.get("name") or "alembic_version", table.get("schema"))

    def _ask(self, given: dict[str, Any]) -> dict[str, Any]:
        whole = {
            **given,
            "folder": str(self.folder),
            "ini": None if self.ini is None else str(self.ini),
            "script_location": self.script_location,
        }
        try:
            ran = child.ask(
                [self.python, str(_CHILD)],
                json.dumps(whole),
                folder=self.folder,
                env={**os.environ, **self.environment},
                seconds=_LONGEST,
                hear_errors=True,
            )
        except OSError as error:
            raise WrongUse(f"{self.python} cannot be run: {error.strerror}.", hint="Check `--python`.") from error
        if ran.code is None:
            message = f"The project's Alembic did not end within {_LONGEST:.0f} s."
            raise MigrationFailed(message, hint="It was ended. Nothing was written.", applied=_applied(ran.out))
        if ran.code:
            said = _ERROR.findall(ran.err)
            what = f"`{given['way']} {given['to']}`" if given["command"] == "run" else "reading the history"
            raise MigrationFailed(
                f"The project's own Alembic fails in {what}: {masked(said[-1] if said else 'it says nothing')}.",
                where=shown(self.ini) if self.ini is not None else self.script_location,
                hint="`--python` names the interpreter that has the project's libraries, `--env NAME=VALUE` sets what "
                "its env.py reads. Nothing was written.",
                output=masked(ran.err[-4000:]),
                applied=_applied(ran.out),
            )
        answer: dict[str, Any] = json.loads(ran.out)
        return answer


def _applied(said: str) -> list[str]:
    """The revisions that were done before a command failed; none where it was killed."""
    with suppress(ValueError):
        return [str(each["revision"]) for each in json.loads(said)["heard"]]
    return []


def alembic_project(
    ini: str | None, script_location: str | None, python: str | None, environment: Mapping[str, str]
) -> Project:
    """The Alembic project that a command names. Raises WrongUse."""
    place = None if script_location is not None and ini is None else Path.cwd() / (ini or "alembic.ini")
    if place is not None and not place.is_file():
        message = f"There is no {shown(place)}."
        raise WrongUse(message, hint="Name it with `--from`, or its folder with `--script-location`.")
    folder = Path.cwd() if place is None else place.parent
    return Project(folder, place, script_location, python or sys.executable, environment)


def chosen(history: Sequence[Old], names: Sequence[str]) -> tuple[Old, ...]:
    """The revisions of these names, beginnings of ids included, in Alembic's order.

    Raises WrongUse for a name that no revision has, and for revisions that are not on one line.
    """
    found: dict[str, Old] = {}
    for name in names:
        there = [each for each in history if each.id == name] or [each for each in history if each.id.startswith(name)]
        if name in {"head", "heads"}:
            there = [history[-1]]
        if len(there) != 1:
            problem = "There is no revision" if not there else "There are several revisions that begin with"
            ids = [each.id for each in history]
            raise WrongUse(f"{problem} `{name}`.", hint=nearest_hint(name, ids, "revision"))
        found[there[0].id] = there[0]
    ordered = tuple(each for each in history if each.id in found)
    for before, after in pairwise(ordered):
        if before.id not in ancestors(history, after):
            message = f"Revision {after.id} does not come after {before.id}: they are on different branches."
            raise WrongUse(message, hint="Import revisions that are on one line.")
    return ordered


def ancestors(history: Sequence[Old], revision: Old) -> frozenset[str]:
    """The ids of all revisions that come before one."""
    return alembic_files.ancestors({each.id: each.parents for each in history}, revision.id)
