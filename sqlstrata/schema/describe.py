"""Read MetaData into a Schema: its tables, types, sequences, views and the objects of events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateSequence

from sqlstrata.dialects import dialect
from sqlstrata.errors import WrongUse
from sqlstrata.nearest import nearest_hint
from sqlstrata.private_names import prefixes, sequences_of
from sqlstrata.schema.columns import column_of, enum_key, is_made_by_itself, sequence_source
from sqlstrata.schema.constraints import constraint_of, index_of, place
from sqlstrata.schema.ddl import compiler, dialect_options, forces_quotes
from sqlstrata.schema.described import Described
from sqlstrata.schema.evaluation import operations
from sqlstrata.schema.events import statements
from sqlstrata.schema.read_back import read_back
from sqlstrata.schema.types import element_as
from sqlstrata.schema.values import Enum, Schema, Sequence, Table
from sqlstrata.source import Source, items, quoted
from sqlstrata.sqlalchemy_versions import is_view, types_of


def forget() -> None:
    """Clear the caches that keep models alive: SQLAlchemy's dialects keep every type that they compile."""
    for kept in (dialect, compiler, operations):
        kept.cache_clear()


def describe(
    metadata: sa.MetaData,
    before: Schema | None = None,
    changed: Collection[str] | None = None,
    described: Described | None = None,
) -> Schema:
    """The schema of one stage.

    before, changed: the schema before and the keys of tables that may have changed; the values of all other tables are
    shared with it. described: the columns of the same run, for the next stages. Raises WrongUse where a table refers to
    a missing one, or cannot be written as Python without a loss.
    """
    before, described = before or Schema(), described or Described()
    dialects = described.dialects
    renewed = frozenset(metadata.tables if changed is None else changed)
    renewed |= _pointing(before, renewed, metadata)
    tables = _tables(before.tables, metadata, renewed, described)
    touched = [each for key in renewed for each in (before.tables.get(key), tables.get(key)) if each is not None]
    has_enums = any(each.enums for each in touched) or bool(_own_types(metadata))
    has_sequences = sequences_of(metadata) or before.sequences or any(each.sequences for each in touched)
    return Schema(
        tables=tables,
        enums=_enums(metadata, tables.values(), dialects) if has_enums else before.enums,
        sequences=_sequences(metadata, tables.values(), dialects) if has_sequences else {},
        statements=statements(metadata, before.statements, renewed, dialects),
        renewed=None if changed is None else renewed,
    )


def _tables(
    before: Mapping[str, Table], metadata: sa.MetaData, renewed: frozenset[str], described: Described
) -> dict[str, Table]:
    """The tables, in the order of the models; only those in `renewed` are described again."""
    tables = dict(before)
    for key in renewed - metadata.tables.keys():
        tables.pop(key, None)
    for key in filter(renewed.__contains__, metadata.tables):
        table = metadata.tables[key]
        if is_view(table):
            tables.pop(key, None)
        else:
            made = describe_table(table, described)
            tables[key] = before[key] if made == before.get(key) else made
    same = list(tables) == list(metadata.tables)
    return tables if same else {key: tables[key] for key in metadata.tables if key in tables}


def _pointing(before: Schema, changed: frozenset[str], metadata: sa.MetaData) -> frozenset[str]:
    """Tables with foreign keys to tables that were dropped or lost columns: they may be described differently."""
    gone = {
        key for key in changed if key in before.tables and not _covers(metadata.tables.get(key), before.tables[key])
    }
    if not gone:
        return frozenset()
    return frozenset(key for key, table in before.tables.items() if any(k.target in gone for k in table.foreign_keys()))


def _covers(table: sa.Table | None, before: Table) -> bool:
    return table is not None and before.columns.keys() <= {column.name for column in table.columns}


def describe_table(table: sa.Table, described: Described) -> Table:
    """One table as a value.

    Raises WrongUse where its source would not make the models' table.
    """
    compiler.cache_clear()
    dialects = described.dialects
    enums = tuple(_enums_of(table)) if "postgresql" in dialects else ()
    try:
        columns = {column.name: column_of(table, column, described) for column in table.columns if not column.system}
        constraints = sorted(filter(None, (constraint_of(each, dialects) for each in table.constraints)), key=place)
        given = (index_of(each, dialects) for each in sorted(table.indexes, key=lambda each: str(each.name)))
        indexes = {each.name: each for each in given if each is not None}
    except sa.exc.NoReferenceError as error:
        raise WrongUse(
            f"Table {table.fullname} has a foreign key to a table or column that does not exist: {error}.",
            hint=_instead(table, error),
        ) from error
    made = Table(
        name=table.name,
        schema=table.schema,
        columns=columns,
        constraints=tuple(constraints),
        indexes=indexes,
        options=_options(table, dialects),
        option_texts=_option_texts(table, dialects),
        comment=table.comment,
        enums=enums,
        sequences=tuple(_sequences_of(table, dialects)),
    )
    return read_back(table, made, described)


