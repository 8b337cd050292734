"""The SQL that an administrator can run where a user lacks a right; what it grants is enough for the next run, too."""

from __future__ import annotations

import re
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sqlstrata.databases.maker import PREFIX

_USER = "SELECT current_user"  # as MariaDB's CURRENT_USER(): the account that the rights are those of
_NO_PRIVILEGE = 1227
"""MariaDB's number for a right on the whole server; the server's message names it."""


def remedy(server: sa.Engine, url: sa.URL, error: DBAPIError) -> str:
    """What to do about a missing right on the URL's database, as a hint.

    server is an engine for the URL's server: it is asked for the user's name.
    """
    if (error.statement or "").startswith("CREATE EXTENSION "):
        return f"An administrator can run, in the database {url.database}: {error.statement};"
    if server.dialect.name == "postgresql":
        granted = _on_postgresql(server, url, error.statement)
    elif getattr(error.orig, "args", ())[:1] == (_NO_PRIVILEGE,):
        granted = None
    else:
        granted = f"GRANT ALL ON {_databases(url)}.* TO {_mariadb_user(server, url)}"
    if granted is None:
        return "Ask an administrator for the right that the server names."
    return f"An administrator can run: {granted};"


def _on_postgresql(server: sa.Engine, url: sa.URL, statement: str | None) -> str | None:
    user = _quoted(_asked(server) or url.username or "…", '"')
    name = _quoted(str(url.database), '"')
    match (statement or "").upper().split()[:2]:
        case ["CREATE", "DATABASE"]:
            return f"ALTER ROLE {user} CREATEDB"
        case ["CREATE", "SCHEMA"]:
            return f"GRANT CREATE ON DATABASE {name} TO {user}"
        case ["COMMENT" | "DROP", _]:
            return f"ALTER DATABASE {name} OWNER TO {user}"
        case _:
            return None


def _databases(url: sa.URL) -> str:
    """The databases that the right is for, as GRANT takes them: `_` and `%` are wildcards, unless escaped."""
    name = str(url.database or PREFIX)
    is_scratch = name.startswith(PREFIX)
    escaped = re.sub(r"([\\_%])", r"\\\1", PREFIX if is_scratch else name)
    return _quoted(escaped + "%" * is_scratch, "`")


def _quoted(name: str, mark: str) -> str:
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"


def _mariadb_user(server: sa.Engine, url: sa.URL) -> str:
    """The account, as 'user'@'host'; the host is the pattern of the account that the server has matched."""
    user, _, host = (_asked(server) or f"{url.username or '…'}@…").rpartition("@")
    return f"{_text(user)}@{_text(host)}"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _asked(server: sa.Engine) -> str | None:
    """The user's name on the server; None where the server cannot be asked."""
    with suppress(DBAPIError), server.connect() as connection:
        return str(connection.exec_driver_sql(_USER).scalar_one())
    return None
