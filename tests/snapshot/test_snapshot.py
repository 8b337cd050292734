"""A snapshot sees whatever changes in a database, and nothing where only spelling, order or invented names differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache

import pytest
import sqlalchemy as sa

from sqlstrata.scratch.bracket import Scratch, scratch
from sqlstrata.scratch.clear import clear
from sqlstrata.snapshot import Difference, Element, Snapshot, Thing, differences, rows, snapshot
from tests.servers import RELEASES, answering, family

ALL = ("sqlite", "postgresql", "mariadb")
ITEM = "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50), qty INTEGER, code VARCHAR(20))"
PARENT = "CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY, code INTEGER NOT NULL UNIQUE)"


def item(*parts: str, tail: str = "") -> str:
    """A table `item` with these columns and constraints."""
    return f"CREATE TABLE item ({', '.join(parts)}){tail}"


def column(text: str, *parts: str, tail: str = "") -> str:
    """A table `item` with an id, this column v and these constraints."""
    return item("id INTEGER NOT NULL PRIMARY KEY", f"v {text}".rstrip(), *parts, tail=tail)


Sql = str | tuple[str, ...]
Change = tuple[tuple[str, ...], str, Sql, Sql, str]
SQLITE, POSTGRESQL, MARIADB = ("sqlite",), ("postgresql",), ("mariadb",)

# Servers, the kind of thing, SQL for one database and for the other, and the differences in words.
CHANGES: list[Change] = [
    (ALL, "table", (ITEM, PARENT), ITEM, "parent table"),
    (ALL, "column", column("INTEGER", "w INTEGER"), column("INTEGER"), "item column w"),
    (ALL, "type length", column("VARCHAR(10)"), column("VARCHAR(11)"), "item column v: type"),
    (ALL, "type family", column("INTEGER"), column("VARCHAR(10)"), "item column v: type"),
    (ALL, "numeric scale", column("NUMERIC(10,2)"), column("NUMERIC(10,3)"), "item column v: type"),
    (ALL, "not null", column("INTEGER"), column("INTEGER NOT NULL"), "item column v: not null"),
    (ALL, "default", column("INTEGER DEFAULT 1"), column("INTEGER DEFAULT 2"), "item column v: default"),
    (ALL, "default gone", column("INTEGER DEFAULT 1"), column("INTEGER"), "item column v: default"),
    (ALL, "default text", column("VARCHAR(9) DEFAULT 'a'"), column("VARCHAR(9) DEFAULT 'A'"), "item column v: default"),
    (
        ALL,
        "generated expression",
        column("INTEGER GENERATED ALWAYS AS (id + 1) STORED"),
        column("INTEGER GENERATED ALWAYS AS (id + 2) STORED"),
        "item column v: generated",
    ),
    (
        ALL,
        "primary key columns",
        item("a INTEGER NOT NULL", "b INTEGER NOT NULL", "PRIMARY KEY (a)"),
        item("a INTEGER NOT NULL", "b INTEGER NOT NULL", "PRIMARY KEY (a, b)"),
        "item primary key",
    ),
    (
        ALL,
        "primary key order",
        item("a INTEGER NOT NULL", "b INTEGER NOT NULL", "PRIMARY KEY (b, a)"),
        item("a INTEGER NOT NULL", "b INTEGER NOT NULL", "PRIMARY KEY (a, b)"),
        "item primary key",
    ),
    (
        ALL,
        "primary key gone",
        item("a INTEGER NOT NULL", "PRIMARY KEY (a)"),
        item("a INTEGER NOT NULL"),
        "item primary key",
    ),
    (ALL, "unique", column("INTEGER", "CONSTRAINT uq_v UNIQUE (v)"), column("INTEGER"), "item unique uq_v"),
    (ALL, "unique unnamed", column("INTEGER", "UNIQUE (v)"), column("INTEGER"), "item unique (v)"),
    (
        ALL,
        "unique columns",
        column("INTEGER", "w INTEGER", "CONSTRAINT uq UNIQUE (v, w)"),
        column("INTEGER", "w INTEGER", "CONSTRAINT uq UNIQUE (w, v)"),
        "item unique uq",
    ),
    (
        ALL,
        "unique name",
        column("INTEGER", "CONSTRAINT uq_v UNIQUE (v)"),
        column("INTEGER", "CONSTRAINT uq_w UNIQUE (v)"),
        "item unique (v): name",
    ),
    (ALL, "check", column("INTEGER", "CONSTRAINT ck_v CHECK (v > 0)"), column("INTEGER"), "item check ck_v"),
    (
        ALL,
        "check text",
        column("INTEGER", "CONSTRAINT ck_v CHECK (v > 0)"),
        column("INTEGER", "CONSTRAINT ck_v CHECK (v > 1)"),
        "item check ck_v",
    ),
    (ALL, "check unnamed", column("INTEGER", "CHECK (v > 0)"), column("INTEGER"), "item check *"),
    (
        ALL,
        "check literal",
        column("VARCHAR(9)", "CONSTRAINT ck_v CHECK (v <> 'a')"),
        column("VARCHAR(9)", "CONSTRAINT ck_v CHECK (v <> 'A')"),
        "item check ck_v",
    ),
    (
        ALL,
        "foreign key",
        (PARENT, column("INTEGER", "CONSTRAINT fk_v FOREIGN KEY (v) REFERENCES parent (id)")),
        (PARENT, column("INTEGER")),
        "item foreign key fk_v; item index *",
    ),
    (
        ALL,
        "foreign key unnamed",
        (PARENT, column("INTEGER", "FOREIGN KEY (v) REFERENCES parent (id)")),
        (PARENT, column("INTEGER")),
        "item foreign key (v) -> parent(id); item index *",
    ),
    (
        ALL,
        "foreign key target",
        (PARENT, column("INTEGER", "CONSTRAINT fk_v FOREIGN KEY (v) REFERENCES parent (id)")),
        (PARENT, column("INTEGER", "CONSTRAINT fk_v FOREIGN KEY (v) REFERENCES parent (code)")),
        "item foreign key fk_v",
    ),
    (
        ALL,
        "foreign key on delete",
        (PARENT, column("INTEGER", "FOREIGN KEY (v) REFERENCES parent (id)")),
        (PARENT, column("INTEGER", "FOREIGN KEY (v) REFERENCES parent (id) ON DELETE CASCADE")),
        "item foreign key (v) -> parent(id)",
    ),
    (
        ALL,
        "foreign key on update",
        (PARENT, column("INTEGER", "FOREIGN KEY (v) REFERENCES parent (id) ON UPDATE CASCADE")),
        (PARENT, column("INTEGER", "FOREIGN KEY (v) REFERENCES parent (id) ON UPDATE SET NULL")),
        "item foreign key (v) -> parent(id)",
    ),
    (
        SQLITE + POSTGRESQL,
        "foreign key deferrable",
        (PARENT, column("INTEGER", "FOREIGN KEY (v) REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED")),
        (PARENT, column("INTEGER", "FOREIGN KEY (v) REFERENCES parent (id) DEFERRABLE")),
        "item foreign key (v) -> parent(id)",
    ),
    (ALL, "index", (ITEM, "CREATE INDEX ix_name ON item (name)"), ITEM, "item index ix_name"),
    (
        ALL,
        "index order",
        (ITEM, "CREATE INDEX ix ON item (name, qty)"),
        (ITEM, "CREATE INDEX ix ON item (qty, name)"),
        "item index ix",
    ),
    (
        ALL,
        "index direction",
        (ITEM, "CREATE INDEX ix ON item (qty DESC)"),
        (ITEM, "CREATE INDEX ix ON item (qty)"),
        "item index ix",
    ),
    (
        SQLITE + POSTGRESQL,
        "index unique",
        (ITEM, "CREATE UNIQUE INDEX ix ON item (qty)"),
        (ITEM, "CREATE INDEX ix ON item (qty)"),
        "item index ix",
    ),
    (
        MARIADB,
        "index unique",
        (ITEM, "CREATE UNIQUE INDEX ix ON item (qty)"),
        (ITEM, "CREATE INDEX ix ON item (qty)"),
        "item index ix; item unique ix",
    ),
    (
        ALL,
        "index name",
        (ITEM, "CREATE INDEX ix_a ON item (qty)"),
        (ITEM, "CREATE INDEX ix_b ON item (qty)"),
        "item index *: name",
    ),
    (
        SQLITE + POSTGRESQL,
        "index expression",
        (ITEM, "CREATE INDEX ix ON item (lower(name))"),
        (ITEM, "CREATE INDEX ix ON item (upper(name))"),
        "item index ix",
    ),
    (
        SQLITE + POSTGRESQL,
        "index where",
        (ITEM, "CREATE INDEX ix ON item (qty) WHERE qty > 0"),
        (ITEM, "CREATE INDEX ix ON item (qty) WHERE qty > 1"),
        "item index ix",
    ),
    (
        SQLITE + POSTGRESQL + MARIADB,
        "view",
        (ITEM, "CREATE VIEW shown AS SELECT id, name FROM item"),
        (ITEM, "CREATE VIEW shown AS SELECT id, qty FROM item"),
        "shown view*; shown column*",
    ),
    (
        ALL,
        "a view in a table's place",
        (ITEM, "CREATE VIEW shown AS SELECT id FROM item"),
        (ITEM, "CREATE TABLE shown (id INTEGER)"),
        "shown *",
    ),
    # SQLite
    (SQLITE, "collation", column("TEXT COLLATE NOCASE"), column("TEXT"), "item column v: collation"),
    (
        SQLITE,
        "virtual, not stored",
        column("INTEGER GENERATED ALWAYS AS (id) STORED"),
        column("INTEGER GENERATED ALWAYS AS (id) VIRTUAL"),
        "item column v: stored",
    ),
    (
        SQLITE,
        "autoincrement",
        item("id INTEGER PRIMARY KEY AUTOINCREMENT"),
        item("id INTEGER PRIMARY KEY"),
        "item column id: autoincrement",
    ),
    (
        SQLITE,
        "on conflict of not null",
        column("TEXT NOT NULL ON CONFLICT IGNORE"),
        column("TEXT NOT NULL"),
        "item column v: not null",
    ),
    (
        SQLITE,
        "on conflict of unique",
        column("TEXT", "UNIQUE (v) ON CONFLICT REPLACE"),
        column("TEXT", "UNIQUE (v)"),
        "item unique (v)",
    ),
    (
        SQLITE,
        "on conflict of primary key",
        item("id INTEGER", "PRIMARY KEY (id) ON CONFLICT REPLACE"),
        item("id INTEGER", "PRIMARY KEY (id)"),
        "item primary key",
    ),
    (SQLITE, "without rowid", column("TEXT", tail=" WITHOUT ROWID"), column("TEXT"), "item without rowid"),
    (SQLITE, "strict", column("TEXT", tail=" STRICT"), column("TEXT"), "item strict"),
    (
        SQLITE,
        "index collation",
        (ITEM, "CREATE INDEX ix ON item (name COLLATE NOCASE)"),
        (ITEM, "CREATE INDEX ix ON item (name)"),
        "item index ix",
    ),
    (
        SQLITE,
        "quoted keyword",
        column('TEXT DEFAULT "current_date"'),
        column("TEXT DEFAULT current_date"),
        "item column v: default",
    ),
    (
        SQLITE,
        "trigger",
        (ITEM, "CREATE TRIGGER t AFTER INSERT ON item BEGIN UPDATE item SET qty = 1; END"),
        (ITEM, "CREATE TRIGGER t AFTER INSERT ON item BEGIN UPDATE item SET qty = 2; END"),
        "item trigger t",
    ),
    (
        SQLITE,
        "trigger of a view",
        (ITEM, "CREATE VIEW w AS SELECT id FROM item", "CREATE TRIGGER t INSTEAD OF INSERT ON w BEGIN SELECT 1; END"),
        (ITEM, "CREATE VIEW w AS SELECT id FROM item"),
        "w trigger t",
    ),
    (
        SQLITE,
        "virtual table",
        "CREATE VIRTUAL TABLE found USING fts5(a)",
        "CREATE VIRTUAL TABLE found USING fts5(a, b)",
        "found*",
    ),
    # PostgreSQL
    (POSTGRESQL, "timezone", column("TIMESTAMP"), column("TIMESTAMP WITH TIME ZONE"), "item column v: type"),
    (POSTGRESQL, "array", column("INTEGER[]"), column("INTEGER"), "item column v: type"),
    (POSTGRESQL, "collation", column('TEXT COLLATE "C"'), column("TEXT"), "item column v: collation"),
    (
        POSTGRESQL,
        "identity",
        column("INTEGER GENERATED ALWAYS AS IDENTITY"),
        column("INTEGER GENERATED BY DEFAULT AS IDENTITY"),
        "item column v: identity",
    ),
    (
        POSTGRESQL,
        "identity options",
        column("INTEGER GENERATED ALWAYS AS IDENTITY (START 5)"),
        column("INTEGER GENERATED ALWAYS AS IDENTITY"),
        "item sequence of column v: start",
    ),
    (
        POSTGRESQL,
        "serial",
        column("SERIAL"),
        column("INTEGER NOT NULL"),
        "item column v: default; item sequence of column v",
    ),
    (
        POSTGRESQL,
        "comments",
        (ITEM, "COMMENT ON TABLE item IS 'a'", "COMMENT ON COLUMN item.qty IS 'b'"),
        ITEM,
        "item column qty: comment; item comment",
    ),
    (
        POSTGRESQL,
        "comment on a constraint",
        (column("INTEGER", "CONSTRAINT ck CHECK (v > 0)"), "COMMENT ON CONSTRAINT ck ON item IS 'a'"),
        column("INTEGER", "CONSTRAINT ck CHECK (v > 0)"),
        "item check ck: comment",
    ),
    (
        POSTGRESQL,
        "constraint not valid",
        (column("INTEGER"), "ALTER TABLE item ADD CONSTRAINT ck CHECK (v > 0) NOT VALID"),
        column("INTEGER", "CONSTRAINT ck CHECK (v > 0)"),
        "item check ck",
    ),
    (
        POSTGRESQL,
        "nulls not distinct",
        column("INTEGER", "CONSTRAINT uq UNIQUE NULLS NOT DISTINCT (v)"),
        column("INTEGER", "CONSTRAINT uq UNIQUE (v)"),
        "item unique uq",
    ),
    (
        POSTGRESQL,
        "exclude",
        column("int4range", "CONSTRAINT ex EXCLUDE USING gist (v WITH &&)"),
        column("int4range", "CONSTRAINT ex EXCLUDE USING gist (v WITH =)"),
        "item exclude ex",
    ),
    (
        POSTGRESQL,
        "index method",
        (ITEM, "CREATE INDEX ix ON item USING hash (qty)"),
        (ITEM, "CREATE INDEX ix ON item (qty)"),
        "item index ix",
    ),
    (
        POSTGRESQL,
        "operator class",
        (ITEM, "CREATE INDEX ix ON item (name varchar_pattern_ops)"),
        (ITEM, "CREATE INDEX ix ON item (name)"),
        "item index ix",
    ),
    (
        POSTGRESQL,
        "index include",
        (ITEM, "CREATE INDEX ix ON item (qty) INCLUDE (name)"),
        (ITEM, "CREATE INDEX ix ON item (qty)"),
        "item index ix",
    ),
    (
        POSTGRESQL,
        "index options",
        (ITEM, "CREATE INDEX ix ON item (qty) WITH (fillfactor=50)"),
        (ITEM, "CREATE INDEX ix ON item (qty)"),
        "item index ix",
    ),
    (POSTGRESQL, "table options", column("INTEGER", tail=" WITH (fillfactor=50)"), column("INTEGER"), "item options"),
    (
        POSTGRESQL,
        "column options",
        (ITEM, "ALTER TABLE item ALTER qty SET (n_distinct = 5)"),
        ITEM,
        "item column qty: options",
    ),
    (
        POSTGRESQL,
        "storage",
        (ITEM, "ALTER TABLE item ALTER name SET STORAGE EXTERNAL"),
        ITEM,
        "item column name: storage",
    ),
    (
        POSTGRESQL,
        "unlogged",
        "CREATE UNLOGGED TABLE item (id INTEGER)",
        "CREATE TABLE item (id INTEGER)",
        "item persistence",
    ),
    (
        POSTGRESQL,
        "partition",
        item("a INTEGER", tail=" PARTITION BY RANGE (a)"),
        item("a INTEGER", tail=" PARTITION BY LIST (a)"),
        "item partition by",
    ),
    (
        POSTGRESQL,
        "inheritance",
        (PARENT, "CREATE TABLE item (id INTEGER NOT NULL, code INTEGER NOT NULL)"),
        (PARENT, "CREATE TABLE item () INHERITS (parent)"),
        "item column code: inherited; item column id: inherited; item inherits",
    ),
    (POSTGRESQL, "row security", (ITEM, "ALTER TABLE item ENABLE ROW LEVEL SECURITY"), ITEM, "item row security"),
    (
        POSTGRESQL,
        "policy",
        (ITEM, "CREATE POLICY p ON item USING (qty > 0)"),
        (ITEM, "CREATE POLICY p ON item USING (qty > 1)"),
        "item policy p",
    ),
    (POSTGRESQL, "rule", (ITEM, "CREATE RULE r AS ON DELETE TO item DO INSTEAD NOTHING"), ITEM, "item rule r"),
    (POSTGRESQL, "statistics", (ITEM, "CREATE STATISTICS st ON qty, name FROM item"), ITEM, "item statistics st"),
    (
        POSTGRESQL,
        "enum labels",
        "CREATE TYPE mood AS ENUM ('a', 'b')",
        "CREATE TYPE mood AS ENUM ('b', 'a')",
        "mood enum: labels",
    ),
    (
        POSTGRESQL,
        "domain",
        "CREATE DOMAIN small AS INTEGER CHECK (VALUE < 9)",
        "CREATE DOMAIN small AS INTEGER CHECK (VALUE < 8)",
        "small domain: checks",
    ),
    (
        POSTGRESQL,
        "composite type",
        "CREATE TYPE pair AS (a INTEGER)",
        "CREATE TYPE pair AS (a BIGINT)",
        "pair column a: type",
    ),
    (
        POSTGRESQL,
        "sequence",
        "CREATE SEQUENCE counter INCREMENT 2",
        "CREATE SEQUENCE counter",
        "counter sequence: increment",
    ),
    (
        POSTGRESQL,
        "sequence owner",
        (ITEM, "CREATE SEQUENCE counter OWNED BY item.qty"),
        (ITEM, "CREATE SEQUENCE counter"),
        "counter sequence; item sequence counter",
    ),
    (
        POSTGRESQL,
        "materialized view",
        (ITEM, "CREATE MATERIALIZED VIEW shown AS SELECT id FROM item"),
        (ITEM, "CREATE VIEW shown AS SELECT id FROM item"),
        "shown *",
    ),
    (
        POSTGRESQL,
        "index of a materialized view",
        (ITEM, "CREATE MATERIALIZED VIEW shown AS SELECT id FROM item", "CREATE INDEX ix ON shown (id)"),
        (ITEM, "CREATE MATERIALIZED VIEW shown AS SELECT id FROM item"),
        "shown index ix",
    ),
    (
        POSTGRESQL,
        "function",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "f() function ()",
    ),
    (
        POSTGRESQL,
        "overloaded function",
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ),
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "f() function (a integer)",
    ),
    (
        POSTGRESQL,
        "trigger",
        (
            ITEM,
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION f()",
        ),
        (
            ITEM,
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER t BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION f()",
        ),
        "item trigger t",
    ),
    (
        POSTGRESQL,
        "trigger off",
        (
            ITEM,
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION f()",
            "ALTER TABLE item DISABLE TRIGGER t",
        ),
        (
            ITEM,
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION f()",
        ),
        "item trigger t: state",
    ),
    # MariaDB
    (MARIADB, "unsigned", column("INTEGER UNSIGNED"), column("INTEGER"), "item column v: type"),
    (
        MARIADB,
        "collation",
        column("VARCHAR(9) COLLATE utf8mb4_bin"),
        column("VARCHAR(9)"),
        "item column v: character set; item column v: collation",
    ),
    (
        MARIADB,
        "virtual, not stored",
        column("INTEGER AS (id + 1) STORED"),
        column("INTEGER AS (id + 1) VIRTUAL"),
        "item column v: generated",
    ),
    (
        MARIADB,
        "auto_increment",
        item("id INTEGER PRIMARY KEY AUTO_INCREMENT"),
        item("id INTEGER PRIMARY KEY"),
        "item column id: auto_increment",
    ),
    (
        MARIADB,
        "on update",
        column("TIMESTAMP NULL DEFAULT NULL ON UPDATE current_timestamp()"),
        column("TIMESTAMP NULL DEFAULT NULL"),
        "item column v: on update",
    ),
    (
        MARIADB,
        "comments",
        column("INTEGER COMMENT 'AUTO_INCREMENT=7'", tail=" COMMENT='a'"),
        column("INTEGER COMMENT 'AUTO_INCREMENT=8'", tail=" COMMENT='it''s, (b'"),
        "item column v: comment; item comment",
    ),
    (MARIADB, "enum labels", column("ENUM('a', 'b,)')"), column("ENUM('b,)', 'a')"), "item column v: type"),
    (MARIADB, "column check", column("INTEGER CHECK (v > 0)"), column("INTEGER"), "item column v: check"),
    (MARIADB, "engine", column("INTEGER", tail=" ENGINE=Aria"), column("INTEGER"), "item engine; item page_checksum"),
    (MARIADB, "charset", column("INTEGER", tail=" CHARSET=latin1"), column("INTEGER"), "item charset; item collate"),
    (
        MARIADB,
        "partitions",
        column("INTEGER", tail=" PARTITION BY HASH (id) PARTITIONS 2"),
        column("INTEGER", tail=" PARTITION BY HASH (id) PARTITIONS 3"),
        "item partitions",
    ),
    (
        MARIADB,
        "system versioning",
        column("INTEGER", tail=" WITH SYSTEM VERSIONING"),
        column("INTEGER"),
        "item options",
    ),
    (
        MARIADB,
        "index prefix",
        (ITEM, "CREATE INDEX ix ON item (name(3))"),
        (ITEM, "CREATE INDEX ix ON item (name)"),
        "item index ix",
    ),
    (
        MARIADB,
        "fulltext",
        (ITEM, "CREATE FULLTEXT INDEX ix ON item (name)"),
        (ITEM, "CREATE INDEX ix ON item (name)"),
        "item index ix",
    ),
    (
        MARIADB,
        "trigger",
        (ITEM, "CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW SET NEW.qty = 1"),
        (ITEM, "CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW SET NEW.qty = 2"),
        "item trigger t",
    ),
    (MARIADB, "sequence", "CREATE SEQUENCE counter INCREMENT 2", "CREATE SEQUENCE counter", "counter sequence"),
    (
        MARIADB,
        "procedure",
        "CREATE PROCEDURE p(a INT) SELECT a",
        "CREATE PROCEDURE p(a BIGINT) SELECT a",
        "p() procedure",
    ),
]

# Servers, what does not count, and SQL for the two databases.
EQUALS: list[tuple[tuple[str, ...], str, Sql, Sql]] = [
    (ALL, "order of columns", item("a INTEGER", "b INTEGER"), item("b INTEGER", "a INTEGER")),
    (
        ALL,
        "order of constraints",
        column("INTEGER", "CONSTRAINT a CHECK (v > 0)", "CONSTRAINT b CHECK (v < 9)"),
        column("INTEGER", "CONSTRAINT b CHECK (v < 9)", "CONSTRAINT a CHECK (v > 0)"),
    ),
    (ALL, "order of tables", (ITEM, PARENT), (PARENT, ITEM)),
    (
        ALL,
        "a column added later",
        column("INTEGER", "w INTEGER"),
        (column("INTEGER"), "ALTER TABLE item ADD COLUMN w INTEGER"),
    ),
    (
        ALL,
        "a column renamed",
        column("INTEGER", "CONSTRAINT ck CHECK (v > 0)"),
        (
            "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, old INTEGER, CONSTRAINT ck CHECK (old > 0))",
            "ALTER TABLE item RENAME COLUMN old TO v",
        ),
    ),
    (
        ALL,
        "a table renamed",
        (PARENT, column("INTEGER", "UNIQUE (v)", "CHECK (v > 0)", "FOREIGN KEY (v) REFERENCES parent (id)")),
        (
            PARENT,
            column("INTEGER", "UNIQUE (v)", "CHECK (v > 0)", "FOREIGN KEY (v) REFERENCES parent (id)").replace(
                "item", "old", 1
            ),
            "ALTER TABLE old RENAME TO item",
        ),
    ),
    (ALL, "Alembic's version", ITEM, (ITEM, "CREATE TABLE alembic_version (version_num VARCHAR(32))")),
    (
        ALL,
        "rows",
        item("id INTEGER PRIMARY KEY", "v INTEGER"),
        (item("id INTEGER PRIMARY KEY", "v INTEGER"), "INSERT INTO item VALUES (7, 1)"),
    ),
    (
        SQLITE,
        "quotes, case, spaces and comments of SQL",
        'CREATE TABLE item ("id" integer not null, [v] varchar(10) default (1), `w` int /* c */,'
        " primary key(id), check ((v<>'A')))",
        "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR (10) DEFAULT 1, w INT, -- c\n CHECK (v <> 'A'))",
    ),
    (
        SQLITE,
        "the constraint's place",
        column("INTEGER UNIQUE CHECK (v > 0)"),
        column("INTEGER", "CHECK (v > 0)", "UNIQUE (v)"),
    ),
    (
        SQLITE,
        "ascending",
        (ITEM, "CREATE INDEX ix ON item (qty ASC) WHERE (qty > 0)"),
        (ITEM, 'CREATE INDEX "ix" ON "item" ("qty") WHERE qty>0'),
    ),
    *(
        (
            SQLITE,
            f"a constant default in parentheses: {text}",
            column(f"TEXT DEFAULT {text}"),
            column(f"TEXT DEFAULT ({text})"),
        )
        for text in ("CURRENT_TIMESTAMP", "current_date", "TRUE", "-1", "+ 1.5", "'a'", "NULL")
    ),
    (SQLITE, "null as default", column("INTEGER DEFAULT NULL"), column("INTEGER NULL")),
    (POSTGRESQL, "null as default", column("VARCHAR(5) DEFAULT NULL"), column("VARCHAR(5)")),
    (
        POSTGRESQL,
        "the sequence's name",
        column("SERIAL"),
        ("CREATE TABLE old (id INTEGER NOT NULL PRIMARY KEY, v SERIAL)", "ALTER TABLE old RENAME TO item"),
    ),
    (
        POSTGRESQL,
        "a dropped column",
        column("INTEGER"),
        (column("INTEGER", "w INTEGER"), "ALTER TABLE item DROP COLUMN w"),
    ),
    (
        POSTGRESQL,
        "a column's invented names",
        column("INTEGER", "UNIQUE (v)", "CHECK (v > 0)"),
        (
            "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, old INTEGER UNIQUE CHECK (old > 0))",
            "ALTER TABLE item RENAME old TO v",
        ),
    ),
    (
        POSTGRESQL,
        "long invented names",
        f"CREATE TABLE {'a' * 50} ({'b' * 50} INTEGER UNIQUE CHECK ({'b' * 50} > 0))",
        f"CREATE TABLE {'a' * 50} ({'b' * 50} INTEGER,"
        f" CONSTRAINT x UNIQUE ({'b' * 50}), CONSTRAINT y CHECK ({'b' * 50} > 0))",
    ),
    (
        MARIADB,
        "the counter of AUTO_INCREMENT",
        item("id INTEGER PRIMARY KEY AUTO_INCREMENT"),
        item("id INTEGER PRIMARY KEY AUTO_INCREMENT", tail=" AUTO_INCREMENT=99"),
    ),
    (
        MARIADB,
        "an unnamed key's name",
        column("INTEGER", "UNIQUE (v)"),
        (
            "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, old INTEGER UNIQUE)",
            "ALTER TABLE item RENAME COLUMN old TO v",
        ),
    ),
]


def each(cases: Sequence[tuple[tuple[str, ...], str, *tuple[Sql, ...]]]) -> list[object]:
    """One test for each server of each case."""
    return [
        pytest.param(kind, *case[2:], id=f"{kind}-{case[1]}".replace(" ", "_"))
        for case in cases
        for kind in RELEASES
        if family(kind) in case[0]
    ]


Twins = Callable[[str], tuple[Scratch, Scratch]]


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    """Two scratch databases on a server, made when they are first asked for."""
    with ExitStack() as stack:

        @cache
        def of(kind: str) -> tuple[Scratch, Scratch]:
            url = answering(kind)
            return stack.enter_context(scratch(url)), stack.enter_context(scratch(url))

        yield of


def seen(twins: Twins, kind: str, *databases: Sql) -> list[Snapshot]:
    """What snapshots see after each database has run its SQL."""
    found = []
    for place, texts in zip(twins(kind), databases, strict=True):
        with place.engine.connect() as connection:
            clear(connection)
            for text in (texts,) if isinstance(texts, str) else texts:
                if text:
                    connection.exec_driver_sql(text.replace("%", "%%") if kind != "sqlite" else text)
            found.append(snapshot(connection))
            connection.commit()
    return found


def fits(told: str, pattern: str) -> bool:
    """Whether a text fits one with `*` for anything."""
    head, star, tail = pattern.partition("*")
    return told.startswith(head) and told.endswith(tail) if star else told == pattern


@pytest.mark.parametrize(("kind", "expected", "found", "words"), each(CHANGES))
def test_a_change_is_seen_and_named(twins: Twins, kind: str, expected: Sql, found: Sql, words: str) -> None:
    """Whatever a database can say of itself, a difference in it is told in words, and nothing else is."""
    one, other = seen(twins, kind, expected, found)
    for told in (differences(one, other), differences(other, one)):
        named = [f"{difference.table} {difference.what}" for difference in told]
        patterns = words.split("; ")
        assert named
        assert [name for name in named if not any(fits(name, pattern) for pattern in patterns)] == []
        assert [pattern for pattern in patterns if "*" not in pattern and pattern not in named] == []


def test_an_extension_that_is_missing_is_seen_and_one_more_is_not(twins: Twins) -> None:
    """The server's template may bring extensions that no model asks for."""
    one, other = seen(twins, "postgresql", ("CREATE EXTENSION citext",), ())
    assert [difference.table for difference in differences(one, other)] == ["extension citext"]
    assert differences(other, one) == ()


