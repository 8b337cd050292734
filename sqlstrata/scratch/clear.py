"""Emptying a scratch database, for the next use."""

from __future__ import annotations

import sqlalchemy as sa

from sqlstrata.databases.addresses import server_kind
from sqlstrata.databases.maker import NAME
from sqlstrata.dialects import quoted
from sqlstrata.scratch import marker
from sqlstrata.scratch.marker import MARKER, Mark


def clear(connection: sa.Connection) -> None:
    """Empty a scratch database and its schemas, and commit, with whatever was open.

    Raises Protected, with nothing done, where name or marker are not those of a scratch database.
    """
    mark = marker.read(connection)
    _CLEAR[server_kind(connection.engine.url)](connection, mark)
    connection.commit()


def _clear_sqlite(connection: sa.Connection, _: Mark) -> None:
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    query = "SELECT type, name FROM main.sqlite_master WHERE type IN ('view', 'table') ORDER BY type DESC"
    for kind, name in connection.exec_driver_sql(query).all():
        if name != MARKER and not name.startswith("sqlite_"):
            connection.exec_driver_sql(f"DROP {kind} IF EXISTS main.{quoted(connection, name)}")


def _clear_postgresql(connection: sa.Connection, mark: Mark) -> None:
    query = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', %s)"
    schemas = connection.exec_driver_sql(query, (MARKER,)).scalars().all()
    later = [name for name in marker.extensions(connection) if name not in mark.extensions]
    # Schemas first: dropping an index after its operator class's extension fails in PostgreSQL's caches.
    statements = [f"DROP SCHEMA {quoted(connection, name)} CASCADE" for name in schemas]
    statements += [f"DROP EXTENSION IF EXISTS {quoted(connection, name)} CASCADE" for name in later]
    statements += [f"CREATE SCHEMA IF NOT EXISTS {quoted(connection, name)}" for name in ("public", *mark.schemas)]
    statements += ["GRANT USAGE ON SCHEMA public TO PUBLIC"]
    statements += [
        f"CREATE EXTENSION IF NOT EXISTS {quoted(connection, name)} SCHEMA {quoted(connection, schema)}"
        for name, schema in mark.extensions.items()
        if name != "plpgsql"
    ]
    connection.exec_driver_sql("; ".join(statements))


def _clear_mariadb(connection: sa.Connection, mark: Mark) -> None:
    connection.exec_driver_sql("SET @strata_checks = @@foreign_key_checks, foreign_key_checks = 0")
    try:
        for name in (mark.name, *mark.schemas.values()):
            _clear_one(connection, name)
    finally:
        connection.exec_driver_sql("SET foreign_key_checks = @strata_checks")


def _clear_one(connection: sa.Connection, name: str) -> None:
    if not NAME.fullmatch(name):
        raise marker.not_scratch(name)
    found: dict[str, list[str]] = {}
    for each, kind in connection.exec_driver_sql(f"SHOW FULL TABLES FROM {quoted(connection, name)}"):
        if each != MARKER:
            found.setdefault(kind if kind in {"VIEW", "SEQUENCE"} else "TABLE", []).append(
                quoted(connection, name, each)
            )
    for kind in ("VIEW", "TABLE", "SEQUENCE"):
        if kind in found:
            connection.exec_driver_sql(f"DROP {kind} {', '.join(found[kind])}")
    query = sa.text(
        "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = :name"
        " UNION ALL SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = :name"
    )
    for kind, each in connection.execute(query, {"name": name}).all():
        connection.exec_driver_sql(f"DROP {kind} {quoted(connection, name, each)}")


_CLEAR = {"sqlite": _clear_sqlite, "postgresql": _clear_postgresql, "mariadb": _clear_mariadb}
