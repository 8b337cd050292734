"""Whatever changes the DDL on a server is seen by the comparison, or refused by name.

What there is to change is read from SQLAlchemy itself: the options that its dialects declare, and the attributes that
its DDL and type compilers read. Each needs a pair of models here that differ in it alone; one that a later SQLAlchemy
adds has none yet, and fails by its name.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine.mock import MockConnection

from sqlstrata.dialects import dialect
from sqlstrata.diff import Hints, diff
from sqlstrata.errors import WrongUse
from sqlstrata.schema.ddl import UNSAYABLE
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.servers import KINDS, Kind, keys_of, kind_of

MODULES: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql, "mysql": mysql}

# ------------------------------------------------------------------------ what there is


def declared() -> Iterator[str]:
    """The options of tables, columns, constraints and indexes that the dialects declare."""
    for name, module in MODULES.items():
        for of, options in module.dialect.construct_arguments:
            if issubclass(of, sa.schema.SchemaItem):
                yield from (f"{of.__name__}.{name}_{option}" for option in options)


SUBJECTS = ("table", "column", "constraint", "index", "generated", "identity", "identity_options", "domain", "element")
"""What the compilers call the thing that they write."""


def read_by_compilers() -> Iterator[str]:
    """The attributes that they read of it."""
    for on in map(dialect, MODULES):
        for node in (node for tree in sources(on.ddl_compiler) for node in ast.walk(tree)):
            if isinstance(node, ast.Attribute) and (name := ast.unparse(node.value).rpartition(".")[2]) in SUBJECTS:
                yield f"{name}.{node.attr}"


@cache
def known() -> frozenset[str]:
    return frozenset({*declared(), *read_by_compilers()})


def read_of_types() -> Iterator[tuple[str, type, str]]:
    """The attributes that the type compiler of a dialect reads of each of its types, and of SQLAlchemy's own."""
    for name, module in MODULES.items():
        methods = functions(type(dialect(name).type_compiler_instance))
        found = {each for space in (sa.types, module) for each in vars(space).values() if is_type(each)}
        for cls in sorted(found, key=lambda each: (each.__name__, each.__module__)):
            visit = methods.get(f"visit_{cls.__visit_name__}")
            yield from ((name, cls, each) for each in sorted(attributes(visit, methods) if visit else ()))


def is_type(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, sa.types.TypeEngine) and hasattr(found, "__visit_name__")


