"""The text of a frozen stage: a file that defines, with SQLAlchemy alone, what the stage changes in the schema.

`modules.frozen` reads it. The Tables are written from the same values as the revision, so both say the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import sqlalchemy as sa

from sqlstrata.errors import WrongUse
from sqlstrata.modules import frozen
from sqlstrata.modules.extensions import Extensions
from sqlstrata.plan import Plan
from sqlstrata.schema.describe import describe, forget
from sqlstrata.schema.described import Described
from sqlstrata.schema.values import Column, Schema, Statements, Table
from sqlstrata.servers import KINDS
from sqlstrata.source import Call, Chain, Items, Source, call, flat, items, laid_out, quoted

_DIALECTS = ("mysql", "postgresql", "sqlite")
_HELPERS = {
    "sql_on": '''\
class sql_on(sa.ColumnElement):
    """An SQL expression that differs by server; `default` is for those that are not named."""

    inherit_cache = False

    def __init__(self, default=None, **texts):
        self.default, self.texts = default, texts


@compiles(sql_on)
def _(element, compiler, **_):
    name = compiler.dialect.name.replace("mariadb", "mysql")
    return element.texts.get(name, element.default)
''',
    "type_on": '''\
class type_on(sa.types.UserDefinedType):
    """A type by its name on each server."""

    cache_ok = True

    def __init__(self, **texts):
        self.texts = tuple(texts.items())


@compiles(type_on)
def _(element, compiler, **_):
    return dict(element.texts)[compiler.dialect.name.replace("mariadb", "mysql")]
''',
}
"""What SQLAlchemy has no class for; a file defines what it uses."""
_OURS = {"op.f": "sa.schema.conv", "op.sql": "sql_on", "op.native_type": "type_on"}
"""What a revision calls, and what a frozen file calls instead."""


def freeze(plan: Plan, stage: str, before: Schema, after: Schema, models: sa.MetaData) -> str:
    """The text of a stage's frozen file, given the schemas before and after it, and its models' MetaData."""
    always = _always(plan)
    parts = [laid_out(_table(table, models)) for key, table in after.tables.items() if before.tables.get(key) != table]
    parts += [laid_out(each) for each in _own(before, after).values()]
    renewed, dropped = _statements(before, after, always)
    parts += [laid_out(each) for statement in renewed for each in _listening(statement, always)]
    gone = [key for key in before.tables if key not in after.tables]
    gone += [key for key in _own(Schema(), before) if key not in _own(Schema(), after)]
    return _text(stage, [*gone, *dropped], parts)


def with_helpers(statements: Iterable[str]) -> str:
    """The text of a file of these statements, which may use all that a frozen file may."""
    imports = f"from sqlalchemy.dialects import {', '.join(_DIALECTS)}\nfrom sqlalchemy.ext.compiler import compiles\n"
    head = ("import sqlalchemy as sa", imports, *_HELPERS.values(), "metadata = sa.MetaData()")
    return "\n".join([*head, *statements, ""])


class Frozen:
    """The frozen stages of a plan, up to a number, one upon the other; more can be added."""

    def __init__(self, plan: Plan, end: int | None = None) -> None:
        forget()
        self.plan = plan
        self.stages: list[str] = []
        extensions = Extensions(plan.extensions)
        self._accumulated, self._metadata = frozen.Accumulated(extensions.created_by), sa.MetaData()
        extensions.created_by(self._metadata)
        self._schema: Schema | None = None
        for index, stage in enumerate(plan.stages[:end]):
            if stage.frozen:
                self.add(stage.name, frozen.read(plan, index))

    def add(self, name: str, text: str) -> sa.MetaData:
        """Add a stage with the text of its file, and give the MetaData of all, valid until the next is added."""
        self.stages.append(name)
        self._metadata, self._schema = self._accumulated.add(text, frozen.path_of(self.plan, name)), None
        return self._metadata

    @property
    def schema(self) -> Schema:
        """The schema of the last one; of the plan's extensions where there is none."""
        if self._schema is None:
            self._schema = describe(self._metadata, described=Described(self.plan.dialects))
        return self._schema


def require_readable(plan: Plan, text: str, schema: Schema) -> None:
    """Raise WrongUse where the text, after the frozen stages of the plan, does not define this schema."""
    stages, last = Frozen(plan), plan.stages[-1].name
    stages.add(last, text)
    require_same(last, schema, stages.schema)


