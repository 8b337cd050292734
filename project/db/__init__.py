"""The application's own view of its database: the models with all their modules on, and a session on a database.

`from project.db import Usuario, Produto, setup_database`. The models are imported when they are first asked for, so
that importing a module of this package imports none of them.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.orm import Session

    from project.models.produto import Produto
    from project.models.usuario import Usuario

__all__ = ["Produto", "Usuario", "setup_database"]

_MODELS = {"Produto": "project.models.produto", "Usuario": "project.models.usuario"}


def __getattr__(name: str) -> object:
    if name not in _MODELS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    package = importlib.import_module("project.models")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return getattr(importlib.import_module(_MODELS[name]), name)


def setup_database(url: str | sa.URL | None = None) -> Session:
    """Give a session on a database; where `sqlalchemy_utils.database_exists` says that there is none, it is created.

    url is that of config.yaml (the variable CONFIG may name another file) if it is left out. The database gets no
    tables here: that is what migrations are for. Raises WrongUse and Unreachable.
    """
    from sqlalchemy.orm import Session  # noqa: PLC0415 - heavy, and importing the package must cost nothing

    from project import plan  # noqa: PLC0415
    from project.db import database  # noqa: PLC0415

    if url is None:
        url = plan.read(Path(os.environ.get("CONFIG", "config.yaml"))).database.url
    if not database.exists(url):
        database.make(database.parsed(url))
    return Session(database.engine(url))
