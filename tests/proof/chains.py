"""Chains of stages that Hypothesis makes up: schemas as descriptions, each the one before with a few edits.

A description knows what each table and column was called before the stage, so a stage's `rename` follows from it, and
each row that a table was given, so later rows can refer to it. What no server would take (a key to a column that is
gone, an index on JSON) is tidied away after the edits; what is left, create_all can make on the chain's server.
"""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

from sqlstrata.modules.turning import Turn
from sqlstrata.plan import Sql, Stage
from tests.versions import IS_2_1

Draw = Callable[[st.SearchStrategy[Any]], Any]

TABLES = ("item", "usuarios", "Pedido", "order", "ação", "two words", "group", "Straße", "log")
COLUMNS = ("nome", "Idade", "select", "preço", "two words", "value", "x1", "Desc", "key", "user")
CONVENTION = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
OTHER_CONVENTION = {**CONVENTION, "pk": "%(table_name)s_pk", "uq": "%(table_name)s_%(column_0_name)s_uq"}

# ------------------------------------------------------------------------- descriptions


@dataclass(eq=False)
class Labels:
    """An enum's values; columns may share them."""

    name: str
    labels: list[str]
    native: bool
    checked: bool


@dataclass(frozen=True)
class Type:
    """A column's type: its kind, numbers that belong to it, and, of an enum, its values."""

    kind: str
    numbers: tuple[int, ...] = ()
    labels: Labels | None = None
    checked: str | None = None


@dataclass(eq=False)
class Column:
    name: str
    type: Type
    was: str | None = None
    nullable: bool = True
    default: str | None = None
    computed: tuple[Column, int, bool | None] | None = None
    comment: str | None = None
    other_key: bool = False
    identity: int | None = None
    """Where an identity starts."""
    fresh: bool = True
    """Whether its values are not those that `value` gives: the rows were there before it."""


@dataclass(eq=False)
class Rule:
    """A unique constraint, check or index."""

    kind: str
    name: str | None
    columns: list[Column]
    number: int = 0
    unique: bool = False
    desc: bool = False
    partial: bool = False
    functional: bool = False


@dataclass(eq=False)
class Key:
    """A foreign key."""

    name: str | None
    columns: list[Column]
    target: Table
    target_columns: list[Column]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Table:
    name: str
    columns: list[Column] = field(default_factory=list)
    was: str | None = None
    primary_key: list[Column] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    comment: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    view: tuple[str, Column] | None = None
    trigger: str | None = None
    rows: list[int] = field(default_factory=list)
    """The numbers of the rows that it was given; a row's values follow from its number."""
    names: set[str] = field(default_factory=set)
    """What its columns were called before the stage."""


@dataclass(eq=False)
class Schema:
    server: str
    convention: dict[str, str] | None
    tables: list[Table] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """What its tables were called before the stage."""
    count: int = 0
    rows: int = 0

    def number(self) -> int:
        """A number that nothing else in the chain has."""
        self.count += 1
        return self.count


# ---------------------------------------------------------------------- types and values

SIMPLE = ("int", "big", "small", "text", "float", "date", "datetime", "time", "binary", "json", "uuid")
DISTINCT = {"int", "big", "small", "str", "num", "date", "datetime", "uuid"}
INDEXABLE = DISTINCT | {"bool", "enum", "time"}
# Changes of type that every value of `value` survives.
SAFE = {
    "int": ("big", "small", "str", "text", "num"),
    "small": ("int", "big", "str", "num"),
    "big": ("str", "num"),
    "num": ("num", "str", "float"),
    "str": ("str", "text"),
    "text": ("str", "text"),
    "bool": ("int", "str"),
    "date": ("datetime", "str"),
    "datetime": ("date", "str"),
    "time": ("str",),
    "uuid": ("str",),
    "enum": ("str",),
    "json": ("text",),
    "float": ("num",),
}


def sql_type(type_: Type, enums: dict[int, sa.Enum]) -> sa.types.TypeEngine[Any]:
    """The type in SQLAlchemy's words; columns that share labels share the Enum."""
    match type_.kind:
        case "str":
            return sa.String(*type_.numbers)
        case "num":
            return sa.Numeric(*type_.numbers)
        case "bool" if type_.checked:
            return sa.Boolean(create_constraint=True, name=type_.checked)
        case "bool":
            return sa.Boolean()
        case "enum":
            assert type_.labels is not None
            return enums.setdefault(id(type_.labels), _enum(type_.labels))
        case kind:
            return {
                "int": sa.Integer, "big": sa.BigInteger, "small": sa.SmallInteger, "text": sa.Text, "float": sa.Float,
                "date": sa.Date, "datetime": sa.DateTime, "time": sa.Time, "binary": sa.LargeBinary, "json": sa.JSON,
                "uuid": sa.Uuid,
            }[kind]()  # fmt: skip


