"""The three servers as the oracle sees them: through their drivers and catalogues, with nothing of the program."""

from __future__ import annotations

from .base import Picture, Server, frozen
from .mariadb import MariaDB
from .postgresql import PostgreSQL
from .sqlite import SQLite

SERVERS: dict[str, Server] = {each.kind: each for each in (SQLite(), PostgreSQL(), MariaDB())}

__all__ = ["SERVERS", "Picture", "Server", "frozen"]
