"""Ownership and protection marks, stored in the database but outside its schema.

PostgreSQL and MariaDB have the mark as a line of the database's comment, beside whatever else it says. It names the
database, the server's identity and the project, so a copy or a renamed database does not count as ours: only a line
exactly as it is written here, for this database on this server by this project, does. SQLite has room for a number
alone, the application_id: which file that is for is kept by the project (`local`).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import sqlalchemy as sa

from sqlstrata.databases import database, local
from sqlstrata.databases.location import Location, location
from sqlstrata.dialects import quoted
from sqlstrata.errors import Protected, WrongUse

Word = Literal["created", "adopted", "protected"]
"""`created` and `adopted`: `inv reset` may drop it. `protected`: nothing here may drop, reset or re-stamp it."""

_WORDS: tuple[Word, ...] = get_args(Word)
_LINE = "sqlstrata: "
_LINES = (_LINE, "strata: ")
_FAMILY = 0x5354  # "ST", the upper half of application_id; then 13 bits of the mark's tag, and a bit for each word
_TAGS = 1 << 13


@dataclass(frozen=True, slots=True)
class Mark:
    """What a database says of itself: the words, and for whom; a tag tells it from another mark for the same."""

    words: frozenset[Word]
    database: str = ""
    server: str = ""
    project: str = ""
    tag: str = ""

    @property
    def line(self) -> str:
        """The mark as it stands in a comment."""
        words = ", ".join(word for word in _WORDS if word in self.words)
        names = {"database": self.database, "server": self.server, "project": self.project, "mark": self.tag}
        return f"{_LINE}{words} {json.dumps(names, ensure_ascii=False)}"

    @property
    def owned(self) -> bool:
        """Whether it says that `inv reset` may drop the database that it names."""
        return bool(self.words & {"created", "adopted"})


NO_MARK = Mark(frozenset())


def words(connection: sa.Connection) -> frozenset[Word]:
    """What the database says of itself, whoever wrote it and whatever for. Read-only.

    `protected` counts in any line that begins like ours, the other words only as they are written here.
    """
    found = read(connection).words
    if connection.dialect.name != "sqlite":
        lines = [line for line in _comment(connection).splitlines() if line.startswith(_LINES)]
        if any("protected" in re.findall(r"\w+", line) for line in lines):
            found |= {"protected"}
    return found


def read(connection: sa.Connection) -> Mark:
    """The database's mark; NO_MARK where it has none that is exactly as it is written here. Read-only."""
    if connection.dialect.name == "sqlite":
        number = _application_id(connection)
        if number >> 16 != _FAMILY:
            return NO_MARK
        said = frozenset(word for place, word in enumerate(_WORDS) if number >> place & 1)
        return Mark(said, tag=str(number >> len(_WORDS) & _TAGS - 1))
    marks = [mark for line in _comment(connection).splitlines() if (mark := _parsed(line)) is not None]
    return marks[0] if len(marks) == 1 else NO_MARK


def _parsed(line: str) -> Mark | None:
    """The mark, where the line is exactly one; a person's words that begin like it are none."""
    said, brace, names = line.removeprefix(_LINE).partition(" {")
    try:
        known = json.loads(f"{{{names}") if brace else {}
        found = Mark(
            frozenset(word for word in _WORDS if word in said.split(", ")),
            *(str(known[name]) for name in ("database", "server", "project", "mark")),
        )
    except (ValueError, KeyError):
        return None
    return found if found.line == line else None


def say(connection: sa.Connection, folder: Path, *more: Word) -> None:
    """Let the database say these words from now on, too; committed afterwards. `folder` is that of the project.

    Raises Unreachable where the user has not the right, WrongUse where the database has no room for them or the project
    cannot keep what it must, Locked where somebody else is writing to a SQLite file.
    """
    with database.telling(connection.engine.url):
        here = location(connection)
        others = _whose(connection, folder, here) is not None
        said = frozenset(more) | {word for word in words(connection) if word == "protected" or not others}
        if said == read(connection).words and not others:
            connection.rollback()
            return
        if connection.dialect.name == "sqlite":
            _mark_file(connection, folder, here, said)
        else:
            project = local.made_project_id(folder)
            made = Mark(said, here.database, here.identity, project, secrets.token_hex(8))
            _set_comment(connection, here.database, made.line)
        connection.commit()


