"""PostgreSQL through psycopg: pg_catalog."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from .base import VERSION, Picture, Server, frozen, inserting, server_url

_GIVEN = os.environ.get("STRATA_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")

_OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_TABLES = f"""
    SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND {_OURS}"""
_SCHEMA = (
    f"""
    SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
           pg_get_expr(d.adbin, d.adrelid) AS value
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND {_OURS}""",
    f"""
    SELECT n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid), k.convalidated
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_OURS}""",
    f"""
    SELECT n.nspname, t.relname, pg_get_indexdef(i.indexrelid), i.indisvalid
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace WHERE {_OURS}""",
    f"""
    SELECT n.nspname, '' AS relname, c.relname AS thing, c.relkind, pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm', 'S') AND {_OURS}""",
    f"SELECT n.nspname, '' AS relname FROM pg_namespace n WHERE {_OURS}",
    f"""
    SELECT n.nspname, '' AS relname, p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE {_OURS}""",
    f"""
    SELECT n.nspname, '' AS relname, t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd') AND {_OURS}""",
)


class PostgreSQL(Server):
    kind = "postgresql"

    def __init__(self) -> None:
        parts = urllib.parse.urlsplit(_GIVEN)
        self.address: dict[str, Any] = {"host": parts.hostname or "127.0.0.1", "port": parts.port or 5432}
        self.login = {"user": parts.username or "postgres", "password": urllib.parse.unquote(parts.password or "")}

    @contextmanager
    def _connected(self, name: str = "postgres", user: str = "") -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """As administrator; `user` is who owns what is made."""
        with psycopg.connect(
            **self.address, **self.login, dbname=name, autocommit=True, connect_timeout=10, row_factory=dict_row
        ) as connection:
            if user:
                connection.execute(f"SET ROLE {user}".encode())
            yield connection

    def _ask(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self._connected() as connection:
            return connection.execute(query.encode(), values).fetchall()

    def silence(self) -> str | None:
        try:
            self._ask("SELECT 1")
        except psycopg.OperationalError as error:
            return str(error)
        return None

    def names(self) -> set[str]:
        return {row["datname"] for row in self._ask("SELECT datname FROM pg_database")}

    def picture(self, name: str) -> Picture | None:
        query = "SELECT shobj_description(oid, 'pg_database') AS about FROM pg_database WHERE datname = %s"
        about = self._ask(query, name)
        if not about:
            return None
        with self._connected(name) as connection:
            found = [row for query in _SCHEMA for row in connection.execute(query.encode()).fetchall()]
            schema = frozenset(repr(row) for row in found if row["relname"] != VERSION)
            rows = {
                name if schema_ == "public" else f"{schema_}.{name}": frozen(
                    connection.execute(f'SELECT * FROM "{schema_}"."{name}"'.encode()).fetchall()
                )
                for schema_, name in ((row["schema"], row["name"]) for row in connection.execute(_TABLES.encode()))
            }
        return Picture(schema, rows, str(about[0]["about"]))

    def create(self, name: str, owner: str) -> None:
        self._do(f'CREATE DATABASE "{name}"' + (f" OWNER {owner}" if owner else ""))

    def drop(self, name: str) -> None:
        self._do(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _do(self, *statements: str) -> None:
        self.execute("postgres", *statements)

    def execute(self, name: str, *statements: str, user: str = "") -> None:
        with self._connected(name, user) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def insert(self, name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], user: str = "") -> None:
        with self._connected(name, user) as connection, connection.transaction():
            for table, each in rows.items():
                for row in each:
                    connection.execute(inserting(table, row).encode(), tuple(row.values()))

    def url(self, user: str, password: str, name: str, **where: Any) -> str:
        return server_url("postgresql+psycopg", self.address, user, password, name, where)

    def say(self, name: str, text: str) -> None:
        self._do(f'COMMENT ON DATABASE "{name}" IS {_literal(text)}')

    def rename(self, name: str, new: str) -> None:
        self._do(f'ALTER DATABASE "{name}" RENAME TO "{new}"')

    def make_user(self, user: str, password: str, prefix: str) -> None:
        self._do(f"CREATE ROLE {user} LOGIN CREATEDB PASSWORD {_literal(password)}")

    def drop_user(self, user: str) -> None:
        owned = "SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE r.rolname = %s"
        for row in self._ask(owned, user):
            self.drop(row["datname"])
        if self._ask("SELECT 1 FROM pg_roles WHERE rolname = %s", user):
            self._do(f"DROP OWNED BY {user}", f"DROP ROLE {user}")

    def connections(self, user: str) -> int:
        return int(self._ask("SELECT count(*) AS n FROM pg_stat_activity WHERE usename = %s", user)[0]["n"])


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
