"""Whatever models say, the values say: a revision made of them gives the very DDL that create_all gives."""

from __future__ import annotations

import enum
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy_utils import ChoiceType, EmailType, LtreeType, TSVectorType, URLType, UUIDType

from sqlstrata.dialects import dialect, unmarked
from sqlstrata.diff import Hints, diff
from sqlstrata.errors import WrongUse
from sqlstrata.schema import columns
from sqlstrata.schema import describe as describe_module
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.schema.values import Constraint, Schema, Table
from sqlstrata.source import flat
from sqlstrata.sql_objects import object_of
from tests.versions import IS_2_1, needs_2_1

ALL = ("sqlite", "postgresql", "mysql", "mariadb")
CONVENTION = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
LONG = "a_name_of_exactly_fifty_characters_that_goes_on_on"

# ------------------------------------------------------------- types of somebody's own


class Money(sa.TypeDecorator[Any]):
    """Another type on each server."""

    impl = sa.Integer
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.Numeric(12, 2) if dialect.name == "postgresql" else sa.BigInteger())


class Shout(sa.TypeDecorator[str]):
    impl = sa.String(40)
    cache_ok = True


class Point(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "POINT"


class Colour(enum.Enum):
    red = "r"
    green = "g"


# ------------------------------------------------------------------------------- models

Model = Callable[[sa.MetaData], object]


def column(*arguments: Any, **keywords: Any) -> Model:
    """A table `item` with an id and this column `v`."""
    return lambda metadata: sa.Table("item", metadata, identity(), sa.Column("v", *arguments, **keywords))


def item(*elements: Callable[[], Any], **options: Any) -> Model:
    """A table `item` with an id, two columns and these elements, each made anew."""
    return lambda metadata: sa.Table(
        "item", metadata, identity(), sa.Column("a", sa.Integer), sa.Column("b", sa.String(20)),
        *(each() for each in elements), **options,
    )  # fmt: skip


def identity() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def parent_and(child: Model) -> Model:
    def both(metadata: sa.MetaData) -> None:
        sa.Table("parent", metadata, identity(), sa.Column("x", sa.Integer), sa.UniqueConstraint("id", "x"))
        child(metadata)

    return both


def circle(metadata: sa.MetaData) -> None:
    keys = {"a": ("b", "fk_a_b"), "b": ("a", "fk_b_a")}
    for name, (other, key) in keys.items():
        foreign = sa.ForeignKey(f"{other}.id", name=key, use_alter=name == "a")
        sa.Table(name, metadata, identity(), sa.Column("other", sa.Integer, foreign))


def shared_enum(metadata: sa.MetaData) -> None:
    colour = sa.Enum(Colour, name="colour")
    for name in ("one", "two"):
        sa.Table(name, metadata, identity(), sa.Column("v", colour), sa.Column("w", colour))


def other_keys(metadata: sa.MetaData) -> None:
    """Columns that Python knows by other names than the database."""
    table = sa.Table("item", metadata, sa.Column("ID", sa.Integer, key="id", primary_key=True),
                     sa.Column("Nome", sa.String(9), key="nome"))  # fmt: skip
    sa.Index("ix_nome", table.c.nome)
    table.append_constraint(sa.UniqueConstraint("nome", "id", name="uq"))
    table.append_constraint(sa.CheckConstraint(table.c.nome != "", name="ck"))
    sa.Table("child", metadata, identity(), sa.Column("i", sa.Integer, sa.ForeignKey("item.id")))


def sequence(metadata: sa.MetaData) -> None:
    sa.Sequence("counter", start=5, increment=2, metadata=metadata)


Case = tuple[str, Model] | tuple[str, Model, tuple[str, ...]] | tuple[str, Model, tuple[str, ...], dict[str, Any]]

TYPES: list[Case] = [
    ("SQLAlchemy-Utils' EmailType", column(EmailType)),
    ("SQLAlchemy-Utils' URLType", column(URLType)),
    ("SQLAlchemy-Utils' UUIDType", column(UUIDType)),
    ("SQLAlchemy-Utils' UUIDType as text", column(UUIDType(binary=False))),
    ("SQLAlchemy-Utils' ChoiceType", column(ChoiceType([("a", "A")], impl=sa.Integer()))),
    ("SQLAlchemy-Utils' TSVectorType", column(TSVectorType), ("postgresql",)),
    ("SQLAlchemy-Utils' LtreeType", column(LtreeType), ("postgresql",)),
    ("a TypeDecorator", column(Shout)),
    ("a TypeDecorator with another length", column(Shout(12))),
    ("a TypeDecorator that is another type on each server", column(Money)),
    ("a UserDefinedType", column(Point)),
    ("a variant", column(sa.JSON().with_variant(postgresql.JSONB(), "postgresql"))),
    ("a variant that is a TypeDecorator", column(sa.Text().with_variant(Shout(9), "sqlite"))),
    (
        "variants for all servers",
        column(
            sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb").with_variant(postgresql.CITEXT(), "postgresql")
        ),
    ),
    ("a decorated type with variants", column(Shout(9).with_variant(mysql.TINYTEXT(), "mysql"))),
    ("a collation", column(sa.String(9, collation="nocase"))),
    ("an unsigned number", column(mysql.INTEGER(unsigned=True)), ("mysql", "mariadb")),
    ("a SET", column(mysql.SET("a", "it's")), ("mysql", "mariadb")),
    ("fractions of a second", column(sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"))),
    ("a time zone", column(sa.DateTime(timezone=True))),
    ("an array", column(postgresql.ARRAY(sa.String(9), dimensions=2)), ("postgresql",)),
    ("an array of enums", column(postgresql.ARRAY(sa.Enum("a", "b", name="k"))), ("postgresql",)),
    ("a domain of SQLite", column(sqlite.DATE(storage_format="%(year)d"))),
    ("an interval", column(sa.Interval(second_precision=3, day_precision=2))),
    ("a native interval", column(postgresql.INTERVAL(fields="DAY TO SECOND")), ("postgresql",)),
    ("precision and scale", column(sa.Numeric(12, 4))),
    ("a double", column(sa.Double())),
    ("a binary of a length", column(sa.LargeBinary(20))),
    ("a uuid that is text", column(sa.Uuid(native_uuid=False))),
    ("an enum class", column(sa.Enum(Colour))),
    ("an enum of texts with quotes", column(sa.Enum("it's", '50%"', name="k"))),
    ("an enum that is text", column(sa.Enum("a", "b", name="k", native_enum=False, length=30))),
    ("an enum that is checked", column(sa.Enum("a", "b", name="k", native_enum=False, create_constraint=True))),
    ("a native enum that is checked elsewhere", column(sa.Enum("a", "b", name="k", create_constraint=True))),
    ("one enum of two tables", shared_enum),
    ("an enum in a schema", column(sa.Enum("a", name="k", schema="shop")), ("postgresql", "sqlite")),
    ("a checked boolean", column(sa.Boolean(create_constraint=True, name="ck_v"))),
    ("a checked boolean without a name", column(sa.Boolean(create_constraint=True))),
]
COLUMNS: list[Case] = [
    ("a comment", column(sa.Integer, comment="it's 5% of \"all\"\nand a \\ more")),
    ("a default with quotes and percent signs", column(sa.String(50), server_default="it's 5% \"x\" a:b \\")),
    ("a default in SQL", column(sa.Integer, server_default=sa.text("(1 + 1)"))),
    ("a default with a colon", column(sa.String(9), server_default=sa.text("'a:b'"))),
    ("a boolean default", column(sa.Boolean, server_default=sa.false())),
    ("a function as default", column(sa.DateTime, server_default=sa.func.now())),
    ("a default that servers spell differently", column(sa.Date, server_default=sa.func.current_date())),
    ("a JSON default", column(sa.JSON, server_default=sa.text("'{\"a\": 1}'"))),
    ("a default of NULL", column(sa.Integer, server_default=sa.null())),
    ("a computed column", column(sa.Integer, sa.Computed("id * 2"))),
    ("a computed column that is stored", column(sa.Integer, sa.Computed("id % 2", persisted=True))),
    ("an identity", column(sa.Integer, sa.Identity(always=True, start=3, increment=2)), ("postgresql",)),
    ("an identity as key", lambda m: sa.Table("t", m, sa.Column("id", sa.Integer, sa.Identity(), primary_key=True))),
    ("a key that does not count", lambda m: sa.Table(
        "t", m, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)
    )),
    ("a key of two columns, one of which counts", lambda m: sa.Table(
        "t", m, sa.Column("a", sa.Integer, primary_key=True, autoincrement=True), sa.Column("b", sa.Integer, primary_key=True)
    ), ("postgresql", "mysql", "mariadb")),
    ("a sequence of its own", sequence),
    ("a sequence as default", lambda m: sa.Table(
        "t", m, sa.Column("id", sa.Integer, sa.Sequence("s", start=4), primary_key=True)
    )),
    ("a CHECK at the column", column(sa.Integer, sa.CheckConstraint("v > 0 AND v % 2 = 0"))),
    ("a named CHECK at the column", column(sa.Integer, sa.CheckConstraint("v > 0", name="ck_v"))),
    ("a name that is quoted without need", lambda m: sa.Table(
        "t", m, identity(), sa.Column(sa.sql.quoted_name("plain", quote=True), sa.Integer)
    )),
    ("a table's name that is quoted without need", lambda m: sa.Table("t", m, identity(), quote=True)),
    ("names with quotes, blanks, percent signs and accents", lambda m: sa.Table(
        'a "table"', m, identity(), sa.Column("5% é it's", sa.Integer, unique=True, index=True)
    )),
    ("columns with other names in Python", other_keys),
]  # fmt: skip
PARTS: list[Case] = [
    ("a unique key without a name", item(lambda: sa.UniqueConstraint("a", "b"))),
    ("a unique key with one", item(lambda: sa.UniqueConstraint("b", name="uq"))),
    ("a check without a name", item(lambda: sa.CheckConstraint("a <> 50 AND b LIKE '5%'"))),
    ("a check of an expression", item(lambda: sa.CheckConstraint(sa.column("a").in_([1, 2]), name="ck"))),
    ("a check with a colon", item(lambda: sa.CheckConstraint(sa.column("b") != "a:b", name="ck"))),
    ("a check on one server", item(lambda: sa.CheckConstraint("a > 0", name="ck").ddl_if(dialect="postgresql"))),
    ("a key that can wait", item(lambda: sa.UniqueConstraint("a", name="uq", deferrable=True, initially="DEFERRED")),
     ("postgresql", "sqlite")),
    ("NULLs that are not distinct", item(lambda: sa.UniqueConstraint("a", name="uq", postgresql_nulls_not_distinct=True))),
    ("an index", item(lambda: sa.Index("ix", "a", "b"))),
    ("a unique index in descending order", item(lambda: sa.Index("ix", sa.desc("a"), unique=True))),
    ("a partial index", item(lambda: sa.Index(
        "ix", "a", postgresql_where=sa.column("b") == "it's 5%", sqlite_where=sa.text("b = 'x'")
    ))),
    ("a functional index", item(lambda: sa.Index("ix", sa.func.lower(sa.column("b")))), ("sqlite", "postgresql")),
    ("an index of an expression", item(lambda: sa.Index("ix", sa.column("a") + 1)), ("sqlite",)),
    ("a GIN index with operators", item(lambda: sa.Index(
        "ix", "b", postgresql_using="gin", postgresql_ops={"b": "gin_trgm_ops"}
    ))),
    ("an index that includes", item(lambda: sa.Index("ix", "a", postgresql_include=["b"], postgresql_with={"fillfactor": 50}))),
    ("an index of a prefix", item(lambda: sa.Index("ix", "b", mysql_length={"b": 5}, mariadb_length={"b": 5}))),
    ("an EXCLUDE", item(lambda: postgresql.ExcludeConstraint(
        (sa.column("a"), "="), (sa.func.lower(sa.column("b")), "="), name="ex", using="gist", where=sa.column("a") > 0
    )), ("postgresql",)),
    ("a foreign key", parent_and(item(lambda: sa.ForeignKeyConstraint(["a"], ["parent.id"])))),
    ("a foreign key of two columns with all options", parent_and(item(lambda: sa.ForeignKeyConstraint(
        ["a", "id"], ["parent.id", "parent.x"], name="fk", ondelete="SET NULL", onupdate="CASCADE", deferrable=True,
        initially="DEFERRED",
    ))), ("sqlite", "postgresql")),
    ("a foreign key to itself", item(lambda: sa.ForeignKeyConstraint(["a"], ["item.id"]))),
    ("foreign keys in a circle", circle),
    ("a convention's names", item(
        lambda: sa.UniqueConstraint("a", "b"), lambda: sa.CheckConstraint("a > 0", name="positive"),
        lambda: sa.Index(None, "b"), lambda: sa.ForeignKeyConstraint(["a"], ["item.id"]),
    ), ALL, CONVENTION),
    ("a name outside the convention", item(lambda: sa.CheckConstraint("a > 0", name=sa.schema.conv("mine"))), ALL, CONVENTION),
    ("a convention's names that are longer than any server's", lambda m: sa.Table(
        LONG, m, identity(), sa.Column(LONG + "_1", sa.Integer, unique=True), sa.Column(LONG + "_2", sa.Integer, index=True),
        sa.Column("p", sa.Integer, sa.ForeignKey(f"{LONG}.id")),
    ), ALL, CONVENTION),
    ("a checked enum under a convention", column(
        sa.Enum("a", "b", name="k", native_enum=False, create_constraint=True)
    ), ALL, CONVENTION),
]  # fmt: skip
TABLES: list[Case] = [
    ("a comment on the table", item(comment='it\'s 5% of "all"')),
    ("MariaDB's options", item(mysql_engine="MyISAM", mysql_charset="latin1", mariadb_engine="MyISAM")),
    ("SQLite's options", item(sqlite_strict=False, sqlite_with_rowid=False, sqlite_autoincrement=False)),
    ("AUTOINCREMENT", item(sqlite_autoincrement=True)),
    (
        "PostgreSQL's options",
        item(postgresql_tablespace="fast", **({"postgresql_with": {"fillfactor": 70}} if IS_2_1 else {})),
    ),
    (
        "a partitioned table",
        lambda m: sa.Table("t", m, sa.Column("a", sa.Integer), postgresql_partition_by="RANGE (a)"),
    ),
    ("a prefix", item(prefixes=["UNLOGGED"]), ("postgresql",)),
    ("a schema", item(schema="shop"), ("postgresql", "mysql", "mariadb")),
    ("no key at all", lambda m: sa.Table("t", m, sa.Column("a", sa.Integer))),
]
CASES = [*TYPES, *COLUMNS, *PARTS, *TABLES]


@pytest.mark.parametrize("server", ALL)
@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_a_revision_says_what_create_all_says(case: Case, server: str) -> None:
    _, model, servers, convention = (*case, *(ALL, None)[len(case) - 2 :])
    if server not in servers:
        pytest.skip(f"not on {server}")
    metadata = sa.MetaData(naming_convention=convention)
    model(metadata)
    assert revised(metadata, server) == created(metadata, server)


@pytest.mark.parametrize("server", ALL)
def test_a_new_table_s_indexes_are_made_in_the_order_in_which_the_revision_says_them(server: str) -> None:
    metadata = sa.MetaData()
    sa.Table("item", metadata, *(sa.Column(f"c{number}", sa.Integer, index=True) for number in range(20)))
    found = re.findall(r"INDEX (ix_item_c\d+)", executed(metadata, server))
    assert found == sorted(f"ix_item_c{number}" for number in range(20))


def test_the_metadata_s_own_schema_is_that_of_its_tables_types_and_sequences() -> None:
    metadata = sa.MetaData(schema="shop")
    sa.Table("item", metadata, identity(), sa.Column("v", sa.Enum("a", name="k", metadata=metadata)))
    sa.Table("child", metadata, identity(), sa.Column("i", sa.Integer, sa.ForeignKey("shop.item.id")))
    assert revised(metadata, "postgresql") == created(metadata, "postgresql")


def test_describing_leaves_the_models_as_they_were() -> None:
    metadata = sa.MetaData()
    for _, model, *_rest in (("", circle), TYPES[0], *PARTS[:3]):
        metadata.clear()
        model(metadata)
        before = {server: created(metadata, server) for server in ALL}
        describe(metadata)
        assert {server: created(metadata, server) for server in ALL} == before


class Loud(sa.String):
    """Has words of its own on SQLite."""


@compiles(Loud, "sqlite")
def _loud(*_: object, **__: object) -> str:
    return "LOUD"


# Columns that are alike but for one thing, each in a table of its own.
ALIKE: dict[str, Callable[[sa.MetaData], sa.Table]] = {
    "plain": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer)),
    "another table": lambda m: sa.Table("u", m, sa.Column("c", sa.Integer)),
    "another type": lambda m: sa.Table("t", m, sa.Column("c", sa.BigInteger)),
    "the key": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, primary_key=True)),
    "a part of the key": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, primary_key=True),
                                            sa.Column("d", sa.Integer, primary_key=True)),
    "the key, not counted": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, primary_key=True, autoincrement=False)),
    "the key, and points": lambda m: sa.Table("t", m, sa.Column("d", sa.Integer, unique=True),
                                              sa.Column("c", sa.Integer, sa.ForeignKey("t.d"), primary_key=True)),
    "counted by SQLite": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, primary_key=True), sqlite_autoincrement=True),
    "quoted": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, quote=True)),
    "not null": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, nullable=False)),
    "a text by default": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, server_default="1")),
    "SQL by default": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, server_default=sa.text("1"))),
    "true by default": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, server_default=sa.true())),
    "false by default": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, server_default=sa.false())),
    "now by default": lambda m: sa.Table("t", m, sa.Column("c", sa.DateTime, server_default=sa.func.now())),
    "a time that is asked for": lambda m: sa.Table("t", m, sa.Column("c", sa.DateTime, server_default=sa.func.now(3))),
    "a number of a sequence": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, sa.Sequence("s"))),
    "a comment": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, comment="x")),
    "a check": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, sa.CheckConstraint("c > 0"))),
    "a dialect's option": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer, sqlite_on_conflict_not_null="FAIL",
                                                               nullable=False)),
    "another on MariaDB": lambda m: sa.Table("t", m, sa.Column("c", sa.Integer().with_variant(sa.Text(), "mariadb"))),
    "a length": lambda m: sa.Table("t", m, sa.Column("c", sa.String(5))),
    "another length": lambda m: sa.Table("t", m, sa.Column("c", sa.String(6))),
    "a precision": lambda m: sa.Table("t", m, sa.Column("c", sa.Float(8))),
    "a precision with a point": lambda m: sa.Table("t", m, sa.Column("c", sa.Float(8.0))),  # type: ignore[arg-type]
    "words of its own": lambda m: sa.Table("t", m, sa.Column("c", Loud(5))),
    "a decorator": lambda m: sa.Table("t", m, sa.Column("c", Shout())),
    "labels": lambda m: sa.Table("t", m, sa.Column("c", sa.Enum("a", "b", name="e"))),
    "other labels": lambda m: sa.Table("t", m, sa.Column("c", sa.Enum("a", "c", name="e"))),
}  # fmt: skip


