"""Which stage is a database at? Answered by its schema alone.

The names of tables and columns, which cost no database to compare, leave those stages that could fit. Only for them are
modules imported and a scratch database made by create_all on the same server, which is compared in full: so the time
does not grow with the square of the number of stages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.databases import addresses, database
from sqlstrata.dialects import unmarked
from sqlstrata.migrate.outline import Outline
from sqlstrata.schema.values import Schema
from sqlstrata.scratch.bracket import Scratch, scratch
from sqlstrata.scratch.clear import clear
from sqlstrata.snapshot import Difference, Snapshot, differences, snapshot

Name = tuple[str, str | None]


@dataclass(frozen=True)
class Fit:
    """The stage whose schema a database has, or, where `differences` are, the one that it is nearest to.

    stage None is the state before the first stage: nothing at all. `also` are other stages with the very same schema.
    """

    stage: str | None
    differences: tuple[Difference, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        return not self.differences


def identify(connection: sa.Connection, steps: Sequence[Outline], said: str | None = None) -> Fit:
    """Find the stage whose schema the database has. Of several the last, but rather `said` where that is one of them.

    The database is only read; the scratch database is on its server. Raises what `scratch` raises.
    """
    schemas = sorted({schema for step in steps for schema in step.schemas})
    found = snapshot(connection, schemas)
    near = _nearest(_names(found), steps)
    order = sorted(near, key=lambda index: (index >= 0 and steps[index].stage == said, index), reverse=True)
    best: Fit | None = None
    with _beside(connection, schemas) as empty:
        for index in _distinct(order, steps):
            wanted = made(empty, sa.MetaData() if index < 0 else steps[index].metadata(), schemas)
            fit = Fit(_called(index, steps), _that_matter(differences(wanted, found)))
            if best is None or len(fit.differences) < len(best.differences):
                best = fit
            if best.exact:
                break
    assert best is not None
    return Fit(best.stage, best.differences, tuple(_also(best, near, steps)))


def compare(connection: sa.Connection, metadata: sa.MetaData) -> tuple[Difference, ...]:
    """How a database differs from what create_all makes of a stage's models on its server."""
    schemas = sorted({table.schema for table in metadata.tables.values() if table.schema})
    with _beside(connection, schemas) as empty:
        return _that_matter(differences(made(empty, metadata, schemas), snapshot(connection, schemas)))


def _that_matter(found: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Without rights that somebody was given besides: a database in use has such, and they are not the models'."""
    return tuple(each for each in found if each.expected is not None or not each.what.endswith("privileges"))


@contextmanager
def _beside(connection: sa.Connection, schemas: Sequence[str]) -> Iterator[Scratch]:
    """A scratch database on the database's server, whose tables get the character set and collation of its own.

    Each MariaDB database has a default of its own for models that name none, and whoever made it chose that.
    """
    with scratch(own_server(connection.engine.url), schemas) as empty:
        if addresses.server_kind(connection.engine.url) == "mariadb":
            ours = {str(connection.engine.url.database): str(empty.url.database), **empty.schemas}
            with database.connect(empty.engine) as there:
                for name, charset, collation in connection.exec_driver_sql(_DEFAULTS).all():
                    if name in ours:
                        change = f"ALTER DATABASE `{ours[name]}` CHARACTER SET {charset} COLLATE {collation}"
                        there.exec_driver_sql(change)
        yield empty


_DEFAULTS = "SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata"


def own_server(url: sa.URL) -> sa.URL:
    """Where scratch databases for comparisons with this database are made."""
    return sa.make_url("sqlite://") if addresses.server_kind(url) == "sqlite" else url


def made(empty: Scratch, metadata: sa.MetaData, schemas: Sequence[str]) -> Snapshot:
    """What create_all makes of the models, in a scratch database that is emptied for it."""
    with database.connect(empty.engine) as connection:
        clear(connection)
        with unmarked(metadata):
            metadata.create_all(connection)
        connection.commit()
        return snapshot(connection, schemas)


def _called(index: int, steps: Sequence[Outline]) -> str | None:
    return None if index < 0 else steps[index].stage


def _names(found: Snapshot) -> frozenset[Name]:
    """The tables and views of a database, and the columns of its tables."""
    names: set[Name] = set()
    for key, thing in found.things.items():
        if thing.kind in {"table", "view"}:
            names.add((key, None))
        if thing.kind == "table":
            names |= {(key, element.name) for element in thing.elements if element.kind == "column"}
    return frozenset(names)


def _nearest(names: frozenset[Name], steps: Sequence[Outline]) -> list[int]:
    """The stages whose names are nearest, last first; -1 is the state before the first."""
    distances = {-1: len(names), **dict(enumerate(_distances(names, steps)))}
    least = min(distances.values())
    return [index for index, distance in sorted(distances.items(), reverse=True) if distance == least]


def _distances(names: frozenset[Name], steps: Sequence[Outline]) -> Iterator[int]:
    """How many names each stage has more or less; only those are counted that a stage does not share with the last."""
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
    """How much further away a table brings a schema: each name that is not there by one, each that is nearer by one."""
    own = [] if columns is None else [(key, None), *((key, column) for column in columns)]
    return sum(-1 if name in names else 1 for name in own)


def _distinct(order: Sequence[int], steps: Sequence[Outline]) -> Iterator[int]:
    """One of each group of stages with the very same schema."""
    if len(order) == 1:  # there is nothing to be told from
        yield from order
        return
    known: list[Schema] = []
    for index in order:
        schema = _schema(index, steps)
        if schema not in known:
            known.append(schema)
            yield index


def _also(best: Fit, near: Sequence[int], steps: Sequence[Outline]) -> Iterator[str]:
    """Other stages whose schema says the very same."""
    mine = next(index for index in near if _called(index, steps) == best.stage)
    for index in sorted(near):
        if index not in {-1, mine} and _schema(index, steps) == _schema(mine, steps):
            yield steps[index].stage


def _schema(index: int, steps: Sequence[Outline]) -> Schema:
    return Schema() if index < 0 else steps[index].schema()