def _enum(labels: Labels) -> sa.Enum:
    return sa.Enum(*labels.labels, name=labels.name, native_enum=labels.native, create_constraint=labels.checked)


def value(type_: Type, number: int) -> object:
    """A row's value: distinct for each number as far as the type goes."""
    if type_.labels is not None:
        return type_.labels.labels[number % len(type_.labels.labels)]
    return VALUES[type_.kind](number)


def _day(number: int) -> dt.date:
    return dt.date(2020, 1, 1) + dt.timedelta(days=number)


VALUES: dict[str, Callable[[int], object]] = {
    "int": int,
    "small": int,
    "big": int,
    "str": lambda number: f"'{number}%é",
    "text": lambda number: f"'{number}%é",
    "num": decimal.Decimal,
    "float": lambda number: number + 0.5,
    "bool": lambda number: number % 2 == 0,
    "date": _day,
    "datetime": lambda number: dt.datetime.combine(_day(number), dt.time()),
    "time": lambda number: dt.time(1, 2, number % 60),
    "binary": lambda number: bytes([0, 255, number % 256]),
    "json": lambda number: {"número": number},
    "uuid": lambda number: uuid.UUID(int=number),
}


DEFAULTS: dict[str, dict[str, Any]] = {
    "int": {"text": sa.text("0"), "string": "5", "expression": sa.text("(1 + 1)")},
    "big": {"text": sa.text("0")},
    "small": {"text": sa.text("7")},
    "str": {
        "plain": "x",
        "quote": "it's",
        "percent": '5% "x"',
        "empty": "",
        "colon": "a:b",
        "upper": sa.func.upper("a"),
    },
    "text": {"plain": "x", "quote": "it's %s"},
    "num": {"text": sa.text("1.5"), "string": "0"},
    "float": {"text": sa.text("2.5")},
    "bool": {"true": sa.true(), "false": sa.false()},
    "date": {"text": sa.text("'2020-01-01'")},
    "datetime": {"now": sa.func.now(), "text": sa.text("CURRENT_TIMESTAMP"), "string": "2020-01-01 00:00:00"},
    "time": {"text": sa.text("'01:02:03'")},
    "json": {"text": sa.text("'{}'")},
    "uuid": {"text": sa.text("'00000000000000000000000000000001'")},
    "enum": {"first": None},
    "binary": {},
}  # fmt: skip


def _default(type_: Type, name: str) -> object:
    return type_.labels.labels[0] if type_.labels else DEFAULTS[type_.kind][name]


# --------------------------------------------------------------- descriptions → MetaData


def metadata(schema: Schema) -> sa.MetaData:
    """What a project's models would make: the description in SQLAlchemy's words."""
    made = sa.MetaData(naming_convention=schema.convention)
    columns: dict[int, sa.Column[Any]] = {}
    enums: dict[int, sa.Enum] = {}
    for table in schema.tables:
        for column in sorted(table.columns, key=lambda each: each.computed is not None):
            columns[id(column)] = _column(table, column, columns, enums)
        elements = [columns[id(column)] for column in table.columns]
        there = sa.Table(table.name, made, *elements, comment=table.comment, **table.options)
        if table.trigger is not None:
            sa.event.listen(there, "after_create", sa.DDL(_trigger(table)).execute_if(dialect="sqlite"))
    for table in schema.tables:
        there = made.tables[table.name]
        for rule in table.rules:
            _rule(there, rule, [columns[id(column)] for column in rule.columns])
        for key in table.keys:
            there.append_constraint(_key(key))
    for table in schema.tables:
        if table.view is not None:
            name, column = table.view
            sa.CreateView(sa.select(columns[id(column)].label("one")), name, metadata=made)
    return made


def _trigger(table: Table) -> str:
    name = table.name.replace('"', '""').replace("%", "%%")
    return f'CREATE TRIGGER "{table.trigger}" AFTER INSERT ON "{name}" BEGIN SELECT 1; END'


def _column(
    table: Table, column: Column, columns: dict[int, sa.Column[Any]], enums: dict[int, sa.Enum]
) -> sa.Column[Any]:
    extra: list[Any] = []
    if column.computed is not None:
        base, number, persisted = column.computed
        there = columns[id(base)]
        expression = sa.func.lower(there) if base.type.kind in {"str", "text"} else there + number
        extra.append(sa.Computed(expression, persisted=persisted))
    if column.identity is not None and column in table.primary_key:
        extra.append(sa.Identity(start=column.identity))
    default = None if column.default is None or column.computed else _default(column.type, column.default)
    options: dict[str, Any] = {"key": f"{column.name}_key"} if column.other_key else {}
    return sa.Column(
        column.name,
        sql_type(column.type, enums),
        *extra,
        primary_key=column in table.primary_key,
        nullable=column.nullable and column not in table.primary_key,
        server_default=default,
        comment=column.comment,
        **options,
    )