@cache
def classes(module: str) -> dict[str, ast.ClassDef]:
    """The classes of a module, as they are written."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def sources(compiler: type) -> tuple[ast.ClassDef, ...]:
    """A compiler as it is written, and its bases."""
    of_sqlalchemy = [each for each in compiler.__mro__ if each.__module__.startswith("sqlalchemy")]
    return tuple(classes(each.__module__)[each.__name__] for each in of_sqlalchemy)


@cache
def functions(compiler: type) -> dict[str, ast.FunctionDef]:
    """Its methods; the nearest one where several bases have it."""
    found: dict[str, ast.FunctionDef] = {}
    for node in (node for tree in sources(compiler) for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, node)
    return found


def attributes(method: ast.FunctionDef, methods: dict[str, ast.FunctionDef]) -> set[str]:
    """What a method reads of a type, by itself and by those that it calls."""
    found = set[str]()
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "type_":
            found.add(node.attr)
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            if called in {"getattr", "attr"}:
                found |= {str(each.value) for each in node.args if isinstance(each, ast.Constant) and each.value}
            elif called in methods and called != method.name:
                found |= attributes(methods[called], methods)
    return {each for each in found if not each.startswith("_")}


# ---------------------------------------------------------------------- pairs of models


def table(*elements: sa.schema.SchemaItem, **options: Any) -> sa.MetaData:
    """A table `t` with these elements and options; one may stand in for its `id` or its `a`."""
    made = sa.MetaData()
    own = sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.Integer, nullable=False)
    given = {each.name for each in elements if isinstance(each, sa.Column)}
    sa.Table("t", made, *(each for each in own if each.name not in given), *elements, **options)
    return made


def x(*arguments: Any, **options: Any) -> sa.MetaData:
    """A table with a column `x`, an Integer unless it is given a type."""
    typed = arguments and isinstance(arguments[0], sa.types.TypeEngine)
    return table(sa.Column("x", *(() if typed else (sa.Integer(),)), *arguments, **options))


def primary(**options: Any) -> sa.MetaData:
    return table(sa.Column("id", sa.Integer), sa.PrimaryKeyConstraint("id", name="pk", **options))


def id_(**options: Any) -> sa.MetaData:
    """A table whose `id` has these options."""
    return table(sa.Column("id", sa.Integer, primary_key=True, **options))


def index(*parts: Any, name: str = "ix", **options: Any) -> sa.MetaData:
    return table(sa.Index(name, *(parts or ("a",)), **options))


def unique(*columns: str, name: str = "uq", **options: Any) -> sa.MetaData:
    return table(sa.UniqueConstraint(*(columns or ("a",)), name=name, **options))


def check(text: str = "a > 1", **options: Any) -> sa.MetaData:
    return table(sa.CheckConstraint(text, name="ck", **options))


def foreign(column: str = "a", to: str = "p.id", **options: Any) -> sa.MetaData:
    made = table(sa.ForeignKeyConstraint([column], [to], name="fk", **options))
    sa.Table("p", made, sa.Column("id", sa.Integer, primary_key=True), sa.Column("b", sa.Integer, unique=True))
    return made


def exclude(operator: str = "=", **options: Any) -> sa.MetaData:
    return table(postgresql.ExcludeConstraint(("a", operator), name="ex", **options))


def identity(**options: Any) -> sa.MetaData:
    return x(sa.Identity(**options))


def sequence(**options: Any) -> sa.MetaData:
    made = sa.MetaData()
    sa.Sequence("s", metadata=made, **options)
    return made


def domain(**options: Any) -> sa.MetaData:
    return x(postgresql.DOMAIN("d", **{"data_type": sa.Integer(), **options}))


Pair = Callable[[], tuple[sa.MetaData, sa.MetaData]]


def without_and_with(make: Callable[..., sa.MetaData], given: dict[str, Any], **more: Any) -> Pair:
    """The same model without an option and with it; `more` is in both."""
    return lambda: (make(**more), make(**more, **given))


BY_OPTION: tuple[tuple[str, Callable[..., sa.MetaData], dict[str, Any], dict[str, Any]], ...] = (
    ("Table", table, {}, {
        "postgresql_inherits": "other", "postgresql_on_commit": "DROP", "postgresql_partition_by": "LIST (a)",
        "postgresql_tablespace": "fast", "postgresql_using": "columnar", "postgresql_with": {"fillfactor": 70},
        "postgresql_with_oids": True, "sqlite_autoincrement": True, "sqlite_strict": True, "sqlite_with_rowid": False,
    }),
    ("Column", id_, {}, {"sqlite_on_conflict_primary_key": "IGNORE"}),
    ("Column", x, {"unique": True, "nullable": False}, {
        "sqlite_on_conflict_not_null": "IGNORE", "sqlite_on_conflict_unique": "IGNORE"
    }),
    ("CheckConstraint", check, {}, {"postgresql_not_valid": True}),
    ("ForeignKeyConstraint", foreign, {}, {"postgresql_not_valid": True}),
    ("Constraint", unique, {}, {"sqlite_on_conflict": "IGNORE"}),
    ("PrimaryKeyConstraint", primary, {}, {"mysql_using": "btree", "postgresql_include": ["a"]}),
    ("UniqueConstraint", unique, {}, {"postgresql_include": ["id"], "postgresql_nulls_not_distinct": True}),
    ("Index", index, {"unique": True}, {
        "mysql_length": 3, "mysql_prefix": "FULLTEXT", "mysql_using": "hash", "mysql_with_parser": "ngram",
        "postgresql_concurrently": True, "postgresql_include": ["id"], "postgresql_nulls_not_distinct": True,
        "postgresql_ops": {"a": "int4_ops"}, "postgresql_tablespace": "fast", "postgresql_using": "hash",
        "postgresql_where": sa.text("a > 1"), "postgresql_with": {"fillfactor": 70}, "sqlite_where": sa.text("a > 1"),
    }),
    ("table", table, {}, {"comment": "one"}),
    ("column", x, {}, {"comment": "one", "nullable": False, "server_default": "1", "system": True}),
    ("column", x, {"nullable": False}, {"primary_key": True}),
    ("column", id_, {}, {"autoincrement": False}),
    ("constraint", unique, {}, {"deferrable": True}),
    ("constraint", unique, {"deferrable": True}, {"initially": "DEFERRED"}),
    ("constraint", foreign, {}, {"match": "FULL", "ondelete": "CASCADE", "onupdate": "CASCADE"}),
    ("constraint", exclude, {}, {"ops": {"a": "int4_ops"}, "using": "spgist", "where": sa.text("a > 1")}),
    ("index", index, {}, {"unique": True}),
    ("identity", identity, {}, {"always": True}),
    ("identity_options", sequence, {}, {
        "start": 5, "increment": 2, "minvalue": -5, "maxvalue": 99, "nominvalue": True, "nomaxvalue": True,
        "cycle": True, "cache": 5,
    }),
    ("element", sequence, {}, {"data_type": sa.SmallInteger()}),
    ("element", check, {}, {"comment": "one"}),
    ("domain", domain, {"collation": "C"}, {
        "check": "VALUE > 1", "constraint_name": "ck", "not_null": True, "data_type": sa.BigInteger(), "default": "1",
        "collation_schema": "s",
    }),
    ("domain", domain, {}, {"collation": "C"}),
)  # fmt: skip

PAIRS: dict[str, Pair] = {
    **{
        f"{of}.{name}": without_and_with(make, {name: value}, **more)
        for of, make, more, options in BY_OPTION
        for name, value in options.items()
    },
    "Table.mysql_*": lambda: (table(mysql_row_format="DYNAMIC"), table(mysql_row_format="COMPRESSED")),
    "table._prefixes": lambda: (table(), table(prefixes=["UNLOGGED"])),
    "table.primary_key": lambda: (table(), x(primary_key=True)),
    "table.foreign_key_constraints": lambda: (foreign(to="p.id"), foreign(to="p.b")),
    "column._user_defined_nullable": lambda: (x(sa.Computed("a + 1")), x(sa.Computed("a + 1"), nullable=False)),
    "column.computed": lambda: (x(), x(sa.Computed("a + 1"))),
    "column.constraints": lambda: (x(), x(sa.CheckConstraint("x > 1"))),
    "column.default": lambda: (x(), x(sa.Sequence("s"))),
    "column.foreign_keys": lambda: (x(), x(sa.ForeignKey("t.id"))),
    "column.identity": lambda: (x(), identity()),
    "column.name": lambda: (table(sa.Column("x", sa.Integer)), table(sa.Column("y", sa.Integer))),
    "column.type": lambda: (x(sa.Integer()), x(sa.Date())),
    "generated.persisted": lambda: (x(sa.Computed("a", persisted=True)), x(sa.Computed("a", persisted=False))),
    "generated.sqltext": lambda: (x(sa.Computed("a + 1")), x(sa.Computed("a + 2"))),
    "constraint.columns": lambda: (unique("a"), unique("id", "a")),
    "constraint.elements": lambda: (foreign("a"), foreign("id")),
    "constraint.name": lambda: (unique(name="one"), unique(name="two")),
    "constraint.sqltext": lambda: (check("a > 1"), check("a > 2")),
    "constraint._render_exprs": lambda: (exclude("="), exclude("<>")),
    "constraint._should_create_for_compiler": lambda: (
        check(), table(sa.CheckConstraint("a > 1", name="ck").ddl_if(dialect="sqlite"))
    ),
    "constraint._type_bound": lambda: (x(sa.Boolean()), x(sa.Boolean(create_constraint=True, name="is"))),
    "index.expressions": lambda: (index("a"), index(sa.desc("a"))),
    "index.name": lambda: (index(name="one"), index(name="two")),
}  # fmt: skip
"""Models that differ in one thing alone, by its name."""

OPTIONS = "the options, each by its name"
PLACE = "where it is"
NOTHING = {
    "Index.postgresql_invalid": "what reflection finds of an index",
    "Table.postgresql_ignore_search_path": "how a table is reflected",
    "column.dialect_options": OPTIONS,
    "column.table": PLACE,
    "constraint._implicit_generated": "a key that no model writes",
    "constraint.columns_autoinc_first": "the columns",
    "constraint.dialect_options": OPTIONS,
    "constraint.get_dialect_option": OPTIONS,
    "constraint.is_column_level": PLACE,
    "constraint.table": PLACE,
    "element.dialect_options": OPTIONS,
    "element.if_not_exists": "of the statement, and not of what it makes",
    "element.selectable": "of a view, whose whole text is compared, or of a table made from a query, which is refused",
    "element.table": PLACE,
    "element.temporary": "of a view, whose whole text is compared",
    "generated.column": PLACE,
    "index.dialect_options": OPTIONS,
    "index.get_dialect_option": OPTIONS,
    "index.table": PLACE,
    "table._autoincrement_column": "follows from the columns",
    "table._sorted_constraints": "the constraints, each by itself",
    "table.c": "the columns, each by itself",
    "table.description": "the name, and with another one it is another table",
    "table.dialect_options": OPTIONS,
    "table.kwargs": OPTIONS,
}
"""What is declared or read, and is no change of a model; each with the reason."""

REFUSED = {
    "Table.postgresql_inherits": "Table t: postgresql_inherits changes from None to ",
    "Table.postgresql_on_commit": "Table t: postgresql_on_commit changes from None to ",
    "Table.postgresql_partition_by": "Table t: postgresql_partition_by changes from None to ",
    "Table.postgresql_using": "Table t: postgresql_using changes from None to ",
    "CheckConstraint.postgresql_not_valid": "Constraint ck is NOT VALID",
    "ForeignKeyConstraint.postgresql_not_valid": "Constraint fk is NOT VALID",
    "Index.postgresql_concurrently": "Index ix is created concurrently",
    **{name: "Column t.x creates the domain d" for name in PAIRS if name.startswith("domain.")},
}
"""What is refused, with the beginning of the message, which names it."""

VALUES: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(("precision", "fsp", "length", "display_width"), (3, 5)),
    **dict.fromkeys(("scale", "dimensions"), (1, 2)),
    **dict.fromkeys(("timezone", "varying", "native_enum", "native_uuid", "unsigned", "zerofill"), (False, True)),
    **dict.fromkeys(("ascii", "binary", "national", "unicode"), (False, True)),
    **dict.fromkeys(("collation", "collation_schema", "charset"), ("one", "two")),
    **dict.fromkeys(("enums", "values"), (("a", "b"), ("a", "c"))),
    "item_type": (sa.Integer(), sa.Text()),
    "fields": ("YEAR", "MONTH"),
    "format_is_text_affinity": ("-", "1"),
}
"""Two values for each attribute of a type."""
SPELLED = {"format_is_text_affinity": "storage_format"}
"""Attributes that are given by an argument of another name."""
BESIDE = {"scale": {"precision": 9}, "collation_schema": {"collation": "one"}}
"""What an attribute needs beside it."""
NEEDED: dict[type, dict[str, Any]] = {
    sa.ARRAY: {"item_type": sa.Integer()},
    sa.String: {"length": 9},
    mysql.DOUBLE: {"precision": 9, "scale": 0},
    mysql.REAL: {"precision": 9, "scale": 0},
}
"""What a class needs whatever the attribute is."""
METHODS = {"type_engine", "get_col_spec"}


def pair_of_types(cls: type, attribute: str) -> Pair | None:
    """Models whose types differ in the attribute; None where the class cannot be given it."""
    try:
        types = [typed(cls, attribute, value) for value in VALUES[attribute]]
    except TypeError:
        return None
    return lambda: (x(types[0]), x(types[1]))


def typed(cls: type, attribute: str, value: Any) -> sa.types.TypeEngine[Any]:
    given = {SPELLED.get(attribute, attribute): value, **BESIDE.get(attribute, {})}
    listed = ("a", "b") if issubclass(cls, sa.Enum | mysql.SET) else ()
    if attribute in {"enums", "values"}:
        listed, given = given[attribute], {}
    needed = next((needed for of, needed in NEEDED.items() if issubclass(cls, of) and not listed), {})
    return cls(*listed, **{**needed, **given})  # type: ignore[no-any-return]


# ---------------------------------------------------------------------------- the tests

SEEN = "seen"


def outcome(pair: Pair, kind: Kind) -> str | None:
    """What the comparison of a history for this server alone says; None where the server's DDL is the same in both."""
    texts = [[statements(metadata, name) for name in kind.dialects] for metadata in pair()]
    if texts[0] == texts[1] or any(None in each for each in texts):
        return None
    try:
        before, after = (describe(each, described=Described(kind.dialects)) for each in pair())
        found = diff(before, after, Hints(servers=keys_of(kind.dialects)))
    except WrongUse as error:
        return str(error)
    return SEEN if found.operations or found.needs else "not seen"