@pytest.mark.parametrize(("kind", "expected", "found"), each(EQUALS))
def test_what_does_not_count_is_not_seen(twins: Twins, kind: str, expected: Sql, found: Sql) -> None:
    """Order, spelling and names that the server invents are no differences."""
    one, other = seen(twins, kind, expected, found)
    assert one.things
    assert differences(one, other) == ()


@pytest.mark.parametrize("kind", RELEASES)
def test_a_name_given_is_missed_but_one_not_given_may_be_any(twins: Twins, kind: str) -> None:
    """The models' names are part of the promise; where they give none, any name is right."""
    named, nameless = column("INTEGER", "CONSTRAINT uq_v UNIQUE (v)"), column("INTEGER", "UNIQUE (v)")
    one, other = seen(twins, kind, named, nameless)
    assert [difference[:3] for difference in differences(one, other)] == [("item", "unique (v): name", "uq_v")]
    assert differences(other, one) == ()


@pytest.mark.parametrize("kind", RELEASES)
def test_only_the_tables_asked_for_are_looked_at(twins: Twins, kind: str) -> None:
    """A snapshot of some tables is that part of the whole, with all that is theirs."""
    child = column("INTEGER", "FOREIGN KEY (v) REFERENCES parent (id)")
    seen(twins, kind, (PARENT, child, "CREATE INDEX ix ON item (v)"), "")
    with twins(kind)[0].engine.connect() as connection:
        whole, part = snapshot(connection), snapshot(connection, tables=["item", "gone"])
    assert part.things == {"item": whole.things["item"]}
    assert set(whole.things) == {"item", "parent"}