def _rule(table: sa.Table, rule: Rule, columns: list[sa.Column[Any]]) -> None:
    if rule.kind == "unique":
        table.append_constraint(sa.UniqueConstraint(*columns, name=rule.name))
    elif rule.kind == "check":
        table.append_constraint(sa.CheckConstraint(_condition(columns[0], rule.number), name=rule.name))
    else:
        parts: list[Any] = list(columns)
        if rule.functional:
            parts[0] = sa.func.lower(columns[0])
        elif rule.desc:
            parts[0] = columns[0].desc()
        where = columns[0].is_not(None) if rule.partial else None
        options = {} if where is None else {"sqlite_where": where, "postgresql_where": where}
        sa.Index(rule.name, *parts, unique=rule.unique, **options)


def _condition(column: sa.Column[Any], number: int) -> sa.ColumnElement[bool] | str:
    """True for every row: what breaks a rule is another test's work."""
    if isinstance(column.type, sa.String) and not isinstance(column.type, sa.Enum):
        if column.name.isascii() and column.name.islower() and column.name.isidentifier() and column.name not in _WORDS:
            return f"{column.name} <> '{number}% it''s: \"x\"'"
        return column != f"{number}%'"
    return column > -number


_WORDS = {"order", "select", "group", "value", "key", "user"}


def _key(key: Key) -> sa.ForeignKeyConstraint:
    keys = [f"{column.name}_key" if column.other_key else column.name for column in key.columns]
    targets = [
        f"{key.target.name}.{column.name}_key" if column.other_key else f"{key.target.name}.{column.name}"
        for column in key.target_columns
    ]
    return sa.ForeignKeyConstraint(keys, targets, name=key.name, **key.options)


# ----------------------------------------------------------------------------- drawing


def _type(draw: Draw, schema: Schema, kinds: tuple[str, ...] | None = None) -> Type:
    kind = draw(st.sampled_from(kinds or (*SIMPLE, "str", "str", "num", "bool", "enum", "enum")))
    if kind == "str":
        return Type("str", (draw(st.sampled_from((8, 20, 50, 100))),))
    if kind == "num":
        return Type("num", draw(st.sampled_from(((10, 2), (12, 4), (8, 0)))))
    if kind == "bool":
        return Type("bool", checked=f"ck_bool_{schema.number()}" if draw(st.booleans()) else None)
    if kind == "enum":
        known = [each.type.labels for table in schema.tables for each in table.columns if each.type.labels]
        if known and draw(st.booleans()):
            return Type("enum", labels=draw(st.sampled_from(known)))
        labels = ["new", "it's", "50%", "ação"][: draw(st.integers(2, 4))]
        return Type("enum", labels=Labels(f"kind_{schema.number()}", labels, draw(st.booleans()), draw(st.booleans())))
    return Type(kind)


def _free(draw: Draw, names: tuple[str, ...], taken: set[str]) -> str | None:
    left = [name for name in names if name.casefold() not in {each.casefold() for each in taken}]
    return draw(st.sampled_from(left)) if left else None


def _defaults(draw: Draw, schema: Schema, type_: Type) -> str | None:
    names = [each for each in DEFAULTS[type_.kind] if not (each == "upper" and schema.server == "mariadb")]
    return draw(st.sampled_from(names)) if names else None


def _new_column(draw: Draw, schema: Schema, table: Table, gone: set[str]) -> Column | None:
    name = _free(draw, COLUMNS, {each.name for each in table.columns} | gone)
    if name is None:
        return None
    type_ = _type(draw, schema)
    nullable = draw(st.booleans())
    default = _defaults(draw, schema, type_) if draw(st.integers(0, 2)) == 0 else None
    if schema.server == "mariadb" and type_.kind == "json" and not nullable:
        nullable = True
    comment = draw(st.sampled_from((None, None, None, 'it\'s 5% of "all"')))
    return Column(name, type_, None, nullable, default, None, comment, draw(st.integers(0, 9)) == 9, bool(table.rows))


def _name(draw: Draw, schema: Schema, kind: str) -> str | None:
    """A name of its own, or none: then the convention's, or the server's."""
    if draw(st.booleans()) or (kind == "ck" and schema.convention):
        number = schema.number()
        return draw(st.sampled_from((f"{kind}_{number}", f"{kind.upper()} {number}")))
    return None


