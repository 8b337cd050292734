"""Ownership and protection marks, stored in the database but outside its schema.

On PostgreSQL and MariaDB the mark is a line of the database's comment, beside any other text. It names the database,
the server's identity and the project, so a copy or a renamed database does not count as ours: only a line exactly as it
is written here, for this database on this server by this project, does. SQLite has room for a number only, the
application_id; the project stores which file that is for (`local`).
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import sqlalchemy as sa

from sqlstrata.databases import database, local
from sqlstrata.databases.addresses import address, server_kind, title
from sqlstrata.databases.location import Location, location
from sqlstrata.dialects import quoted
from sqlstrata.errors import Protected, WrongUse

Word = Literal["created", "adopted", "protected"]
"""`created` and `adopted`: `inv reset` may drop it. `protected`: no command may drop, reset or re-stamp it."""

_WORDS: tuple[Word, ...] = get_args(Word)
_LINE = "sqlstrata: "
_LINES = (_LINE, "strata: ")
_FAMILY = 0x5354  # "ST", the upper half of application_id; then 13 bits for the tag, and a bit for each word
_TAGS = 1 << 13


@dataclass(frozen=True, slots=True)
class Mark:
    """A database's mark: the words, and for what; the tag distinguishes it from another mark for the same."""

    words: frozenset[Word]
    database: str = ""
    server: str = ""
    project: str = ""
    tag: str = ""

    @property
    def line(self) -> str:
        """The mark as a line of a comment."""
        words = ", ".join(word for word in _WORDS if word in self.words)
        names = {"database": self.database, "server": self.server, "project": self.project, "mark": self.tag}
        return f"{_LINE}{words} {json.dumps(names, ensure_ascii=False)}"

    @property
    def owned(self) -> bool:
        """Whether `inv reset` may drop the database that the mark names."""
        return bool(self.words & {"created", "adopted"})


NO_MARK = Mark(frozenset())


def words(connection: sa.Connection) -> frozenset[Word]:
    """The words of the database's mark, for whatever database and project it was written. Read-only.

    `protected` counts in any line that begins like ours, the other words only in a line exactly as it is written here.
    """
    found = read(connection).words
    if connection.dialect.name != "sqlite":
        lines = [line for line in _comment(connection).splitlines() if line.startswith(_LINES)]
        if any("protected" in re.findall(r"\w+", line) for line in lines):
            found |= {"protected"}
    return found


def read(connection: sa.Connection) -> Mark:
    """The database's mark; NO_MARK where it has none, several, or none exactly as it is written here. Read-only."""
    if connection.dialect.name == "sqlite":
        number = _application_id(connection)
        if number >> 16 != _FAMILY:
            return NO_MARK
        given = frozenset(word for place, word in enumerate(_WORDS) if number >> place & 1)
        return Mark(given, tag=str(number >> len(_WORDS) & _TAGS - 1))
    marks = [mark for line in _comment(connection).splitlines() if (mark := _parsed(line)) is not None]
    return marks[0] if len(marks) == 1 else NO_MARK


def _parsed(line: str) -> Mark | None:
    """The mark, where the line is exactly one; another line that begins like it is none."""
    listed, brace, names = line.removeprefix(_LINE).partition(" {")
    try:
        known = json.loads(f"{{{names}") if brace else {}
        found = Mark(
            frozenset(word for word in _WORDS if word in listed.split(", ")),
            *(str(known[name]) for name in ("database", "server", "project", "mark")),
        )
    except (ValueError, KeyError):
        return None
    return found if found.line == line else None


def mark(connection: sa.Connection, folder: Path, *more: Word) -> None:
    """Add these words to the database's mark, and commit. `folder` is the project's.

    Raises Unreachable where the user lacks the right, WrongUse where the database has no room for the mark or the
    project's own file cannot be written, Locked where somebody else is writing to a SQLite file.
    """
    with database.reporting(connection.engine.url):
        here = location(connection)
        foreign = _why_foreign(connection, folder, here) is not None
        wanted = frozenset(more) | {word for word in words(connection) if word == "protected" or not foreign}
        if wanted == read(connection).words and not foreign:
            connection.rollback()
            return
        if connection.dialect.name == "sqlite":
            _mark_file(connection, folder, here, wanted)
        else:
            project = local.made_project_id(folder)
            new = Mark(wanted, here.database, here.identity, project, secrets.token_hex(8))
            _set_comment(connection, here.database, new.line)
        connection.commit()


