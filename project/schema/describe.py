"""MetaData read into values, and read back before it is believed.

What a value says as Python must make, on every server, the very DDL that the models compile to. So nothing of a model
can get lost on the way into a revision without a word: where the two texts differ the stage is refused, with both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateSequence, CreateTable

from project.db.dialects import NAMES, dialect, server
from project.errors import WrongUse
from project.migrations.template.operations.conversion import family
from project.migrations.template.operations.definition import define
from project.source import Call, Source, call, flat, items, quoted

from .evaluation import evaluate
from .events import statements
from .types import UNSAYABLE, stored_as, type_source, type_texts
from .values import (
    Column,
    Constraint,
    Enum,
    Index,
    Schema,
    Sequence,
    Table,
    Texts,
    name_source,
    same_everywhere,
)  # fmt: skip

_KINDS = {
    "primary_key_constraint": "primary key",
    "unique_constraint": "unique",
    "check_constraint": "check",
    "table_or_column_check_constraint": "check",
    "column_check_constraint": "check",
    "exclude_constraint": "exclude",
    "foreign_key_constraint": "foreign key",
}
_ORDER = ("primary key", "unique", "check", "exclude", "foreign key")


def describe(metadata: sa.MetaData, before: Schema | None = None, changed: Collection[str] | None = None) -> Schema:
    """The schema of one stage.

    Given the schema before, and the keys of tables that may be others than they were, the values of all the others are
    shared with it. Raises WrongUse where a table refers to one that is not there, or cannot be said as Python
    faithfully.
    """
    before = before or Schema()
    anew = frozenset(metadata.tables if changed is None else changed)
    anew |= _pointing(before, anew, metadata)
    tables: dict[str, Table] = {}
    for key, table in metadata.tables.items():
        if key not in anew and key in before.tables:
            tables[key] = before.tables[key]
        elif not table.is_view:
            made = describe_table(table)
            tables[key] = before.tables[key] if made == before.tables.get(key) else made
    touched = [each for key in anew for each in (before.tables.get(key), tables.get(key)) if each is not None]
    return Schema(
        tables=tables,
        enums=_enums(tables.values()) if any(each.enums for each in touched) else before.enums,
        sequences=_sequences(metadata, tables.values()),
        statements=statements(metadata, before.statements, anew),
    )


def _pointing(before: Schema, changed: frozenset[str], metadata: sa.MetaData) -> frozenset[str]:
    """Tables with foreign keys to what has gone, or to columns that have: they look otherwise themselves now."""
    gone = {
        key for key in changed if key in before.tables and not _covers(metadata.tables.get(key), before.tables[key])
    }
    if not gone:
        return frozenset()
    return frozenset(key for key, table in before.tables.items() if any(k.target in gone for k in table.foreign_keys()))


def _covers(table: sa.Table | None, before: Table) -> bool:
    return table is not None and before.columns.keys() <= {column.name for column in table.columns}


def describe_table(table: sa.Table) -> Table:
    """One table as a value.

    Raises WrongUse where its source would not make the table that the models describe.
    """
    _compiler.cache_clear()
    try:
        columns = {column.name: _column(table, column) for column in table.columns if not column.system}
        constraints = sorted(filter(None, map(_constraint, table.constraints)), key=_place)
        indexes = {str(index.name): _index(index) for index in sorted(table.indexes, key=lambda each: str(each.name))}
    except sa.exc.NoReferenceError as error:
        raise WrongUse(
            f"Table {table.fullname} has a foreign key to a table or column that is not there: {error}.",
            hint="Turn its module on in this stage, or in one before.",
        ) from error
    made = Table(
        name=table.name,
        schema=table.schema,
        columns=columns,
        constraints=tuple(constraints),
        indexes=indexes,
        options=_options(table),
        option_texts=_option_texts(table),
        comment=table.comment,
        enums=tuple(_enums_of(table)),
        sequences=tuple(_sequences_of(table)),
    )
    return _read_back(table, made)


def _place(constraint: Constraint) -> tuple[int, tuple[str, ...], str, str]:
    """One order for what a table keeps in a set."""
    return _ORDER.index(constraint.kind), constraint.columns, constraint.name or "", flat(constraint.source)


# -------------------------------------------------------------------------- columns


def _column(table: sa.Table, column: sa.Column[Any]) -> Column:
    rest: list[Source] = [type_source(column.type, column)]
    keywords: dict[str, Source] = {}
    if isinstance(column.default, sa.Sequence):
        rest.append(sequence_source(column.default))
    computed, identity, default = column.computed, column.identity, column.server_default
    if computed is not None:
        texts = _expression_texts(computed.sqltext)
        rest.append(call("sa.Computed", _text(texts), persisted=_flag(computed.persisted)))
    elif identity is not None:
        rest.append(Call("sa.Identity", (), _sequence_options(identity, always=identity.always)))
    checks = sorted(flat(check.source) for each in column.constraints if (check := _constraint(each)) is not None)
    rest += checks
    keywords["nullable"] = quoted(bool(column.nullable))
    defaults = _default_texts(column) if computed is None and identity is None else None
    if defaults is not None and isinstance(default, sa.DefaultClause):
        keywords["server_default"] = _default_source(default.arg, defaults)
    if column.autoincrement != "auto":
        keywords["autoincrement"] = quoted(column.autoincrement)
    if column.comment is not None:
        keywords["comment"] = quoted(column.comment)
    if _quoted_at_will(column.name):
        keywords["quote"] = "True"
    keywords |= dict(_dialect_options(column))
    enum = stored_as(column.type, "postgresql")
    element = getattr(enum, "item_type", enum)
    native = isinstance(element, sa.Enum) and element.native_enum and element.name is not None
    return Column(
        name=column.name,
        rest=tuple(rest),
        keywords=tuple(keywords.items()),
        ddl={name: _compile_column(column, name) for name in NAMES},
        types=type_texts(column.type, column),
        kinds={name: family(stored_as(column.type, name)) for name in NAMES},
        nullable=bool(column.nullable),
        default=defaults,
        computed=None if computed is None else _text(_expression_texts(computed.sqltext)),
        counted=identity is not None or _counts(table, column),
        comment=column.comment,
        enum=_enum_key(element) if native and isinstance(element, sa.Enum) else None,
        labels=tuple(getattr(element, "enums", ())),
        checks=bool(checks),
    )


def _counts(table: sa.Table, column: sa.Column[Any]) -> bool:
    return column is table.autoincrement_column and column.server_default is None


def _compile_column(column: sa.Column[Any], name: str) -> str | None:
    try:
        return _ddl(CreateColumn(column), name)
    except UNSAYABLE:
        return None


def _default_texts(column: sa.Column[Any]) -> dict[str, str | None] | None:
    if not isinstance(column.server_default, sa.DefaultClause):
        return None
    return {name: _default_text(column, name) for name in NAMES}


def _default_text(column: sa.Column[Any], name: str) -> str | None:
    try:
        text: str | None = _compiler(name).get_column_default_string(column)
    except UNSAYABLE:
        _compiler.cache_clear()
        return None
    return text


def _default_source(argument: object, texts: Texts) -> Source:
    if isinstance(argument, str):
        return quoted(argument)
    same = same_everywhere(texts)
    if same is not None:
        return _text(texts)
    for known in ("sa.true()", "sa.false()", "sa.func.now()", "sa.null()"):
        if str(evaluate(known)) == str(argument) and type(evaluate(known)) is type(argument):
            return known
    return _text(texts)


# ----------------------------------------------------------------------- expressions


def _expression_texts(expression: Any) -> dict[str, str | None]:
    return {name: _expression_text(expression, name) for name in NAMES}


def _expression_text(expression: Any, name: str) -> str | None:
    on = dialect(name)
    compiler = on.statement_compiler(on, None)
    try:
        return str(compiler.process(expression, include_table=False, literal_binds=True))
    except UNSAYABLE:
        return None


def _text(texts: Texts) -> Source:
    """SQL text as an argument: a plain one where the servers agree, else one for each."""
    same = same_everywhere(texts)
    if same is not None:
        return call("sa.text", quoted(same)) if _plain(same) else call("sa.literal_column", quoted(same))
    given = {"mysql" if name == "mariadb" else name: text for name, text in texts.items() if text}
    usual = max(given.values(), key=list(given.values()).count)
    default = (quoted(usual),) if list(given.values()).count(usual) > 1 else ()
    others = tuple((name, quoted(text)) for name, text in given.items() if not default or text != usual)
    return Call("op.sql", default, others)


def _plain(text: str) -> bool:
    """Whether sa.text() would take the text as it stands."""
    return ":" not in text and "\\" not in text


# ----------------------------------------------------------------------- constraints


def _constraint(constraint: sa.Constraint) -> Constraint | None:
    kind = _KINDS.get(constraint.__visit_name__)
    if kind is None:
        raise WrongUse(
            f"Constraint {constraint.name or constraint!r} is of a kind that is not known: "
            f"{type(constraint).__name__}.",
            hint="Make it with `data`, or leave it out of the models.",
        )
    columns = tuple(column.name for column in getattr(constraint, "columns", ()))
    if kind == "primary key" and not columns:
        return None
    keywords: list[tuple[str, Source]] = []
    name = _name(constraint)
    if name is not None:
        keywords.append(("name", name_source(name)))
    for option in ("ondelete", "onupdate", "deferrable", "initially", "match"):
        value = getattr(constraint, option, None)
        if value is not None:
            keywords.append((option, quoted(value)))
    if constraint.comment is not None:
        keywords.append(("comment", quoted(constraint.comment)))
    ddl = {each: _compile_constraint(constraint, each) for each in NAMES}
    arguments: tuple[Source, ...] = ()
    condition = None
    if isinstance(constraint, sa.CheckConstraint):
        texts = _expression_texts(constraint.sqltext)
        shown = {each: text for each, text in texts.items() if ddl[each] != ""}
        condition = same_everywhere(shown)
        arguments = (quoted(condition) if condition is not None and _plain(condition) else _text(shown),)
    elif isinstance(constraint, postgresql.ExcludeConstraint):
        arguments, more = _exclusion(constraint)
        keywords += more
    keywords += [] if kind == "exclude" else _dialect_options(constraint)
    target, target_columns = _target(constraint)
    return Constraint(
        kind=kind,
        name=name,
        columns=columns,
        arguments=arguments,
        keywords=tuple(keywords),
        ddl=ddl,
        target=target,
        target_columns=target_columns,
        deferred=bool(getattr(constraint, "use_alter", False)),
        condition=condition,
    )


def _target(constraint: sa.Constraint) -> tuple[str | None, tuple[str, ...]]:
    if not isinstance(constraint, sa.ForeignKeyConstraint):
        return None, ()
    there = [element.column for element in constraint.elements]
    return there[0].table.fullname, tuple(column.name for column in there)


def _name(constraint: sa.Constraint) -> str | None:
    """The name as the convention makes it, or none."""
    if constraint.name is None or isinstance(constraint.name, str):
        return constraint.name
    quoted_name = dialect("sqlite").identifier_preparer.format_constraint(constraint)
    if quoted_name is None:
        return None
    return quoted_name[1:-1].replace('""', '"') if quoted_name.startswith('"') else quoted_name


def _compile_constraint(constraint: sa.Constraint, name: str) -> str | None:
    """The constraint as it stands in CREATE TABLE, "" where the server gets none."""
    if not constraint._should_create_for_compiler(_compiler(name)):  # no public way to ask
        return ""
    try:
        return _ddl(constraint, name)
    except UNSAYABLE:
        return None


def _exclusion(constraint: postgresql.ExcludeConstraint) -> tuple[tuple[Source, ...], list[tuple[str, Source]]]:
    pairs = [
        items("()", (_exclusion_part(expression), quoted(operator)))
        for expression, _, operator in constraint._render_exprs  # no public way to read them
    ]
    keywords: list[tuple[str, Source]] = [("using", quoted(constraint.using))]
    if constraint.where is not None:
        keywords.append(("where", _text({"postgresql": _expression_text(constraint.where, "postgresql")})))
    if constraint.ops:
        keywords.append(("ops", _value(constraint.ops, "postgresql")))
    return tuple(pairs), keywords


def _exclusion_part(expression: Any) -> Source:
    if isinstance(expression, sa.Column):
        return quoted(expression.name)
    return _text({"postgresql": _expression_text(expression, "postgresql")})


# --------------------------------------------------------------------------- indexes


def _index(index: sa.Index) -> Index:
    if index.name is None:
        what = "" if index.table is None else f" of table {index.table.fullname}"
        raise WrongUse(f"An index{what} has no name.", hint="Give it one, or the naming convention an `ix`.")
    parts = [_part(expression) for expression in index.expressions]
    keywords = _dialect_options(index)
    return Index(
        name=str(index.name),
        parts=tuple(parts),
        unique=bool(index.unique),
        keywords=tuple(keywords),
        ddl={name: _compile_index(index, name) for name in NAMES},
        where=next((value for name, value in keywords if name.endswith("_where")), None),
    )


def _part(expression: Any) -> tuple[str | None, Source]:
    if isinstance(expression, sa.Column):
        return expression.name, quoted(expression.name)
    texts = _expression_texts(expression)
    # What SQLAlchemy's compilers put in parentheses, and would not if it were text.
    texts["postgresql"] = _expression_text(expression.self_group(), "postgresql")
    if isinstance(expression, sa.sql.functions.FunctionElement | sa.BinaryExpression):
        texts |= {name: f"({text})" for name in ("mysql", "mariadb") if (text := texts[name]) is not None}
    return None, _text(texts)


def _compile_index(index: sa.Index, name: str) -> str | None:
    try:
        return _ddl(CreateIndex(index), name).strip()
    except UNSAYABLE:
        return None


# --------------------------------------------------------------------------- options


def _dialect_options(element: Any) -> list[tuple[str, Source]]:
    given = ((name, value) for name, value in element.dialect_kwargs.items() if value is not None)
    return [(name, _value(value, name.partition("_")[0])) for name, value in given]


def _value(value: object, on: str) -> Source:
    """The value of an option of one dialect, as Python."""
    match value:
        case sa.sql.elements.ClauseElement():
            return _text({on: _expression_text(value, on)})
        case Mapping():
            return items("{}", [(quoted(key), _value(each, on)) for key, each in value.items()])
        case list() | tuple():
            return items("[]", (_value(each, on) for each in value))
        case _:
            return quoted(value)


def _quoted_at_will(name: str) -> bool:
    """Whether the models want a name in quotes that some server would write without; to all servers it is the same."""
    return getattr(name, "quote", None) is True and any(
        dialect(on).identifier_preparer.quote(str.__str__(name)) == name for on in NAMES
    )


def _options(table: sa.Table) -> tuple[tuple[str, Source], ...]:
    options = [("quote", "True"), *_dialect_options(table)] if _quoted_at_will(table.name) else _dialect_options(table)
    if table._prefixes:  # no public way to read them
        options.insert(0, ("prefixes", items("[]", (quoted(str(each)) for each in table._prefixes))))
    return tuple(options)


def _option_texts(table: sa.Table) -> dict[str, str]:
    bare = sa.Table(table.name, sa.MetaData(), prefixes=table._prefixes, **table.dialect_kwargs)
    counted = {name: str(table.dialect_kwargs.get(f"{name}_autoincrement", "")) for name in NAMES}
    return {name: _ddl(CreateTable(bare), name) + counted[name] for name in NAMES}


def _flag(value: bool | None) -> str | None:
    return None if value is None else quoted(value)


# -------------------------------------------------------------------- types, sequences


def _enum_key(enum: sa.Enum) -> str:
    return f"{enum.schema}.{enum.name}" if enum.schema else str(enum.name)


def _enums_of(table: sa.Table) -> Iterator[tuple[str, Enum]]:
    for column in table.columns:
        stored = stored_as(column.type, "postgresql")
        element = getattr(stored, "item_type", stored)
        if isinstance(element, sa.Enum) and element.native_enum and element.name is not None:
            schema = element.schema or table.metadata.schema
            yield _enum_key(element), Enum(str(element.name), schema, tuple(element.enums))


def _enums(tables: Iterable[Table]) -> dict[str, Enum]:
    found: dict[str, Enum] = {}
    for table in tables:
        for key, enum in table.enums:
            other = found.setdefault(key, enum)
            if other != enum:
                raise WrongUse(
                    f"Enum type {enum.key} has two sets of values: {list(other.labels)} and {list(enum.labels)}.",
                    hint=f"Give the column of {table.key} a type with another name.",
                )
    return found


def sequence_source(sequence: sa.Sequence) -> Call:
    """The sequence as Python."""
    schema = () if sequence.schema is None else (("schema", quoted(sequence.schema)),)
    optional: tuple[tuple[str, Source], ...] = (("optional", "True"),) if sequence.optional else ()
    return Call("sa.Sequence", (quoted(sequence.name),), (*_sequence_options(sequence), *schema, *optional))


def _sequence_options(options: Any, always: bool | None = None) -> tuple[tuple[str, Source], ...]:
    names = ("start", "increment", "minvalue", "maxvalue", "nominvalue", "nomaxvalue", "cycle", "cache")
    given: list[tuple[str, Source]] = [("always", "True")] if always else []
    given += [(name, quoted(value)) for name in names if (value := getattr(options, name, None)) is not None]
    return (*given, *_dialect_options(options))


def _sequences(metadata: sa.MetaData, tables: Iterable[Table]) -> dict[str, Sequence]:
    named = metadata._sequences.values()  # no public way to list them
    found: dict[str, Sequence] = {}
    for made in (*filter(None, map(_sequence, named)), *(each for table in tables for each in table.sequences)):
        found.setdefault(made.key, made)
    return found


def _sequences_of(table: sa.Table) -> Iterator[Sequence]:
    given = (column.default for column in table.columns if isinstance(column.default, sa.Sequence))
    return filter(None, map(_sequence, given))


def _sequence(sequence: sa.Sequence) -> Sequence | None:
    if sequence.optional and sequence.column is not None:
        return None
    ddl = {name: str(CreateSequence(sequence).compile(dialect=dialect(name))) for name in NAMES if name != "sqlite"}
    return Sequence(sequence.name, sequence.schema, sequence_source(sequence), {"sqlite": "", **ddl})


# ------------------------------------------------------------------------- reading back


def _read_back(table: sa.Table, made: Table) -> Table:
    """The value, if what it says makes the models' table on every server; where a server has none, why."""
    problems: dict[str, str] = {}
    sources = [flat(each) for each in _sources(made)]
    once = None if any("op." in text for text in sources) else rebuilt(made, "sqlite")
    for name in NAMES:
        if name == "mariadb" and "mysql" not in problems and _mysql_says_it(made, sources):
            continue
        try:
            wanted = dict(_lines(table, name))
        except UNSAYABLE as error:
            problems[name] = str(error)
            continue
        found = dict(_lines(once if once is not None else rebuilt(made, name), name))
        if wanted != found and server(name) == "mariadb" and (column := _computed_not_null(table)) is not None:
            problems[name] = f"MariaDB has no NOT NULL for computed columns, which {column} asks for"
        elif wanted != found:
            gone = [text for text in wanted if text not in found]
            new = [text for text in found if text not in wanted]
            raise WrongUse(
                f"Table {table.fullname} cannot be written as a revision: on {name} the models say "
                f"{'; '.join(gone)!r}, the revision would say {'; '.join(new)!r}.",
                hint="Write this part of the model in plain SQLAlchemy, or make it with `data`.",
            )
    return replace(made, problems=problems)