def _new_table(draw: Draw, schema: Schema, gone: set[str]) -> None:
    name = _free(draw, TABLES, {table.name for table in schema.tables} | gone)
    if name is None:
        return
    table = Table(name, comment=draw(st.sampled_from((None, None, "100% 'ours'"))))
    schema.tables.append(table)
    kind = draw(st.sampled_from(("id", "id", "id", "big", "string", "composite", "uuid", "none")))
    types = {
        "id": [Type("int")], "big": [Type("big")], "string": [Type("str", (20,))], "uuid": [Type("uuid")],
        "composite": [Type("int"), Type("str", (20,))], "none": [],
    }[kind]  # fmt: skip
    for number, type_ in enumerate(types):
        table.columns.append(Column(f"id{number or ''}", type_, None, nullable=False, fresh=False))
    table.primary_key = list(table.columns)
    for _ in range(draw(st.integers(1, 4))):
        column = _new_column(draw, schema, table, set())
        if column is not None:
            table.columns.append(column)
    for _ in range(draw(st.integers(0, 2))):
        draw(st.sampled_from((_add_rule, _add_rule, _add_key)))(draw, schema, table)


# ------------------------------------------------------------------------------- edits


def _plain(table: Table) -> list[Column]:
    """Columns that no key, and no other column, is made of."""
    bound = {id(column) for column in table.primary_key}
    bound |= {id(column) for key in table.keys for column in key.columns}
    bound |= {id(column.computed[0]) for column in table.columns if column.computed}
    return [column for column in table.columns if id(column) not in bound]


def _targets(schema: Schema, table: Table) -> list[Key]:
    return [key for each in schema.tables for key in each.keys if key.target is table]


def _add_rule(draw: Draw, schema: Schema, table: Table) -> None:
    kind = draw(st.sampled_from(("unique", "check", "index", "index")))
    columns = [column for column in table.columns if column.type.kind in INDEXABLE]
    keys = {id(column) for key in table.keys for column in key.columns} | {id(each) for each in table.primary_key}
    if kind == "check":
        numbers = {"int", "big", "small", "num", "float", "str", "text"}
        columns = [column for column in table.columns if column.type.kind in numbers and id(column) not in keys]
        columns = [column for column in columns if column.computed is None]
        if columns:
            rule = Rule("check", _name(draw, schema, "ck"), [draw(st.sampled_from(columns))], schema.number())
            table.rules.append(rule)
        return
    unique = kind == "unique" or draw(st.integers(0, 3)) == 0
    if unique:
        columns = [each for each in columns if each.type.kind in DISTINCT and not each.fresh and not each.computed]
    chosen = draw(st.lists(st.sampled_from(columns), min_size=1, max_size=2, unique=True)) if columns else []
    if not chosen or any(rule.kind == kind and set(rule.columns) == set(chosen) for rule in table.rules):
        return
    if kind == "unique":
        if chosen != table.primary_key:
            table.rules.append(Rule("unique", _name(draw, schema, "uq"), chosen))
        return
    texts = {"str", "text"}
    functional = chosen[0].type.kind in texts and schema.server != "mariadb" and not unique and draw(st.booleans())
    partial = draw(st.booleans()) and schema.server != "mariadb"
    name = _name(draw, schema, "ix")
    if not schema.convention or functional:
        name = name or f"ix_{schema.number()}"
    table.rules.append(Rule("index", name, chosen, 0, unique, draw(st.booleans()) and not unique, partial, functional))


def _add_key(draw: Draw, schema: Schema, table: Table) -> None:
    """A foreign key with columns of its own."""
    targets = [each for each in schema.tables if each.primary_key]
    if not targets:
        return
    target = draw(st.sampled_from(targets))
    columns = []
    number = schema.number()
    required = target is not table and not table.rows and bool(target.rows) and draw(st.booleans())
    for position, there in enumerate(target.primary_key):
        columns.append(
            Column(f"ref{number}_{position}", there.type, None, nullable=not required, fresh=bool(table.rows))
        )
    table.columns += columns
    options: dict[str, Any] = {}
    for name in ("ondelete", "onupdate"):
        action = draw(st.sampled_from((None, None, "CASCADE", "RESTRICT", "SET NULL")))
        if action and (action != "SET NULL" or not required):
            options[name] = action
    if schema.server != "mariadb" and draw(st.integers(0, 4)) == 0:
        options |= {"deferrable": True, "initially": draw(st.sampled_from(("DEFERRED", "IMMEDIATE")))}
    name = _name(draw, schema, "fk")
    if draw(st.booleans()) and (name or schema.convention):
        options["use_alter"] = True
    table.keys.append(Key(name, columns, target, list(target.primary_key), options))


