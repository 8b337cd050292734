"""A file of SQL, as the servers' own programs write dumps, executed in a scratch database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sqlstrata.disk import shown
from sqlstrata.errors import MigrationFailed, WrongUse

_ELSEWHERE = re.compile(r"^\s*(ATTACH|USE|(?:CREATE|DROP|ALTER)\s+(?:DATABASE|ROLE|USER|SCHEMA\s+`))\b", re.IGNORECASE)
_COPY = re.compile(r"COPY\b.*\bFROM\s+stdin\b", re.IGNORECASE)
_DELIMITER = re.compile(r"DELIMITER\s+(\S+)\s*", re.IGNORECASE)


def play(engine: sa.Engine, path: Path) -> None:
    """Execute a file in a database. Raises WrongUse where it cannot be read or leads elsewhere, and MigrationFailed."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{shown(path)} cannot be read: {error}.") from error
    for number, line in enumerate(lines, start=1):
        if found := _ELSEWHERE.match(line):
            raise WrongUse(
                f"The dump leads out of its database: {' '.join(found[1].split())}.",
                where=f"{shown(path)}:{number}",
                hint="Dump one database, without roles and without `CREATE DATABASE`.",
            )
    run = {"sqlite": _sqlite, "postgresql": _postgresql}.get(engine.dialect.name, _mariadb)
    connection = engine.raw_connection()
    try:
        run(connection.driver_connection, lines)
        connection.commit()
    except engine.dialect.loaded_dbapi.Error as error:
        raise MigrationFailed(
            f"The dump fails on a scratch database: {next(iter(str(error).splitlines()), '').rstrip('.')}.",
            where=shown(path),
            hint="It must be one of this kind of server; leave out owners and privileges, as `pg_dump --no-owner "
            "--no-privileges` does. Nothing was written.",
        ) from error
    finally:
        connection.invalidate()  # it may have set what lasts, such as a search path


def _sqlite(connection: Any, lines: list[str]) -> None:  # noqa: ANN401 - each driver has its own
    assert isinstance(connection, sqlite3.Connection)
    connection.executescript("".join(lines))


def _postgresql(connection: Any, lines: list[str]) -> None:  # noqa: ANN401 - the same
    """Execute all up to each COPY at once, and the rows of the COPY as psql does; psql's own commands are left out."""
    waiting: list[str] = []
    given = iter(lines)
    with connection.cursor() as cursor:
        for line in given:
            if _COPY.match(line):
                cursor.execute("".join(waiting))
                waiting.clear()
                with cursor.copy(line.rstrip().rstrip(";")) as copy:
                    for row in given:
                        if row.rstrip() == "\\.":
                            break
                        copy.write(row)
            elif not line.startswith("\\"):
                waiting.append(line)
        cursor.execute("".join(waiting))


def _mariadb(connection: Any, lines: list[str]) -> None:  # noqa: ANN401 - the same
    with connection.cursor() as cursor:
        for statement in _statements(lines):
            cursor.execute(statement)


def _statements(lines: list[str]) -> Iterator[str]:
    """The statements of a dump of MariaDB, each of which ends a line, with the delimiter that a line before it sets."""
    waiting, delimiter = "", ";"
    for line in lines:
        if found := _DELIMITER.fullmatch(line):
            delimiter = found[1]
            continue
        if not waiting and (line.startswith("--") or not line.strip()):
            continue
        waiting += line
        if waiting.rstrip().endswith(delimiter):
            yield waiting.rstrip().removesuffix(delimiter)
            waiting = ""
    if waiting:
        yield waiting