def require_same(stage: str, wanted: Schema, found: Schema) -> None:
    """Raise WrongUse where a stage's frozen files do not define the schema that they were written from."""
    for part, key in differing(wanted, found):
        raise WrongUse(
            f"Stage {stage} cannot be frozen: {part.removesuffix('s')} {key} of the models is "
            f"{_shown(getattr(wanted, part).get(key))}, and frozen it would be "
            f"{_shown(getattr(found, part).get(key))}.",
            hint="Write this part of the model in plain SQLAlchemy.",
        )


def differing(one: Schema, other: Schema) -> Iterator[tuple[str, str]]:
    """What differs between two schemas: `tables`, `enums`, `sequences` or `statements`, and the name of one."""
    for part in ("tables", "enums", "sequences", "statements"):
        wanted, made = getattr(one, part), getattr(other, part)
        yield from ((part, key) for key in dict.fromkeys((*wanted, *made)) if wanted.get(key) != made.get(key))


def _shown(value: object) -> str:
    if isinstance(value, Table):
        return "; ".join(
            flat(each) for each in (*value.elements(), *(index.source for index in value.indexes.values()))
        )
    return str(value)


# ------------------------------------------------------------------------------- tables


def _table(table: Table, models: sa.MetaData) -> Call:
    columns = models.tables[table.key].columns
    defaults = {each.name: each.default for each in columns}
    elements: list[Source] = [_column(each, defaults[each.name]) for each in table.columns.values()]
    elements += [each.written(deferred=each.deferred) for each in table.constraints]
    elements += [index.source for index in table.indexes.values()]
    return Call("sa.Table", (quoted(table.name), "metadata", *map(_plain, elements)), _keywords(table.keywords))


def _column(column: Column, default: object) -> Call:
    """The column, with what Python puts into new rows where that is a plain value: rows of the stage may need it."""
    value = default.arg if isinstance(default, sa.ColumnDefault) and default.is_scalar else None
    more = (("default", quoted(value)),) if type(value) in (str, int, float, bool) else ()
    arguments = column.source.arguments
    if column.enum is not None:
        arguments = tuple(map(_making_type, arguments))
    return Call("sa.Column", arguments, (*column.source.keywords, *more))


def _making_type(source: Source) -> Source:
    """A type that creates its PostgreSQL enum type itself; in a revision an operation does that."""
    match source:
        case Call(function, arguments, keywords):
            made = tuple((name, _making_type(value)) for name, value in keywords if name != "create_type")
            return Call(function, tuple(map(_making_type, arguments)), made)
        case Chain(first, Call(function, arguments, keywords)):
            return Chain(_making_type(first), Call(function, tuple(map(_making_type, arguments)), keywords))
        case _:
            return source


def _own(before: Schema, after: Schema) -> dict[str, Source]:
    """The types and sequences after a stage that are no table's, and were others before, by their names in `gone`."""
    tables = after.tables.values()
    types = after.enums.keys() - {key for table in tables for key, _ in table.enums}
    sequences = after.sequences.keys() - {each.key for table in tables for each in table.sequences}
    metadata: tuple[tuple[str, Source], ...] = (("metadata", "metadata"),)
    found: dict[str, Source] = {}
    for key in sorted(types):
        enum = after.enums[key]
        if before.enums.get(key) != enum:
            labels = tuple(map(quoted, enum.labels))
            schema = () if enum.schema is None else (("schema", quoted(enum.schema)),)
            found[f"type {key}"] = Call("sa.Enum", labels, (("name", quoted(enum.name)), *schema, *metadata))
    for key in sorted(sequences):
        sequence = after.sequences[key]
        if before.sequences.get(key) != sequence:
            made = sequence.source
            found[f"sequence {key}"] = Call(made.function, made.arguments, (*made.keywords, *metadata))
    return found


# --------------------------------------------------------------------------- statements


def _always(plan: Plan) -> Mapping[str, Statements]:
    """The statements of the plan's extensions, which every stage has."""
    metadata = sa.MetaData()
    Extensions(plan.extensions).created_by(metadata)
    return describe(metadata, described=Described(plan.dialects)).statements