def _drop_table(draw: Draw, schema: Schema, table: Table) -> None:
    schema.tables.remove(table)


def _rename_table(draw: Draw, schema: Schema, table: Table) -> None:
    name = _free(draw, TABLES, {each.name for each in schema.tables} | _gone_tables(schema))
    if name is not None and table.was is not None:
        table.name = name


def _swap_tables(draw: Draw, schema: Schema, table: Table) -> None:
    other = draw(st.sampled_from(schema.tables))
    if table.was is not None and other.was is not None:
        table.name, other.name = other.name, table.name


def _take_over_table(draw: Draw, schema: Schema, table: Table) -> None:
    """`other` goes, and `table` gets its name."""
    others = [other for other in schema.tables if other is not table and other.was is not None]
    if table.was is not None and others:
        other = draw(st.sampled_from(others))
        schema.tables.remove(other)
        table.name = other.name


def _add_column(draw: Draw, schema: Schema, table: Table) -> None:
    column = _new_column(draw, schema, table, _gone_columns(schema, table))
    if column is not None:
        table.columns.append(column)


def _drop_column(draw: Draw, schema: Schema, table: Table) -> None:
    if len(table.columns) > 2:
        table.columns.remove(draw(st.sampled_from(table.columns)))


def _rename_column(draw: Draw, schema: Schema, table: Table) -> None:
    columns = [column for column in table.columns if column.was is not None]
    name = _free(draw, COLUMNS, {each.name for each in table.columns} | _gone_columns(schema, table))
    if columns and name is not None:
        draw(st.sampled_from(columns)).name = name


def _swap_columns(draw: Draw, schema: Schema, table: Table) -> None:
    columns = [column for column in table.columns if column.was is not None]
    if len(columns) > 1:
        one, other = draw(st.lists(st.sampled_from(columns), min_size=2, max_size=2, unique=True))
        one.name, other.name = other.name, one.name


def _take_over_column(draw: Draw, schema: Schema, table: Table) -> None:
    """One goes, and another gets its name."""
    columns = [column for column in table.columns if column.was is not None]
    if len(columns) > 2:
        one, other = draw(st.lists(st.sampled_from(columns), min_size=2, max_size=2, unique=True))
        table.columns.remove(other)
        one.name = other.name


def _replace_column(draw: Draw, schema: Schema, table: Table) -> None:
    """One gets another name, and a new one takes its old name."""
    columns = [column for column in _plain(table) if column.was is not None and column.name in COLUMNS]
    if columns:
        column = draw(st.sampled_from(columns))
        old = column.name
        new = _free(draw, COLUMNS, {each.name for each in table.columns} | _gone_columns(schema, table))
        if new is not None:
            column.name = new
            added = _new_column(draw, schema, table, set(COLUMNS) - {old} | {each.name for each in table.columns})
            if added is not None:
                table.columns.append(added)


def _retype(draw: Draw, schema: Schema, table: Table) -> None:
    columns = [column for column in _plain(table) if column.computed is None]
    if not columns:
        return
    column = draw(st.sampled_from(columns))
    kinds = SAFE.get(column.type.kind, ()) if table.rows else None
    if kinds == ():
        return
    old, column.type = column.type, _type(draw, schema, kinds)
    if old.kind in {"uuid", "datetime", "text", "enum"} and column.type.kind == "str" and table.rows:
        column.type = Type("str", (50,))
    column.default = _defaults(draw, schema, column.type) if column.default and draw(st.booleans()) else None


def _widen_key(draw: Draw, schema: Schema, table: Table) -> None:
    """A key column and all that refer to it get a wider type."""
    if table.primary_key:
        column = table.primary_key[0]
        wider = {"int": Type("big"), "str": Type("str", (40,))}.get(column.type.kind)
        if wider is not None:
            for each in _linked(schema, column):
                each.type = wider


def _linked(schema: Schema, column: Column) -> list[Column]:
    found = [column]
    for one in found:
        for table in schema.tables:
            for key in table.keys:
                for here, there in zip(key.columns, key.target_columns, strict=True):
                    for near, far in ((here, there), (there, here)):
                        if near is one and far not in found:
                            found.append(far)
    return found


def _change_null(draw: Draw, schema: Schema, table: Table) -> None:
    columns = [column for column in _plain(table) if column.computed is None]
    if columns:
        column = draw(st.sampled_from(columns))
        column.nullable = not column.nullable
        column.fresh = column.fresh or bool(table.rows)


def _change_default(draw: Draw, schema: Schema, table: Table) -> None:
    columns = [column for column in _plain(table) if column.computed is None]
    if columns:
        column = draw(st.sampled_from(columns))
        column.default = draw(st.sampled_from((None, _defaults(draw, schema, column.type))))


