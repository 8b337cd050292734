"""MariaDB through PyMySQL: information_schema and SHOW CREATE."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pymysql

from .base import VERSION, Picture, Server, frozen, inserting, server_url

_GIVEN = os.environ.get("STRATA_MARIADB", "mariadb+pymysql://root@127.0.0.1:3306/")
_ELSE = (
    "SELECT 'view' AS what, table_name AS name, view_definition AS text FROM information_schema.views"
    " WHERE table_schema = %s",
    "SELECT routine_type AS what, routine_name AS name, routine_definition AS text FROM information_schema.routines"
    " WHERE routine_schema = %s",
    "SELECT 'trigger' AS what, trigger_name AS name, action_statement AS text FROM information_schema.triggers"
    " WHERE trigger_schema = %s",
)


class MariaDB(Server):
    kind = "mariadb"

    def __init__(self) -> None:
        parts = urllib.parse.urlsplit(_GIVEN)
        self.address: dict[str, Any] = {"host": parts.hostname or "127.0.0.1", "port": parts.port or 3306}
        self.login = {"user": parts.username or "root", "password": urllib.parse.unquote(parts.password or "")}

    @contextmanager
    def _connected(self, name: str | None = None) -> Iterator[Any]:
        options: dict[str, Any] = {**self.address, **self.login, "database": name, "charset": "utf8mb4"}
        made = pymysql.connect(**options, cursorclass=pymysql.cursors.DictCursor, connect_timeout=10, autocommit=True)
        with closing(made) as connection, connection.cursor() as cursor:
            yield cursor

    def _ask(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self._connected() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def silence(self) -> str | None:
        try:
            self._ask("SELECT 1")
        except pymysql.err.OperationalError as error:
            return str(error)
        return None

    def names(self) -> set[str]:
        return {row["Database"] for row in self._ask("SHOW DATABASES")}

    def picture(self, name: str) -> Picture | None:
        found = self._ask("SELECT * FROM information_schema.schemata WHERE schema_name = %s", name)
        if not found:
            return None
        rows: dict[str, tuple[str, ...]] = {}
        schema = [repr(row) for query in _ELSE for row in self._ask(query, name)]
        about = {key.lower(): value for key, value in found[0].items()}
        schema.append(f"{about['default_character_set_name']} {about['default_collation_name']}")
        query = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
        for table in [row["name"] for row in self._ask(query, name)]:
            rows[table] = frozen(self._ask(f"SELECT * FROM `{name}`.`{table}`"))
            if table != VERSION:
                schema += _lines(table, self._ask(f"SHOW CREATE TABLE `{name}`.`{table}`")[0]["Create Table"])
        return Picture(frozenset(schema), rows, str(about.get("schema_comment")))

    def create(self, name: str, owner: str) -> None:
        self._ask(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")

    def drop(self, name: str) -> None:
        self._ask(f"DROP DATABASE IF EXISTS `{name}`")

    def execute(self, name: str, *statements: str, user: str = "") -> None:
        with self._connected(name) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def insert(self, name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], user: str = "") -> None:
        with self._connected(name) as cursor:
            cursor.execute("BEGIN")
            for table, each in rows.items():
                for row in each:
                    cursor.execute(inserting(table, row), tuple(row.values()))
            cursor.execute("COMMIT")

    def url(self, user: str, password: str, name: str, **where: Any) -> str:
        return server_url("mariadb+pymysql", self.address, user, password, name, where)

    def say(self, name: str, text: str) -> None:
        self._ask(f"ALTER DATABASE `{name}` COMMENT %s", text)

    def make_user(self, user: str, password: str, prefix: str) -> None:
        begin = prefix.replace("_", r"\_")
        for host in ("%", "localhost"):
            self._ask(f"CREATE USER '{user}'@'{host.replace('%', '%%')}' IDENTIFIED BY %s", password)
            for names in (f"{begin}%", r"strata\_%", r"sqlstrata\_%"):
                self.grant(user, "ALL", names, host)

    def grant(self, user: str, rights: str, names: str, host: str) -> None:
        with self._connected() as cursor:  # without values, so that % is no parameter
            cursor.execute(f"GRANT {rights} ON `{names}`.* TO '{user}'@'{host}'")

    def drop_user(self, user: str) -> None:
        for name in self.names():
            if name.startswith(f"{user}_"):
                self.drop(name)
        for host in ("%", "localhost"):
            with self._connected() as cursor:
                cursor.execute(f"DROP USER IF EXISTS '{user}'@'{host}'")

    def connections(self, user: str) -> int:
        return int(self._ask("SELECT count(*) AS n FROM information_schema.processlist WHERE user = %s", user)[0]["n"])


def _lines(table: str, text: str) -> list[str]:
    """A table's definition line by line: its keys stand in the order in which they were made."""
    text = re.sub(r" AUTO_INCREMENT=\d+", "", text)
    return [f"{table}: {line.strip().rstrip(',')}" for line in text.splitlines()]