def _why_foreign(connection: sa.Connection, folder: Path, here: Location) -> str | None:
    """Why the database is not this project's, by its mark, as the end of a sentence; None where it is."""
    found = read(connection)
    if not found.owned:
        return "was not created or adopted by this project"
    if connection.dialect.name == "sqlite":
        known = local.is_known_file(folder, here.database, here.number, int(found.tag))
        return None if known else "is not the file that this project created or adopted (perhaps a copy)"
    if found.database != here.database:
        return f"is marked as the database {found.database} (perhaps it was renamed or copied)"
    if found.server != here.identity:
        return "is marked for another server (perhaps it is a copy)"
    if found.project != local.project_id(folder):
        return "is marked for another project, or another checkout of this one"
    return None


def require_ours(connection: sa.Connection, folder: Path) -> None:
    """Raise Protected where the project in this folder has not created or adopted the database."""
    reason = _why_foreign(connection, folder, location(connection))
    if reason is not None:
        raise Protected(
            f"{title(connection.engine.url)} {reason}, so it will not be dropped.",
            hint="Nothing was changed. Drop it yourself, or run `inv adopt` first, which makes it this project's.",
        )


def require_unprotected(connection: sa.Connection, what: str, *, configured: bool) -> None:
    """Raise Protected where config.yaml (`configured`) or the database's mark forbids `what`, a participle."""
    message = f"{address(connection.engine.url)} is protected, so it will not be {what}."
    if configured:
        hint = "The database was not changed. config.yaml has `protected: true`; if that is wrong, change it there."
        raise Protected(message, hint=hint)
    if "protected" in words(connection):
        hint = (
            "The database was not changed. It was marked with `--protect`; no flag overrides that. "
            f"Its owner can remove the mark: {_unmarking(connection)}"
        )
        raise Protected(message, hint=hint)


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


def _mark_file(connection: sa.Connection, folder: Path, here: Location, wanted: frozenset[Word]) -> None:
    number = _application_id(connection)
    if number and number >> 16 != _FAMILY:
        raise WrongUse(
            f"{address(connection.engine.url)} already has an application_id ({number}), so it cannot be marked.",
            hint="Write `protected: true` into config.yaml instead.",
        )
    tag = secrets.randbelow(_TAGS)
    if wanted & {"created", "adopted"}:
        local.remember_file(folder, here.database, here.number, tag)
    bits = sum(1 << _WORDS.index(word) for word in wanted)
    connection.exec_driver_sql(f"PRAGMA application_id = {_FAMILY << 16 | tag << len(_WORDS) | bits}")


# ---------------------------------------------------------------- PostgreSQL and MariaDB


_COMMENT = {
    "postgresql": "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
    "mariadb": "SELECT schema_comment FROM information_schema.schemata WHERE schema_name = DATABASE()",
}


def _comment(connection: sa.Connection) -> str:
    return str(connection.exec_driver_sql(_COMMENT[server_kind(connection.engine.url)]).scalar() or "")


def _set_comment(connection: sa.Connection, name: str, line: str) -> None:
    others = [each for each in _comment(connection).splitlines() if _parsed(each) is None]
    text, path = "\n".join([*others, line]), quoted(connection, name)
    if connection.dialect.name == "postgresql":  # it takes no parameter here; the server knows how to quote
        literal = str(connection.exec_driver_sql("SELECT quote_literal(%s)", (text,)).scalar_one())
        connection.exec_driver_sql(f"COMMENT ON DATABASE {path} IS {literal.replace('%', '%%')}")
    else:
        connection.exec_driver_sql(f"ALTER DATABASE {path} COMMENT %s", (text,))