def _instead(table: sa.Table, error: sa.exc.NoReferenceError) -> str:
    if not isinstance(error, sa.exc.NoReferencedColumnError):
        return "Enable its module in this stage, or in one before."
    word, tables = error.column_name, table.metadata.tables
    targets = (key.target_fullname.rpartition(".") for key in table.foreign_keys)
    there = (tables[path].columns for path, _, column in targets if column == word and path in tables)
    return nearest_hint(word, next(columns for columns in there if word not in columns).keys(), "column")


# --------------------------------------------------------------------------- options


def _options(table: sa.Table, dialects: tuple[str, ...]) -> tuple[tuple[str, Source], ...]:
    options = dialect_options(table, dialects)
    if forces_quotes(table.name, dialects):
        options.insert(0, ("quote", "True"))
    if before := prefixes(table):
        options.insert(0, ("prefixes", items("[]", map(quoted, before))))
    return tuple(options)


def _option_texts(table: sa.Table, dialects: tuple[str, ...]) -> dict[str, str]:
    """The text that CREATE TABLE has before and after the list of the table's parts."""
    if not table.dialect_kwargs and not prefixes(table):
        return dict.fromkeys(dialects, "")
    counted = {name: str(table.dialect_kwargs.get(f"{name}_autoincrement") or "") for name in dialects}
    before = " ".join(prefixes(table))
    return {name: f"{before}{compiler(name).post_create_table(table)}{counted[name]}" for name in dialects}


# --------------------------------------------------------------------- types, sequences


def _enums_of(table: sa.Table) -> Iterator[tuple[str, Enum]]:
    """Raises WrongUse for a domain: a table's DDL has only its name, so its definition would be lost."""
    for column in table.columns:
        element = element_as(column.type, "postgresql")
        if isinstance(element, postgresql.DOMAIN) and element.create_type:
            raise WrongUse(
                f"Column {table.fullname}.{column.name} creates the domain {element.name}, which a revision cannot do.",
                hint="Give the domain create_type=False; create it by a before_create event of the metadata, and drop "
                "it by an after_drop event.",
            )
        if is_made_by_itself(element):
            schema = element.schema or table.metadata.schema
            yield enum_key(element), Enum(str(element.name), schema, tuple(element.enums))


def _own_types(metadata: sa.MetaData) -> list[sa.types.TypeEngine[object]]:
    """The types that were given this MetaData themselves, in no certain order; others come with their tables."""
    found = (each for each in types_of(metadata) if isinstance(each, sa.types.SchemaType) and each.metadata is metadata)
    return [each for each in found if isinstance(each, sa.types.TypeEngine)]


def _enums(metadata: sa.MetaData, tables: Iterable[Table], dialects: tuple[str, ...]) -> dict[str, Enum]:
    """The enum types of the tables, and those of the MetaData that no table has."""
    found: dict[str, Enum] = {}
    for table in tables:
        for key, enum in table.enums:
            other = found.setdefault(key, enum)
            if other != enum:
                raise WrongUse(
                    f"Enum type {enum.key} has two sets of values: {list(other.labels)} and {list(enum.labels)}.",
                    hint=f"Give the column of {table.key} a type with another name.",
                )
    types = _own_types(metadata)
    own = (element_as(each, "postgresql") for each in types) if "postgresql" in dialects else ()
    for each in sorted(filter(is_made_by_itself, own), key=enum_key):
        found.setdefault(enum_key(each), Enum(str(each.name), each.schema, tuple(each.enums)))
    return found


def _sequences(metadata: sa.MetaData, tables: Iterable[Table], dialects: tuple[str, ...]) -> dict[str, Sequence]:
    found: dict[str, Sequence] = {}
    for made in (
        *filter(None, (_sequence(each, dialects) for each in sequences_of(metadata))),
        *(each for table in tables for each in table.sequences),
    ):
        found.setdefault(made.key, made)
    return found


def _sequences_of(table: sa.Table, dialects: tuple[str, ...]) -> Iterator[Sequence]:
    given = (column.default for column in table.columns if isinstance(column.default, sa.Sequence))
    return filter(None, (_sequence(each, dialects) for each in given))


def _sequence(sequence: sa.Sequence, dialects: tuple[str, ...]) -> Sequence | None:
    """The sequence; None if the column generates its values without it, or no server has sequences."""
    supporting = [name for name in dialects if dialect(name).supports_sequences]
    if not supporting or (sequence.optional and sequence.column is not None):
        return None
    made = {name: str(CreateSequence(sequence).compile(dialect=dialect(name))) for name in supporting}
    ddl = {name: made.get(name, "") for name in dialects}
    return Sequence(sequence.name, sequence.schema, sequence_source(sequence, dialects), ddl)