@pytest.mark.parametrize("kind", RELEASES)
def test_the_work_does_not_grow_with_tables_that_are_not_asked_for(twins: Twins, kind: str) -> None:
    """One table costs as many queries among many as alone."""
    counts = []
    for others in (0, 12):
        many = tuple(f"CREATE TABLE other_{number} (id INTEGER)" for number in range(others))
        seen(twins, kind, (ITEM, *many), "")
        with twins(kind)[0].engine.connect() as connection:
            counts.append(queries(connection, tables=["item"]))
    assert counts[0] == counts[1]


def queries(connection: sa.Connection, tables: list[str]) -> int:
    """How many statements a snapshot takes."""
    said: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    snapshot(connection, tables=tables)
    sa.event.remove(connection, "before_cursor_execute", note)
    return len(said)


@pytest.mark.parametrize("kind", RELEASES)
def test_rows_come_as_the_driver_gives_them_in_an_order_of_their_own(twins: Twins, kind: str) -> None:
    """Two tables with the same rows give the same value, however they were made; a row more or less is seen."""
    one = (
        "CREATE TABLE item (a INTEGER, b VARCHAR(9))",
        "INSERT INTO item VALUES (2, 'a'), (1, 'x'), (3, NULL), (1, 'x')",
    )
    other = (
        "CREATE TABLE item (b VARCHAR(9), a INTEGER)",
        "INSERT INTO item VALUES ('x', 1), ('x', 1), (NULL, 3), ('a', 2)",
    )
    seen(twins, kind, one, other)
    read = []
    for place in twins(kind):
        with place.engine.connect() as connection:
            read.append(rows(connection, ["item"]))
    one_row, two, three = {"a": 1, "b": "x"}, {"a": 2, "b": "a"}, {"a": 3, "b": None}
    assert read[0] == read[1] == {"item": (one_row, one_row, two, three)}