def statements(metadata: sa.MetaData, name: str) -> list[str] | None:
    """What create_all executes on a server; None where the server cannot have such models."""
    found: list[str] = []

    def record(element: Any, *_: object, **__: object) -> None:
        found.append(str(element.compile(dialect=dialect(name))))

    try:
        metadata.create_all(MockConnection(dialect(name), record), checkfirst=False)
    except UNSAYABLE:
        return None
    return found


def test_everything_that_ddl_depends_on_has_a_pair_of_models() -> None:
    assert known() - PAIRS.keys() - NOTHING.keys() == set()
    assert {attribute for *_, attribute in read_of_types()} - VALUES.keys() - METHODS == set()


@pytest.mark.filterwarnings("ignore:Using 'mysql_")
@pytest.mark.parametrize("name", PAIRS)
def test_what_changes_the_ddl_of_a_server_is_seen_or_refused_by_name(name: str) -> None:
    if name not in known():
        pytest.skip(f"SQLAlchemy {sa.__version__} does not have it")
    found = [each for kind in KINDS.values() if (each := outcome(PAIRS[name], kind)) is not None]
    assert found
    assert all(each.startswith(REFUSED.get(name, SEEN)) for each in found), found


@pytest.mark.filterwarnings("ignore:the native_enum flag")
def test_what_changes_the_ddl_of_a_type_is_seen() -> None:
    pairs = {
        (name, cls, attribute): pair
        for name, cls, attribute in read_of_types()
        if attribute not in METHODS and (pair := pair_of_types(cls, attribute)) is not None
    }
    found = {each: outcome(pair, kind_of(each[0])) for each, pair in pairs.items()}
    assert {each: seen for each, seen in found.items() if seen not in {None, SEEN}} == {}
    assert sum(seen == SEEN for seen in found.values()) > 100