def _computed_not_null(table: sa.Table) -> str | None:
    """A computed column whose model says `nullable=False` itself; with `Mapped[int]` SQLAlchemy knows what to do."""
    asked = (each for each in table.columns if each.computed is not None and each._user_defined_nullable is False)
    return next((each.name for each in asked), None)


def _sources(table: Table) -> Iterator[Source]:
    yield from table.elements()
    yield from (index.source for index in table.indexes.values())
    yield from (value for _, value in table.keywords)


def _mysql_says_it(made: Table, sources: Iterable[str]) -> bool:
    """Whether the table is one thing under both of MariaDB's names; the types were tried under both already."""
    if any("mysql" in text or "mariadb" in text for text in sources):
        return False
    parts: tuple[Column | Constraint | Index, ...] = (
        *made.columns.values(),
        *made.constraints,
        *made.indexes.values(),
    )
    texts = (*(each.ddl for each in parts), made.option_texts)
    return all(each["mysql"] == each["mariadb"] for each in texts)


def rebuilt(table: Table, name: str) -> sa.Table:
    """The table as a revision's words make it on one dialect, with its indexes."""
    elements = [evaluate(source, name) for source in table.elements()]
    elements += [evaluate(index.source, name) for index in table.indexes.values()]
    options = {key: evaluate(value, name) for key, value in table.keywords if key != "schema"}
    return define(table.name, elements, table.schema, options)


def _lines(table: sa.Table, name: str) -> Iterator[tuple[str, None]]:
    """Each line of the table's DDL, its order aside."""
    for line in _ddl(CreateTable(table), name).splitlines():
        if line.strip():
            yield line.strip().rstrip(",").rstrip(), None
    for index in table.indexes:
        yield _ddl(CreateIndex(index), name).strip(), None
    for key in table.foreign_key_constraints:
        yield _compile_constraint(key, name) or "", None


# --------------------------------------------------------------------------- compiling


@cache
def _compiler(name: str) -> Any:
    """What makes DDL of one table's parts; making one takes longer than what it does."""
    on = dialect(name)
    return on.ddl_compiler(on, sa.DDL(""))  # type: ignore[no-untyped-call]


def _ddl(element: Any, name: str) -> str:
    """An element in one dialect's words. Raises what is in UNSAYABLE."""
    try:
        return _compiler(name).process(element) or ""
    except UNSAYABLE:
        _compiler.cache_clear()  # it was left in the middle
        raise