def _change_comment(draw: Draw, schema: Schema, table: Table) -> None:
    thing = draw(st.sampled_from([table, *table.columns]))
    thing.comment = draw(st.sampled_from((None, "other", "it's 5%")))


def _compute(draw: Draw, schema: Schema, table: Table) -> None:
    """A computed column that is new, or another one's that becomes or ceases to be so."""
    persisted = draw(st.sampled_from((True,) if schema.server == "postgresql" else (True, False, None)))
    computed = [column for column in table.columns if column.computed]
    if computed and draw(st.booleans()):
        column = draw(st.sampled_from(computed))
        assert column.computed is not None
        base, number, _ = column.computed
        column.computed = draw(st.sampled_from((None, (base, number + 1, persisted))))
        return
    keys = {id(column) for key in table.keys for column in key.columns} | {id(each) for each in table.primary_key}
    bases = [each for each in table.columns if each.type.kind in {"int", "str"} and not each.computed]
    bases = [each for each in bases if id(each) not in keys]
    name = _free(draw, COLUMNS, {each.name for each in table.columns} | _gone_columns(schema, table))
    if bases and name is not None:
        base = draw(st.sampled_from(bases))
        type_ = Type("str", (100,)) if base.type.kind == "str" else Type("int")
        table.columns.append(Column(name, type_, computed=(base, 1, persisted)))


def _drop_rule(draw: Draw, schema: Schema, table: Table) -> None:
    if table.rules:
        table.rules.remove(draw(st.sampled_from(table.rules)))


def _change_rule(draw: Draw, schema: Schema, table: Table) -> None:
    if table.rules:
        rule = draw(st.sampled_from(table.rules))
        if rule.kind == "check":
            rule.number = schema.number()
        elif rule.kind == "index":
            rule.desc = not rule.desc
            rule.partial = not rule.partial and schema.server != "mariadb"


def _name_rule(draw: Draw, schema: Schema, table: Table) -> None:
    things = [*table.rules, *table.keys]
    if things:
        thing = draw(st.sampled_from(things))
        kind = "fk" if isinstance(thing, Key) else {"unique": "uq", "check": "ck", "index": "ix"}[thing.kind]
        name = _name(draw, schema, kind)
        if name is not None or (kind != "ix" and not (isinstance(thing, Key) and "use_alter" in thing.options)):
            thing.name = name


def _drop_key(draw: Draw, schema: Schema, table: Table) -> None:
    if table.keys:
        table.keys.remove(draw(st.sampled_from(table.keys)))


def _change_key(draw: Draw, schema: Schema, table: Table) -> None:
    if table.keys:
        key = draw(st.sampled_from(table.keys))
        key.options["ondelete"] = draw(st.sampled_from((None, "CASCADE", "SET NULL")))


def _change_primary_key(draw: Draw, schema: Schema, table: Table) -> None:
    if table.rows or _targets(schema, table):
        return
    kinds = {"int", "str", "big", "uuid"}
    bound = {id(column) for key in table.keys for column in key.columns}
    columns = [
        each for each in table.columns if each.type.kind in kinds and not each.computed and id(each) not in bound
    ]
    table.primary_key = draw(st.lists(st.sampled_from(columns), max_size=2, unique=True)) if columns else []
    for column in table.primary_key:
        column.default, column.nullable = None, False


def _change_labels(draw: Draw, schema: Schema, table: Table) -> None:
    columns = [column for column in table.columns if column.type.labels]
    if not columns:
        return
    labels = draw(st.sampled_from(columns)).type.labels
    what = draw(st.sampled_from(("add", "add", "remove", "rename", "check", "native")))
    rows = any(each.rows for each in schema.tables for column in each.columns if column.type.labels is labels)
    if what == "add":
        labels.labels.insert(draw(st.integers(0, len(labels.labels))), f"label {schema.number()}")
    elif what == "remove" and not rows and len(labels.labels) > 1:
        labels.labels.pop()
    elif what == "rename":
        labels.name = f"kind_{schema.number()}"
    elif what == "check":
        labels.checked = not labels.checked
    elif what == "native":
        labels.native = not labels.native


def _change_convention(draw: Draw, schema: Schema, table: Table) -> None:
    if schema.convention:
        schema.convention = draw(st.sampled_from((CONVENTION, OTHER_CONVENTION)))


OPTIONS: dict[str, tuple[tuple[str, Any], ...]] = {
    "sqlite": (("sqlite_autoincrement", True),),
    "postgresql": (("postgresql_with", {"fillfactor": 70}), ("postgresql_with", {"fillfactor": 90})),
    "mariadb": (("mariadb_row_format", "COMPRESSED"), ("mariadb_row_format", "DYNAMIC")),
}


