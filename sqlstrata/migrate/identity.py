"""Find the stage that a database is at, by its schema alone.

1. Compare the names of its tables and columns with those of each stage, which needs no database: few stages remain.
2. For each of these, create its models in a scratch database on the same server, and compare the two in full.

So the time does not grow with the square of the number of stages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import sqlalchemy as sa

from sqlstrata.databases import addresses, database
from sqlstrata.databases.lost import answering, cause
from sqlstrata.dialects import unmarked
from sqlstrata.errors import SqlstrataError, WrongUse
from sqlstrata.migrate.failures import message_of
from sqlstrata.migrate.outline import Outline
from sqlstrata.plan.foreign import is_foreign
from sqlstrata.result import counted
from sqlstrata.schema.values import Schema
from sqlstrata.scratch.bracket import Scratch, scratch
from sqlstrata.scratch.clear import clear
from sqlstrata.scratch.sweep import sweep
from sqlstrata.servers import kind_of
from sqlstrata.snapshot import Difference, Snapshot, differences, snapshot

Name = tuple[str, str | None]

_NOTHING = Outline(None, {}, (), frozenset(), sa.MetaData, Schema)
"""The state before the first stage."""


@dataclass(frozen=True)
class Fit:
    """The stage whose schema a database has, or, where there are `differences`, the nearest one.

    stage None is the empty database before the first stage. `also` are other stages with the same schema.
    """

    stage: str | None
    differences: tuple[Difference, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        return not self.differences

    @property
    def nearest(self) -> str:
        """The stage and how many differences there are, in words."""
        near = "an empty database" if self.stage is None else f"stage {self.stage}"
        return f"{near}, with {counted(len(self.differences), 'difference')}"


def identify(
    connection: sa.Connection, steps: Sequence[Outline], preferred: str | None = None, foreign: Collection[str] = ()
) -> Fit:
    """Find the stage whose schema the database has; of several `preferred`, or else the last.

    The database is only read; the scratch database is on its server. `foreign` are patterns of tables that are no part
    of any stage. A stage whose models the server cannot create fits no database.
    Raises WrongUse where it can create those of none, and what `scratch` raises.
    """
    schemas = sorted({schema for step in steps for schema in step.schemas})
    found = _seen(connection, schemas, foreign)
    near = _nearest(_names(found), (_NOTHING, *steps))
    order = near[::-1]
    order.sort(key=lambda each: each.stage is None or each.stage != preferred)
    fits: list[tuple[Fit, Outline]] = []
    impossible: list[WrongUse] = []
    with beside(connection, schemas) as empty:
        for each in _distinct(order):
            try:
                wanted = made(empty, each.metadata(), schemas)
            except WrongUse as error:
                impossible.append(error)
                continue
            fits.append((Fit(each.stage, _that_matter(differences(wanted, found))), each))
            if fits[-1][0].exact:
                break
    if not fits:
        raise impossible[0]
    best, mine = min(fits, key=lambda each: len(each[0].differences))
    also = tuple(each.stage for each in near if each.stage and each is not mine and each.schema() == mine.schema())
    return replace(best, also=also)


def compare(connection: sa.Connection, metadata: sa.MetaData, foreign: Collection[str] = ()) -> tuple[Difference, ...]:
    """How a database differs from what create_all makes of a stage's models on its server.

    `foreign` are patterns of tables that are no part of any stage. Raises WrongUse where the server cannot create the
    models, and what `scratch` raises.
    """
    schemas = sorted({table.schema for table in metadata.tables.values() if table.schema})
    with beside(connection, schemas) as empty:
        return _that_matter(differences(made(empty, metadata, schemas), _seen(connection, schemas, foreign)))


def _seen(connection: sa.Connection, schemas: Sequence[str], foreign: Collection[str]) -> Snapshot:
    """A snapshot of a database without the tables, types and functions that are no part of any stage."""
    found, default = snapshot(connection, schemas).things, connection.dialect.default_schema_name
    return Snapshot(
        {
            key: thing
            for key, thing in found.items()
            if thing.kind == "extension" or not is_foreign(key.removesuffix("()"), foreign, default)
        }
    )


def swept(url: str | sa.URL) -> None:
    """Drop the scratch databases that killed runs left on a server; where that is not possible, leave them."""
    with suppress(SqlstrataError), answering():
        sweep(url)


def _that_matter(found: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Without additional rights: a database in use has such, and the models do not say them."""
    return tuple(each for each in found if each.expected is not None or not each.what.endswith("privileges"))