@pytest.mark.parametrize("kind", RELEASES[1:])
def test_schemas_are_part_of_names_and_called_as_in_the_models(kind: str) -> None:
    """A table in a schema is known as schema.table, also where its foreign keys and views name it."""
    ddl = (
        "CREATE TABLE sales.parent (id INTEGER NOT NULL PRIMARY KEY)",
        "CREATE TABLE sales.item (id INTEGER NOT NULL PRIMARY KEY, p INTEGER REFERENCES sales.parent (id))",
        "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, p INTEGER REFERENCES sales.parent (id))",
        "CREATE VIEW shown AS SELECT p FROM sales.item",
    )
    with scratch(answering(kind), ["sales"]) as place, scratch(answering(kind), ["sales"]) as twin:
        found = []
        for each_one in (place, twin):
            with each_one.engine.connect() as connection:
                for text in ddl:
                    connection.exec_driver_sql(text)
                found.append(snapshot(connection, ["sales"]))
                assert set(snapshot(connection).things) == {"item", "shown"}
                assert set(snapshot(connection, ["sales"], ["sales.item"]).things) == {"sales.item"}
                assert rows(connection, ["sales.item"], ["sales"]) == {"sales.item": ()}
                connection.commit()
    assert set(found[0].things) == {"item", "shown", "sales.item", "sales.parent"}
    assert differences(*found) == ()
    labels = {element.label for element in found[0].things["item"].elements}
    assert "foreign key (p) -> sales.parent(id)" in labels
    assert not any("strata_" in repr(thing) for thing in found[0].things.values())