def _change_options(draw: Draw, schema: Schema, table: Table) -> None:
    counted = len(table.primary_key) == 1 and table.primary_key[0].type.kind == "int"
    if not IS_2_1 and schema.server == "postgresql":
        return
    if not table.options and (schema.server != "sqlite" or counted):
        table.options = dict([draw(st.sampled_from(OPTIONS[schema.server]))])
    else:
        table.options = {}


def _change_identity(draw: Draw, schema: Schema, table: Table) -> None:
    if schema.server == "postgresql" and len(table.primary_key) == 1 and table.primary_key[0].type.kind == "int":
        table.primary_key[0].identity = draw(st.sampled_from((None, 100, 200)))


def _change_view(draw: Draw, schema: Schema, table: Table) -> None:
    if not IS_2_1:
        return
    table.view = (f"v{schema.number()}", draw(st.sampled_from(table.columns))) if table.view is None else None


def _change_trigger(draw: Draw, schema: Schema, table: Table) -> None:
    if schema.server == "sqlite":
        table.trigger = f"tr{schema.number()}" if table.trigger is None else None


EDITS: tuple[Callable[[Draw, Schema, Table], None], ...] = (
    _add_column, _add_column, _add_column, _drop_column, _drop_column, _rename_column, _swap_columns,
    _take_over_column, _replace_column, _retype, _retype, _widen_key, _change_null, _change_null, _change_default,
    _change_comment, _compute, _compute, _add_rule, _add_rule, _drop_rule, _change_rule, _name_rule, _add_key, _add_key,
    _drop_key, _change_key, _change_primary_key, _change_labels, _change_convention,
    _drop_table, _rename_table, _rename_table, _swap_tables, _take_over_table,
    _change_options, _change_identity, _change_view, _change_trigger,
)  # fmt: skip


def _gone_tables(schema: Schema) -> set[str]:
    """Names before the stage whose tables are gone, or may go yet: a new one of that name would be taken for them."""
    return schema.names - {table.was for table in schema.tables if table.was != table.name}


def _gone_columns(schema: Schema, table: Table) -> set[str]:
    renamed = {column.was for column in table.columns if column.was != column.name}
    return table.names - renamed


# ------------------------------------------------------------------------------- tidying


def _tidy(schema: Schema) -> None:
    """Take out what the edits have left behind."""
    while True:
        size = _size(schema)
        for table in schema.tables:
            here = {id(column) for column in table.columns}
            table.primary_key = [column for column in table.primary_key if id(column) in here]
            table.columns = [each for each in table.columns if not each.computed or id(each.computed[0]) in here]
            table.columns = [each for each in table.columns if not each.computed or _computable(each)]
            table.rules = [rule for rule in table.rules if _stands(schema, table, rule)]
            table.keys = [key for key in table.keys if _holds(schema, table, key)]
            if table.view is not None and id(table.view[1]) not in here:
                table.view = None
            if schema.server == "sqlite" and [column.type.kind for column in table.primary_key] != ["int"]:
                table.options = {}
        if _size(schema) == size:
            break
    for table in schema.tables:
        for key in table.keys:
            if not all(column.nullable for column in key.columns):
                key.options = {name: each for name, each in key.options.items() if each != "SET NULL"}


def _size(schema: Schema) -> tuple[int, ...]:
    return tuple(len(x) for t in schema.tables for x in (t.columns, t.rules, t.keys, t.primary_key))


def _computable(column: Column) -> bool:
    assert column.computed is not None
    wanted = "str" if column.type.kind == "str" else "int"
    return column.computed[0].type.kind == wanted and column.computed[0].computed is None


def _stands(schema: Schema, table: Table, rule: Rule) -> bool:
    here = {id(column) for column in table.columns}
    bound = {id(column) for key in table.keys for column in key.columns} | {id(each) for each in table.primary_key}
    if any(id(column) not in here for column in rule.columns):
        return False
    if rule.kind == "check":
        kinds = {"int", "big", "small", "num", "float", "str", "text"}
        return rule.columns[0].type.kind in kinds and id(rule.columns[0]) not in bound and not rule.columns[0].computed
    if rule.functional and rule.columns[0].type.kind != "str":
        return False
    unique = rule.kind == "unique" or rule.unique
    kinds = DISTINCT if unique else INDEXABLE
    refer = {id(column) for key in table.keys for column in key.columns}
    good = all(column.type.kind in kinds for column in rule.columns)
    good = good and not (unique and any(column.computed or id(column) in refer for column in rule.columns))
    same = any(each.kind == rule.kind == "unique" and set(each.columns) == set(rule.columns) and each is not rule
               for each in table.rules)  # fmt: skip
    return good and not same and not (rule.kind == "unique" and set(rule.columns) == set(table.primary_key))


