"""The application's view of its database: the models, and a session.

`from project.db import Usuario, Produto, setup_database`.
"""

from __future__ import annotations

from sqlalchemy import URL, create_engine
from sqlalchemy.orm import Session
from sqlalchemy_utils import create_database, database_exists

import project.models.usuario_email  # noqa: F401 - it adds a column to Usuario
from project.models.produto import Produto
from project.models.usuario import Usuario
from sqlstrata import find, read

__all__ = ["Produto", "Usuario", "setup_database"]


def setup_database(url: str | URL | None = None) -> Session:
    """Give a session on a database, by default config.yaml's, which is created if it does not exist.

    Migrations create its tables.
    """
    url = url or read(find()).database.url
    if not database_exists(url):
        create_database(url)
    return Session(create_engine(url))
