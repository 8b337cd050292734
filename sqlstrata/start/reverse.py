"""Models of a database that exists, written with sqlacodegen."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.databases import addresses, creation, database
from sqlstrata.errors import Unreachable, WrongUse
from sqlstrata.start.reflection import ALEMBIC, reflected

BASE = '''\
"""The base of all models."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """It has no naming convention, because the constraints have the names that the database has."""
'''


@dataclass(frozen=True)
class Reversed:
    """The text of a module of models; the columns whose types are not known; whether Alembic has a table there."""

    text: str
    tables: tuple[str, ...]
    unknown: tuple[str, ...]
    has_alembic: bool


def reverse(url: sa.URL, base: str) -> Reversed:
    """Write the models of all tables of a database; `base` is the module of their base. The database is only read.

    Raises WrongUse where sqlacodegen is not installed or the database has no tables, Unreachable where there is none.
    """
    try:
        from sqlstrata.start.generator import Generator  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise WrongUse(f"{error.name} is not installed.", hint='Run `pip install "sqlstrata[models]"`.') from error
    if not creation.exists(url):
        raise Unreachable(f"There is no {addresses.title(url)}.", hint="Check the URL.")
    with database.reporting(url), database.connect(database.engine(url, reading=True)) as connection:
        metadata = reflected(connection)
        if not metadata.tables:
            raise WrongUse(
                f"There is no table in {addresses.title(url)}.", hint="Check the URL, or leave out `--from-database`."
            )
        unknown = [
            f"{table.fullname}.{column.name}"
            for table in metadata.sorted_tables
            for column in table.columns
            if isinstance(column.type, sa.types.NullType)
        ]
        has_alembic = sa.inspect(connection).has_table(ALEMBIC)
        text = Generator(metadata, connection, base).generate()
    return Reversed(text, tuple(sorted(metadata.tables)), tuple(unknown), has_alembic)