def _statements(before: Schema, after: Schema, always: Mapping[str, Statements]) -> tuple[list[Statements], list[str]]:
    """The statements that a file has, and the names of those that it removes.

    What it has in other words stays in its place, what is new comes last. Where that is not the models' order, all that
    follow are written once more.
    """
    was = {key: each for key, each in before.statements.items() if always.get(key) != each}
    now = {key: each for key, each in after.statements.items() if always.get(key) != each}
    renewed = {key for key, each in now.items() if was.get(key) != each}
    gone = [key for key in was if key not in now]
    kept = [key for key in was if key in now]
    order = list(now)
    same = next((number for number, (one, other) in enumerate(zip(kept, order, strict=False)) if one != other), None)
    if same is not None:
        gone += kept[same:]
        renewed |= set(order[same:])
    return [each for key, each in now.items() if key in renewed], gone


def _listening(statements: Statements, always: Mapping[str, Statements]) -> Iterator[Source]:
    """The DDL events that create and drop an object."""
    create, drop = ("before_create", "after_drop") if statements.early else ("after_create", "before_drop")
    others = always.get(statements.name)
    texts = {
        on: tuple(text for text in given if others is None or text not in others.create.get(on, ()))
        for on, given in statements.create.items()
    }
    yield from _events(create, texts)
    known = statements.object
    drops = {
        on: () if known is not None and (known.is_view or given == known.drop(on)) else given
        for on, given in statements.drop.items()
    }
    yield from _events(drop, drops)


def _events(event: str, texts: Mapping[str, tuple[str, ...]]) -> Iterator[Source]:
    by_text: Callable[[str], tuple[str, ...]] = texts.__getitem__
    for given, kinds in groupby(sorted(texts, key=by_text), key=by_text):
        names = tuple(kinds)
        for text in given:
            ddl: Source = call("sa.DDL", _long(text.replace("%", "%%")))
            if len(names) < len(texts):
                dialects = [quoted(name) for kind in names for name in KINDS[kind].dialects]
                on = dialects[0] if len(dialects) == 1 else items("()", dialects)
                ddl = Chain(ddl, call("execute_if", dialect=on))
            yield call("sa.event.listen", "metadata", quoted(event), ddl)


def _long(text: str) -> str:
    """A text of several lines, as it is where Python can write it so."""
    if "\n" not in text or "\\" in text or '"""' in text or text.endswith('"'):
        return quoted(text)
    return f'"""{text}"""'


# ----------------------------------------------------------------------------- the file


def _plain(source: Source) -> Source:
    """What a revision says, with SQLAlchemy alone."""
    match source:
        case Call(function, arguments, keywords):
            return Call(_OURS.get(function, function), tuple(map(_plain, arguments)), _keywords(keywords))
        case Chain(first, following):
            made = _plain(following)
            assert isinstance(made, Call)
            return Chain(_plain(first), made)
        case Items(brackets, given):
            return items(brackets, (_pair(each) if isinstance(each, tuple) else _plain(each) for each in given))
        case _:
            return source


def _keywords(given: Iterable[tuple[str, Source]]) -> tuple[tuple[str, Source], ...]:
    return tuple((name, _plain(value)) for name, value in given)


def _pair(pair: tuple[Source, Source]) -> tuple[Source, Source]:
    return _plain(pair[0]), _plain(pair[1])


def _text(stage: str, gone: Sequence[str], parts: Sequence[str]) -> str:
    written = "\n\n".join(parts)
    helpers = [text for name, text in _HELPERS.items() if re.search(rf"(?<![\w.\"]){name}\(", written)]
    modules = [name for name in _DIALECTS if re.search(rf"(?<![\w.\"]){name}\.[A-Z]", written)]
    imports = ["import sqlalchemy as sa"]
    if modules:
        imports.append(f"from sqlalchemy.dialects import {', '.join(modules)}")
    if helpers:
        imports.append("from sqlalchemy.ext.compiler import compiles")
    head = [
        f'"""What stage {stage} changes in the schema, as SQLAlchemy\'s Tables.\n',
        "Written by sqlstrata. What the stage leaves as it was is in the files of the stages before it.",
        "Digest: 000000000000",
        '"""\n',
        *imports,
        "",
        *(f"\n{text}\n" for text in helpers),
        "metadata = sa.MetaData()",
    ]
    if gone:
        head.append(laid_out(items("[]", map(quoted, gone)), before="gone = "))
    return frozen.signed("\n".join([*head, *(f"\n{part}" for part in parts), ""]))