def test_columns_share_a_value_only_if_they_are_the_same() -> None:
    def made(name: str, known: Described) -> Table:
        metadata = sa.MetaData()
        return describe(metadata, None, {ALIKE[name](metadata).key}, known).tables[next(iter(metadata.tables))]

    alone = {}
    for name in ALIKE:
        alone[name] = made(name, Described())
    known = Described()
    together = {name: made(name, known) for name in [*ALIKE, *ALIKE]}
    assert together == alone
    assert together["plain"].columns["c"] is together["another table"].columns["c"]


def test_a_lie_of_a_column_that_is_like_another_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Described()
    honest = columns._described
    monkeypatch.setattr(columns, "_described", lambda *given: replace(honest(*given), rest=("sa.BigInteger()",)))
    for _ in range(2):
        metadata = sa.MetaData()
        ALIKE["plain"](metadata)
        with pytest.raises(WrongUse, match="cannot be written as a revision: on sqlite"):
            describe(metadata, described=known)


@pytest.mark.parametrize("lie", [{"columns": ("id",)}, {"columns": ("a", "id")}, {"keywords": ()}])
def test_a_lie_of_a_constraint_whose_columns_are_known_is_found_out(
    lie: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def model(name: str) -> sa.MetaData:
        metadata = sa.MetaData(naming_convention=CONVENTION)
        sa.Table(name, metadata, identity(), sa.Column("a", sa.Integer), sa.UniqueConstraint("a"))
        return metadata

    known = Described()
    describe(model("one"), described=known)
    honest = describe_module.constraint_of

    def lying(constraint: sa.Constraint, dialects: tuple[str, ...]) -> Constraint | None:
        made = honest(constraint, dialects)
        return replace(made, **lie) if made is not None and made.kind == "unique" else made

    monkeypatch.setattr(describe_module, "constraint_of", lying)
    with pytest.raises(WrongUse, match="on sqlite the models give 'CONSTRAINT uq_two_a UNIQUE"):
        describe(model("two"), described=known)


def test_a_lie_of_an_index_whose_columns_are_known_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def model(name: str) -> sa.MetaData:
        metadata = sa.MetaData(naming_convention=CONVENTION)
        sa.Table(name, metadata, identity(), sa.Column("a", sa.Integer, index=True))
        return metadata

    known = Described()
    describe(model("one"), described=known)
    honest = describe_module.index_of
    monkeypatch.setattr(describe_module, "index_of", lambda *given: replace(honest(*given), unique=True))
    with pytest.raises(WrongUse, match="on sqlite the models give 'CREATE INDEX"):
        describe(model("two"), described=known)


def test_describing_twice_gives_equal_values() -> None:
    made = []
    for _ in range(2):
        metadata = sa.MetaData(naming_convention=CONVENTION)
        circle(metadata)
        item(lambda: sa.UniqueConstraint("a", "b"), lambda: sa.Index("ix", "b"))(metadata)
        made.append(describe(metadata))
    assert made[0] == made[1]


# --------------------------------------------------------------- what cannot be written


def from_a_query(metadata: sa.MetaData) -> None:
    source = sa.Table("item", metadata, identity())
    sa.CreateTableAs(sa.select(source), "copy", metadata=metadata)


def to_nowhere(metadata: sa.MetaData) -> None:
    sa.Table("child", metadata, identity(), sa.Column("i", sa.Integer, sa.ForeignKey("gone.id")))


def two_sets_of_labels(metadata: sa.MetaData) -> None:
    for name, labels in (("one", "ab"), ("two", "abc")):
        sa.Table(name, metadata, identity(), sa.Column("v", sa.Enum(*labels, name="k")))


def unquoted(metadata: sa.MetaData) -> None:
    """PostgreSQL would fold the name."""
    sa.Table("item", metadata, identity(), sa.Column(sa.sql.quoted_name("Mixed", quote=False), sa.Integer))


def nameless_index(metadata: sa.MetaData) -> None:
    metadata.naming_convention = {}  # type: ignore[assignment]
    sa.Table("item", metadata, identity(), sa.Column("v", sa.Integer, index=True))


def domain(metadata: sa.MetaData) -> None:
    """Its name is all that CREATE TABLE says of it."""
    sa.Table("item", metadata, identity(), sa.Column("v", postgresql.DOMAIN("pos", sa.Integer, check="VALUE > 0")))


def index_of_one_server(metadata: sa.MetaData) -> None:
    """op.create_index has no words for it, so that every server would get it."""
    sa.Table("item", metadata, identity(), sa.Column("v", sa.Integer), sa.Index("ix", "v").ddl_if(dialect="postgresql"))


UNSAYABLE = [
    (index_of_one_server, "Index ix of table item has a condition (ddl_if), which a revision cannot express."),
    (domain, "Column item.v creates the domain pos, which a revision cannot do."),
    (nameless_index, "An index of table item has no name."),
    (unquoted, "Table item cannot be written as a revision: on sqlite the models give 'Mixed INTEGER', the revision"),
    (to_nowhere, "Table child has a foreign key to a table or column that does not exist: Foreign key associated with"),
    (two_sets_of_labels, "Enum type k has two sets of values: ['a', 'b'] and ['a', 'b', 'c']."),
]
OF_A_QUERY = "Table copy is made from a query (CreateTableAs), which a revision cannot do."


@pytest.mark.parametrize(
    ("model", "message"),
    [*UNSAYABLE, pytest.param(from_a_query, OF_A_QUERY, marks=needs_2_1)],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_cannot_be_written_is_refused_with_a_sentence(model: Model, message: str) -> None:
    metadata = sa.MetaData()
    model(metadata)
    with pytest.raises(WrongUse) as error:
        describe(metadata)
    assert error.value.message.startswith(message)
    assert error.value.hint


def test_a_foreign_key_to_a_column_that_is_not_there_offers_the_nearest() -> None:
    """Where the table is there, no module is off."""
    metadata = sa.MetaData()
    sa.Table("item", metadata, identity(), schema="shop")
    sa.Table("child", metadata, identity(), sa.Column("i", sa.Integer, sa.ForeignKey("shop.item.idd")))
    with pytest.raises(WrongUse) as error:
        describe(metadata)
    assert error.value.hint == "The nearest column is `id`."


def test_a_table_that_one_server_cannot_have_says_why() -> None:
    metadata = sa.MetaData()
    column(postgresql.ARRAY(sa.Integer))(metadata)
    problems = describe(metadata).tables["item"].problems
    assert set(problems) == {"sqlite", "mysql", "mariadb"}
    assert "ARRAY" in problems["sqlite"]


# --------------------------------------------------------------------- create_all and the revision


def created(metadata: sa.MetaData, server: str) -> list[list[str]]:
    """What create_all runs on a server that has nothing yet."""
    heard: list[str] = []

    def hear(element: Any, *_: object, **__: object) -> None:
        heard.append(str(element.compile(dialect=dialect(server))))

    with unmarked(metadata):
        metadata.create_all(MockConnection(dialect(server), hear), checkfirst=False)
    return arranged(heard)


def revised(metadata: sa.MetaData, server: str) -> list[list[str]]:
    """What the first stage's revision runs, statement by statement."""
    statements = [statement for statement in executed(metadata, server).split(";\n\n") if statement.strip()]
    return arranged(each for statement in statements for each in apart(statement))


def executed(metadata: sa.MetaData, server: str) -> str:
    """What the first stage's revision runs, with nothing imported but SQLAlchemy and Alembic."""
    made = diff(Schema(), describe(metadata), Hints())
    buffer = io.StringIO()
    context = MigrationContext.configure(dialect=dialect(server), opts={"as_sql": True, "output_buffer": buffer})
    names = {"sa": sa, "op": Operations(context), "mysql": mysql, "postgresql": postgresql, "sqlite": sqlite}
    for operation in made.operations:
        eval(flat(operation.source), names)  # noqa: S307 - what a revision would run
    return buffer.getvalue()


def apart(statement: str) -> Iterator[str]:
    """The statement without its indexes, which MariaDB's CREATE TABLE has inside, and theirs as create_all has them."""
    lines = statement.strip().splitlines()
    yield "\n".join(line for line in lines if not _INDEX.match(line))
    table = lines[0].removeprefix("CREATE TABLE ").removesuffix(" (")
    for found in filter(None, map(_INDEX.match, lines)):
        yield f"CREATE {found['name']} ON {table} {found['columns']}"


_INDEX = re.compile(r"\s+(?P<name>(?:UNIQUE )?INDEX (?:`(?:[^`]|``)+`|\w+)) (?P<columns>.*?),?\s*$")


def arranged(statements: Iterator[str] | list[str]) -> list[list[str]]:
    """The statements, each with its lines, in an order that does not matter."""
    lines = [[part.strip().rstrip(",;") for part in each.strip().splitlines() if part.strip()] for each in statements]
    return sorted([sorted(re.sub(r"\s+", " ", part) for part in each) for each in lines])


# ------------------------------------------------------------------------------- events


def test_an_object_of_one_server_keeps_its_place_and_has_no_statement_on_the_others() -> None:
    """Here a function, which the trigger needs: on PostgreSQL alone."""
    metadata = sa.MetaData()
    sa.Table("item", metadata, identity())
    function, trigger = "CREATE FUNCTION f() RETURNS trigger", "CREATE TRIGGER t BEFORE INSERT ON item"
    for server, text in (("sqlite", trigger), ("postgresql", function), ("postgresql", trigger)):
        sa.event.listen(metadata, "after_create", sa.DDL(text).execute_if(dialect=server))
    found = describe(metadata).statements
    assert list(found) == ["function f", "trigger t"]
    assert found["function f"].create == {"sqlite": (), "postgresql": (function,), "mariadb": ()}
    assert found["trigger t"].drop == {
        "sqlite": ("DROP TRIGGER t",),
        "postgresql": ("DROP TRIGGER t ON item",),
        "mariadb": (),
    }


def test_a_rule_is_dropped_from_its_table() -> None:
    rule = object_of("CREATE RULE r AS ON DELETE TO item DO INSTEAD NOTHING")
    assert rule is not None
    assert rule.drop("postgresql") == ("DROP RULE r ON item",)