def _holds(schema: Schema, table: Table, key: Key) -> bool:
    here = {id(column) for column in table.columns}
    bases = {id(column.computed[0]) for column in table.columns if column.computed}
    return (
        key.target in schema.tables
        and all(id(column) in here and id(column) not in bases and not column.computed for column in key.columns)
        and key.target_columns == key.target.primary_key
        and all(one.type == other.type for one, other in zip(key.columns, key.target_columns, strict=True))
    )


# --------------------------------------------------------------------------------- rows


def _rows(draw: Draw, schema: Schema) -> dict[str, tuple[dict[str, object], ...]]:
    """Rows for some tables, parents first."""
    given: dict[str, tuple[dict[str, object], ...]] = {}
    left = list(schema.tables)
    while left:
        table = next((t for t in left if not any(k.target in left and k.target is not t for k in t.keys)), left[0])
        left.remove(table)
        made = [_row(schema, table) for _ in range(draw(st.integers(0, 2)))]
        if rows := [row for row in made if row is not None]:
            given[table.name] = tuple(rows)
    return given


def _row(schema: Schema, table: Table) -> dict[str, object] | None:
    number = schema.rows + 1
    row = {column.name: value(column.type, number) for column in table.columns if not column.computed}
    for key in table.keys:
        parents = [*key.target.rows, number] if key.target is table else key.target.rows
        if not parents and not all(column.nullable for column in key.columns):
            return None
        for column, there in zip(key.columns, key.target_columns, strict=True):
            row[column.name] = value(there.type, parents[number % len(parents)]) if parents else None
    schema.rows = number
    table.rows.append(number)
    return row


# -------------------------------------------------------------------------------- chains


@dataclass(frozen=True)
class Chain:
    """Stages, each with the description of its schema, for one server."""

    server: str
    stages: tuple[tuple[Stage, Schema], ...]

    def turns(self) -> Iterator[Turn]:
        return (Turn(stage, metadata(schema)) for stage, schema in self.stages)


@st.composite
def chains(draw: Draw, server: str) -> Chain:
    """Two to five stages that create_all can make on the server."""
    schema = Schema(server, draw(st.sampled_from((None, CONVENTION))))
    stages = []
    for number in range(1, draw(st.integers(2, 5)) + 1):
        _remember(schema)
        for _ in range(draw(st.integers(1, 3 if number == 1 else 1))):
            if number == 1 or draw(st.integers(0, 3)) == 0:
                _new_table(draw, schema, _gone_tables(schema))
        for _ in range(draw(st.integers(2, 6)) if number > 1 else 0):
            if schema.tables:
                draw(st.sampled_from(EDITS))(draw, schema, draw(st.sampled_from(schema.tables)))
        _tidy(schema)
        rename = _renames(schema)
        stage = Stage(f"s{number}", f"Stage {number}", enable=(f"s{number}",), rename=rename, rows=_rows(draw, schema))
        if schema.tables and draw(st.integers(0, 2)) == 0:
            sql = Sql(default=(_harmless(schema, draw(st.sampled_from(schema.tables))),))
            stage = replace(stage, upgrade=sql, downgrade_sql=Sql(default=("SELECT '100%: :x'",)))
        stages.append((stage, copy.deepcopy(schema)))
    return Chain(server, tuple(stages))


def _harmless(schema: Schema, table: Table) -> str:
    """SQL that changes nothing, with all in it that drivers, SQLAlchemy and Python might trip over."""
    quote = "`" if schema.server == "mariadb" else '"'
    column = next((each for each in table.columns if not each.computed), table.columns[0])
    name, target = f"{quote}{column.name}{quote}", f"{quote}{table.name}{quote}"
    return f"UPDATE {target} SET {name} = {name}\nWHERE '50% it''s {{}} :x \"y\" %s' = '%(x)s'"


def _remember(schema: Schema) -> None:
    """The stage begins: what is there has the names that it had before it."""
    schema.names = {table.name for table in schema.tables}
    for table in schema.tables:
        table.was = table.name
        table.names = {column.name for column in table.columns}
        for column in table.columns:
            column.was = column.name


def _renames(schema: Schema) -> dict[str, str]:
    tables = {t.was: t.name for t in schema.tables if t.was not in {None, t.name}}
    columns = {
        f"{table.was}.{column.was}": column.name
        for table in schema.tables
        for column in table.columns
        if table.was is not None and column.was not in {None, column.name}
    }
    return {**tables, **columns}  # type: ignore[dict-item]