def test_a_difference_says_both_sides_in_words() -> None:
    """What is missing is described, what is there too much likewise."""
    email = Element("column", "email", facts={"type": "VARCHAR(50)", "not null": "yes"})
    one = Snapshot({"item": Thing("table", {"comment": "a"}, (email,))})
    other = Snapshot({"item": Thing("table", {}, (Element("check", "ck_qty", facts={"definition": "qty > 0"}),))})
    assert differences(one, other) == (
        Difference("item", "comment", "a", None),
        Difference("item", "check ck_qty", None, "qty > 0"),
        Difference("item", "column email", "type VARCHAR(50), not null", None),
    )
    assert differences(one, Snapshot({})) == (Difference("item", "table", "1 column", None),)


def test_of_several_alike_the_equal_ones_are_paired_first() -> None:
    """Two keys about the same columns: only the one that is missing is told."""
    about = "(v) -> parent(id)"
    cascade, null = (
        Element("foreign key", None, about, {"definition": f"{about} on delete {action}"})
        for action in ("cascade", "set null")
    )
    one, other = (
        Snapshot({"item": Thing("table", {}, (cascade, null))}),
        Snapshot({"item": Thing("table", {}, (null,))}),
    )
    assert differences(one, other) == (Difference("item", f"foreign key {about}", f"{about} on delete cascade", None),)
