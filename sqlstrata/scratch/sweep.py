"""Scratch databases and folders that killed processes have left."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa

from sqlstrata.databases import database, removal
from sqlstrata.databases.addresses import parsed, server, server_kind
from sqlstrata.databases.maker import is_left_behind, sweep_folders
from sqlstrata.errors import SqlstrataError
from sqlstrata.scratch import marker


def sweep(server_url: str | sa.URL) -> tuple[str, ...]:
    """Drop the scratch databases that killed processes left on the server, and their folders here; give their names.

    A database is dropped only if its name says that a process on this machine made it which is gone, and if it has the
    marker for this name, or holds nothing yet, or was renamed to be dropped. A process number that is used again keeps
    the database, and so does any doubt. Two may sweep at once; what cannot be dropped now is left for later.
    """
    url = parsed(server_url)
    sweep_folders()
    dropped = []
    for name in _left_behind(url):
        with suppress(SqlstrataError):
            removal.drop(url.set(database=name), _require_left_behind, force=True)
            dropped.append(name)
    return tuple(dropped)


def _left_behind(url: sa.URL) -> list[str]:
    """The names of a server's databases whose processes are gone."""
    kind = server_kind(url)
    if kind == "sqlite":  # they are in the folders
        return []
    query = "SELECT datname FROM pg_database" if kind == "postgresql" else "SHOW DATABASES"
    with database.connect(database.engine(server(url))) as connection:
        names = sorted(str(row[0]) for row in connection.exec_driver_sql(query))
    return [name for name in names if is_left_behind(name)]


def _require_left_behind(connection: sa.Connection) -> None:
    """Raise Protected for a database that holds what no killed run has left there."""
    query = sa.text(_TABLES[server_kind(connection.engine.url)])
    if connection.execute(query, {"marker": marker.MARKER}).scalar_one() and not removal.is_going(connection):
        marker.read(connection)


_TABLES = {
    "postgresql": (
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_'"
        " AND n.nspname NOT IN ('information_schema', :marker) AND NOT EXISTS"
        " (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
    ),
    "mariadb": (
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> :marker"
    ),
}
"""The number of tables, views and sequences, without the marker and those of extensions."""