@contextmanager
def beside(connection: sa.Connection, schemas: Sequence[str]) -> Iterator[Scratch]:
    """A scratch database on the database's server, with the same default character set and collation.

    Each MariaDB database has its own default, for models that name none.
    """
    url = connection.engine.url
    kind = addresses.server_kind(url)
    with scratch("sqlite://" if kind == "sqlite" else url, schemas) as empty:
        if kind == "mariadb":
            ours = {str(url.database): str(empty.url.database), **empty.schemas}
            with database.connect(empty.engine) as there:
                for name, charset, collation in connection.exec_driver_sql(_DEFAULTS).all():
                    if name in ours:
                        change = f"ALTER DATABASE `{ours[name]}` CHARACTER SET {charset} COLLATE {collation}"
                        there.exec_driver_sql(change)
        yield empty


_DEFAULTS = "SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata"


def made(empty: Scratch, metadata: sa.MetaData, schemas: Sequence[str]) -> Snapshot:
    """A snapshot of what create_all makes of the models, in a scratch database that is emptied first.

    Raises WrongUse where the server cannot create them.
    """
    with database.connect(empty.engine) as connection:
        clear(connection)
        try:
            with unmarked(metadata):
                metadata.create_all(connection)
            connection.commit()
        except sa.exc.SQLAlchemyError as error:
            if cause(error) is not None:
                raise
            kind = kind_of(connection.dialect.name).title
            message = f"A stage's models cannot be created on {kind}: {message_of(error)}"
            raise WrongUse(message, hint="Change the models; `inv rebuild` proves that they can be created.") from error
        return snapshot(connection, schemas)


def _names(found: Snapshot) -> frozenset[Name]:
    """The tables and views of a database, and the columns of its tables."""
    names: set[Name] = set()
    for key, thing in found.things.items():
        if thing.kind in {"table", "view"}:
            names.add((key, None))
        if thing.kind == "table":
            names |= {(key, element.name) for element in thing.elements if element.kind == "column"}
    return frozenset(names)


def _nearest(names: frozenset[Name], steps: Sequence[Outline]) -> list[Outline]:
    """The stages whose names are nearest."""
    distances = list(_distances(names, steps))
    least = min(distances)
    return [step for step, distance in zip(steps, distances, strict=True) if distance == least]


def _distances(names: frozenset[Name], steps: Sequence[Outline]) -> Iterator[int]:
    """The number of names by which each stage differs; tables shared with the stage before are not counted again."""
    distance = len(names)
    before: Mapping[str, Collection[str]] = {}
    for step in steps:
        after = step.columns
        for key in before.keys() | after.keys():
            old, new = before.get(key), after.get(key)
            if old is not new:
                distance += _more(names, key, new) - _more(names, key, old)
        yield distance + sum(1 if (view, None) not in names else -1 for view in step.views)
        before = after


def _more(names: frozenset[Name], key: str, columns: Collection[str] | None) -> int:
    """The distance that a table adds: one for each name that the database lacks, minus one for each that it has."""
    own = [] if columns is None else [(key, None), *((key, column) for column in columns)]
    return sum(-1 if name in names else 1 for name in own)


def _distinct(order: Sequence[Outline]) -> Iterator[Outline]:
    """One of each group of stages with the same schema."""
    if len(order) == 1:  # nothing to compare it with
        yield from order
        return
    known: list[Schema] = []
    for each in order:
        schema = each.schema()
        if schema not in known:
            known.append(schema)
            yield each