def _whose(connection: sa.Connection, folder: Path, here: Location) -> str | None:
    """Why the database is not this project's, by its mark; None where it is."""
    found = read(connection)
    if not found.owned:
        return "was not created or adopted by this project"
    if connection.dialect.name == "sqlite":
        known = local.is_known_file(folder, here.database, here.number, int(found.tag))
        return None if known else "is not the file that this project created or adopted (a copy, perhaps)"
    if found.database != here.database:
        return f"is marked as the database {found.database} (it was renamed or copied, perhaps)"
    if found.server != here.identity:
        return "is marked for another server (it is a copy, perhaps)"
    if found.project != local.project_id(folder):
        return "is marked for another project, or another checkout of this one"
    return None


def require_ours(connection: sa.Connection, folder: Path) -> None:
    """Raise Protected where the database is not one that the project in this folder made, or took over."""
    reason = _whose(connection, folder, location(connection))
    if reason is not None:
        raise Protected(
            f"{database.title(connection.engine.url)} {reason}, so it will not be dropped.",
            hint="Nothing was changed. If it may go, drop it yourself, or run `inv adopt` first, which makes it this "
            "project's.",
        )


def require_unprotected(connection: sa.Connection, what: str, *, configured: bool) -> None:
    """Raise Protected where config.yaml (`configured`) or the database itself forbids `what`."""
    name = database.address(connection.engine.url)
    if configured:
        raise Protected(
            f"{name} is protected, and not to be {what}.",
            hint="It was left as it is. config.yaml says `protected: true`; if that is wrong, change it there.",
        )
    if "protected" in words(connection):
        raise Protected(
            f"{name} is protected, and not to be {what}.",
            hint="It was left as it is. The database itself says so since somebody asked for it with `--protect`; no "
            f"flag overrides that. Somebody who may can take the mark away: {_unmarking(connection)}",
        )


def _unmarking(connection: sa.Connection) -> str:
    name = connection.dialect.identifier_preparer.quote(str(connection.engine.url.database))
    if connection.dialect.name == "sqlite":
        return "PRAGMA application_id = 0."
    if connection.dialect.name == "postgresql":
        return f"COMMENT ON DATABASE {name} IS NULL."
    return f"ALTER DATABASE {name} COMMENT ''."


# ------------------------------------------------------------------------------ SQLite


def _application_id(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())


def _mark_file(connection: sa.Connection, folder: Path, here: Location, said: frozenset[Word]) -> None:
    number = _application_id(connection)
    if number and number >> 16 != _FAMILY:
        raise WrongUse(
            f"{database.address(connection.engine.url)} has an application_id of its own ({number}), where the mark "
            "would be.",
            hint="Write `protected: true` into config.yaml instead.",
        )
    tag = secrets.randbelow(_TAGS)
    if said & {"created", "adopted"}:
        local.remember_file(folder, here.database, here.number, tag)
    bits = sum(1 << _WORDS.index(word) for word in said)
    connection.exec_driver_sql(f"PRAGMA application_id = {_FAMILY << 16 | tag << len(_WORDS) | bits}")


# ---------------------------------------------------------------- PostgreSQL and MariaDB


def _comment(connection: sa.Connection) -> str:
    if connection.dialect.name == "postgresql":
        query = (
            "SELECT shobj_description(oid, 'pg_database') AS said FROM pg_database WHERE datname = current_database()"
        )
    else:
        query = "SELECT * FROM information_schema.schemata WHERE schema_name = DATABASE()"
    row: Mapping[Any, Any] = connection.exec_driver_sql(query).mappings().first() or {}
    found = {str(name).lower(): value for name, value in row.items()}
    return str(found.get("said") or found.get("schema_comment") or "")  # MariaDB before 10.5 has no such column


def _set_comment(connection: sa.Connection, name: str, line: str) -> None:
    others = [each for each in _comment(connection).splitlines() if _parsed(each) is None]
    text, path = "\n".join([*others, line]), quoted(connection, name)
    if connection.dialect.name == "postgresql":  # it takes no parameter here, and knows how it reads a backslash
        literal = str(connection.exec_driver_sql("SELECT quote_literal(%s)", (text,)).scalar_one())
        connection.exec_driver_sql(f"COMMENT ON DATABASE {path} IS {literal.replace('%', '%%')}")
    else:
        connection.exec_driver_sql(f"ALTER DATABASE {path} COMMENT %s", (text,))
