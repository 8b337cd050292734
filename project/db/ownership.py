"""Whose a database is, and whether it may be touched: said by the database itself, outside of its schema.

PostgreSQL and MariaDB keep the words in the database's comment, beside whatever else it says, SQLite in the file's
application_id. So they go wherever the database goes, no table is needed, and nothing compares them with models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import sqlalchemy as sa

from project.db import database
from project.errors import Protected, WrongUse

Word = Literal["created", "adopted", "protected"]
"""`created` and `adopted`: `inv reset` may drop it. `protected`: nothing here may drop, reset or re-stamp it."""

_WORDS: tuple[Word, ...] = get_args(Word)
_LINE = "strata: "
_FAMILY = 0x5354  # "ST", the upper half of application_id; each word is a bit of the lower one


def words(connection: sa.Connection) -> frozenset[Word]:
    """What the database says of itself. Read-only."""
    if connection.dialect.name == "sqlite":
        number = _application_id(connection)
        bits = number & 0xFFFF if number >> 16 == _FAMILY else 0
        return frozenset(word for place, word in enumerate(_WORDS) if bits >> place & 1)
    lines = [line.removeprefix(_LINE) for line in _comment(connection).splitlines() if line.startswith(_LINE)]
    said = {word for line in lines for word in line.replace(",", " ").split()}
    return frozenset(word for word in _WORDS if word in said)


def say(connection: sa.Connection, *more: Word) -> None:
    """Let the database say these words from now on, too; committed afterwards.

    Raises Unreachable where the user has not the right, WrongUse where the database has no room for them, Locked where
    somebody else is writing to a SQLite file.
    """
    with database.telling(connection.engine.url):
        said = words(connection) | set(more)
        if said == words(connection):
            connection.rollback()
            return
        if connection.dialect.name == "sqlite":
            _mark_file(connection, sum(1 << _WORDS.index(word) for word in said))
        else:
            _set_comment(connection, f"{_LINE}{', '.join(word for word in _WORDS if word in said)}")
        connection.commit()


def is_ours(connection: sa.Connection) -> bool:
    """Whether we made the database, or took it over."""
    return bool(words(connection) & {"created", "adopted"})


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


def _application_id(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())


def _mark_file(connection: sa.Connection, bits: int) -> None:
    number = _application_id(connection)
    if number and number >> 16 != _FAMILY:
        raise WrongUse(
            f"{database.address(connection.engine.url)} has an application_id of its own ({number}), where the mark "
            "would be.",
            hint="Write `protected: true` into config.yaml instead.",
        )
    connection.exec_driver_sql(f"PRAGMA application_id = {_FAMILY << 16 | bits}")


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


def _set_comment(connection: sa.Connection, line: str) -> None:
    others = [each for each in _comment(connection).splitlines() if not each.startswith(_LINE)]
    processor = sa.String().literal_processor(connection.dialect)  # type: ignore[no-untyped-call]
    assert processor is not None
    text = processor("\n".join([*others, line]))
    name = connection.dialect.identifier_preparer.quote(str(connection.engine.url.database))
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"COMMENT ON DATABASE {name} IS {text}")
    else:
        connection.exec_driver_sql(f"ALTER DATABASE {name} COMMENT {text}")
