"""The server behind SQLAlchemy: which it is, and what is said to it past all who listen to the connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def server_of(dialect: str) -> str:
    """`mysql` and `mariadb` are one server with two names in SQLAlchemy."""
    return "mariadb" if dialect == "mysql" else dialect


def say(connection: sa.Connection, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """Run one statement in the connection's transaction, and give its rows. Raises the driver's own errors.

    Unlike SQLAlchemy's it begins no transaction: where none is open, the driver decides.
    """
    raw = connection.connection.dbapi_connection
    assert raw is not None
    cursor = raw.cursor()
    try:
        cursor.execute(sql, tuple(parameters)) if parameters else cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        cursor.close()
