"""The server behind a SQLAlchemy connection, and statements that bypass SQLAlchemy's events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def server_of(dialect: str) -> str:
    """`mysql` and `mariadb` are one server with two names in SQLAlchemy."""
    return "mariadb" if dialect == "mysql" else dialect


def say(connection: sa.Connection, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """Run one statement in the connection's transaction, and give its rows. Raises the driver's own errors.

    It begins no transaction: if none is open, the driver decides.
    """
    raw = connection.connection.dbapi_connection
    assert raw is not None
    cursor = raw.cursor()
    try:
        cursor.execute(sql, tuple(parameters)) if parameters else cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        cursor.close()
