"""The session settings that a revision's SQL depends on: the same ones, whatever server, database, role or URL say.

They decide what a text means (backslashes, double quotes, `||`), how dates become text, the zone of a time without one,
and whether MariaDB cuts off what does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError

from .driver import server_of

_SETTINGS = {
    "postgresql": {
        "standard_conforming_strings": "on",
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "TimeZone": "UTC",
        "bytea_output": "hex",
        "extra_float_digits": "1",
    },
    "mariadb": {
        "sql_mode": "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
        "time_zone": "+00:00",
    },
}
"""What the servers have where nobody has changed anything, and UTC."""
_LEXICAL = {"postgresql": (("standard_conforming_strings", "off"),),
            "mariadb": (("sql_mode", "ANSI_QUOTES"), ("sql_mode", "NO_BACKSLASH_ESCAPES"))}  # fmt: skip
"""Values that SQLAlchemy adapts to for as long as an engine lives."""


def settle(dialect: str, connection: Any) -> None:
    """Set all of them on a new connection of a driver, before SQLAlchemy looks at it."""
    statement = setting(dialect)
    if statement is not None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()


def setting(dialect: str) -> str | None:
    """The statement that sets all of them; None for a server that has none."""
    values = _SETTINGS.get(server_of(dialect))
    return None if values is None else _statement(server_of(dialect), values)


@contextmanager
def settled(connection: sa.Connection) -> Iterator[None]:
    """The settings, on somebody's connection that is in no transaction; afterwards it has its own again.

    Raises CommandError where the connection has one that SQLAlchemy has adapted to.
    """
    server = server_of(connection.dialect.name)
    wanted = _SETTINGS.get(server, {})
    there = _current(connection, server, wanted)
    _require_usual(server, there)
    if there == wanted:
        yield
        return
    _set(connection, server, wanted)
    try:
        yield
    finally:
        with suppress(sa.exc.SQLAlchemyError):  # a connection that was lost has none
            connection.rollback()
            _set(connection, server, there)


def _current(connection: sa.Connection, server: str, wanted: dict[str, str]) -> dict[str, str]:
    if not wanted:
        return {}
    ask = {"postgresql": "current_setting('{}')", "mariadb": "@@SESSION.{}"}[server]
    found = connection.exec_driver_sql(f"SELECT {', '.join(map(ask.format, wanted))}").one()
    connection.rollback()
    return dict(zip(wanted, map(str, found), strict=True))


def _require_usual(server: str, there: dict[str, str]) -> None:
    for name, value in _LEXICAL.get(server, ()):
        if value in there[name].split(","):
            message = f"The connection has {value} in {name}, where a revision's SQL would mean something else."
            raise CommandError(f"{message} Pass a connection without it, or let env.py connect: it needs only the URL.")


def _set(connection: sa.Connection, server: str, values: dict[str, str]) -> None:
    connection.exec_driver_sql(_statement(server, values))
    connection.commit()


def _statement(server: str, values: dict[str, str]) -> str:
    if server == "postgresql":
        return "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in values.items())
    return "SET SESSION " + ", ".join(f"{name} = '{value}'" for name, value in values.items())
