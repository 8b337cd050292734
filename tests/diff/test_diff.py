"""What lies between two schemas: the operations, what the stage must allow, the change in words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sqlstrata.diff import Hints, Migration, diff
from sqlstrata.diff.order import Phase
from sqlstrata.errors import WrongUse
from sqlstrata.plan import Cast, Sql, Stage
from sqlstrata.schema.describe import describe
from sqlstrata.schema.values import Schema
from sqlstrata.source import flat

CONVENTION = {"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"}
# What the cases say often. `ID` in a model is the same column.
SHORT = {
    "<ID>": 'sa.Column("id", sa.Integer(), nullable=False)',
    "<V>": 'sa.Column("v", sa.Integer(), nullable=True)',
    "<PK>": 'sa.PrimaryKeyConstraint("id", name="pk_item")',
}


@dataclass(frozen=True)
class Case:
    """A stage: the tables before and after it, one a line, its hints, and all that must come of it."""

    name: str
    before: str
    after: str
    hints: Mapping[str, Any] = field(default_factory=dict)
    operations: tuple[str, ...] = ()
    needs: tuple[tuple[str, str, object, str], ...] = ()
    changes: tuple[str, ...] = ()


def schema(source: str) -> Schema:
    """The schema that the lines make."""
    metadata = sa.MetaData(naming_convention=CONVENTION)

    def table(name: str, *elements: Any, **options: Any) -> sa.Table:
        given = [sa.Column("id", sa.Integer, primary_key=True) if each == "ID" else each for each in elements]
        return sa.Table(name, metadata, *given, **options)

    for line in source.splitlines():
        eval(line, {"sa": sa, "table": table, "metadata": metadata, "ID": "ID"})  # noqa: S307 - our own lines
    return describe(metadata)


def hinted(given: Mapping[str, Any]) -> Stage:
    """A stage with these hints; fills and casts are plain SQL."""
    fill = {name: Sql(default=(text,)) for name, text in given.get("fill", {}).items()}
    cast = {name: Cast(up=Sql(default=(text,))) for name, text in given.get("cast", {}).items()}
    return Stage("s", "m", rename=given.get("rename", {}), drop=tuple(given.get("drop", ())), fill=fill, cast=cast)


def way(case: Case, *, up: bool = True) -> Migration:
    before, after = schema(case.before), schema(case.after)
    hints = Hints.of(hinted(case.hints), before.tables, up=up)
    return diff(before, after, hints) if up else diff(after, before, hints)


CASES = [
    Case(
        "a table comes",
        before='table("parent", ID)',
        after='table("parent", ID)\ntable("item", ID, sa.Column("v", sa.Integer))',
        operations=('op.create_table("item", <ID>, <V>, <PK>)',),
        changes=("+ item (2 columns)",),
    ),
    Case(
        "tables that refer to one another come",
        before="",
        after='table("a", ID, sa.Column("b", sa.Integer, sa.ForeignKey("b.id", name="fk_a")))\ntable("b", ID, sa.Column("a", sa.Integer, sa.ForeignKey("a.id", name="fk_b")))',
        operations=(
            'op.create_table("a", <ID>, sa.Column("b", sa.Integer(), nullable=True), sa.PrimaryKeyConstraint("id", name="pk_a"), sa.ForeignKeyConstraint(["b"], ["b.id"], name="fk_a", use_alter=True))',
            'op.create_table("b", <ID>, sa.Column("a", sa.Integer(), nullable=True), sa.PrimaryKeyConstraint("id", name="pk_b"), sa.ForeignKeyConstraint(["a"], ["a.id"], name="fk_b"))',
            'op.add_foreign_key("a", sa.ForeignKeyConstraint(["b"], ["b.id"], name="fk_a"))',
        ),
        changes=(
            "+ a (2 columns)",
            "+ b (2 columns)",
        ),
    ),
    Case(
        "a table goes that others refer to",
        before='table("parent", ID)\ntable("child", ID, sa.Column("p", sa.Integer, sa.ForeignKey("parent.id", name="fk")))',
        after='table("child", ID, sa.Column("p", sa.Integer))',
        hints={"drop": ["parent"]},
        operations=(
            'op.drop_foreign_key("child", sa.ForeignKeyConstraint(["p"], ["parent.id"], name="fk"))',
            'op.drop_table("parent")',
            'op.change_table("child", <ID>, sa.Column("p", sa.Integer(), nullable=True), sa.PrimaryKeyConstraint("id", name="pk_child"), op.removed(sa.ForeignKeyConstraint(["p"], ["parent.id"], name="fk")))',
        ),
        changes=(
            "- parent",
            "child: - foreign key (p) → parent",
        ),
    ),
    Case(
        "tables go in the order of their keys",
        before='table("parent", ID)\ntable("child", ID, sa.Column("p", sa.Integer, sa.ForeignKey("parent.id", name="fk")))',
        after="",
        hints={"drop": ["parent", "child"]},
        operations=(
            'op.drop_table("child")',
            'op.drop_table("parent")',
        ),
        changes=(
            "- parent",
            "- child",
        ),
    ),
    Case(
        "a table goes without leave",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("other", ID)',
        operations=(
            'op.drop_table("item")',
            'op.create_table("other", <ID>, sa.PrimaryKeyConstraint("id", name="pk_other"))',
        ),
        needs=(("drop", "item", None, "table item is dropped, with its rows"),),
        changes=(
            "+ other (1 column)",
            "- item",
        ),
    ),
    Case(
        "a table goes and one like it comes",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("thing", ID, sa.Column("v", sa.Integer))',
        operations=(
            'op.drop_table("item")',
            'op.create_table("thing", <ID>, <V>, sa.PrimaryKeyConstraint("id", name="pk_thing"))',
        ),
        needs=(("drop", "item", None, "table item is dropped, with its rows"),),
        changes=(
            "+ thing (2 columns)",
            "- item",
        ),
    ),
    Case(
        "a table is renamed",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("thing", ID, sa.Column("v", sa.Integer))',
        hints={"rename": {"item": "thing"}},
        operations=(
            'op.rename_table("item", "thing")',
            'op.change_table("thing", <ID>, <V>, op.changed(sa.PrimaryKeyConstraint("id", name="pk_thing"), was=<PK>))',
        ),
        changes=(
            "item → thing",
            "thing: ~ primary key (id)",
        ),
    ),
    Case(
        "two tables exchange their names",
        before='table("item", ID, sa.Column("v", sa.Integer))\ntable("parent", ID)',
        after='table("parent", ID, sa.Column("v", sa.Integer))\ntable("item", ID)',
        hints={"rename": {"item": "parent", "parent": "item"}},
        operations=(
            'op.rename_table("parent", "parent_renamed")',
            'op.rename_table("item", "parent")',
            'op.rename_table("parent_renamed", "item")',
            'op.rename_key("parent", <PK>, "pk_item_renamed")',
            'op.rename_key("item", sa.PrimaryKeyConstraint("id", name="pk_parent"), "pk_parent_renamed")',
            'op.change_table("parent", <ID>, <V>, op.changed(sa.PrimaryKeyConstraint("id", name="pk_parent"), was=sa.PrimaryKeyConstraint("id", name="pk_item_renamed")))',
            'op.change_table("item", <ID>, op.changed(<PK>, was=sa.PrimaryKeyConstraint("id", name="pk_parent_renamed")))',
        ),
        changes=(
            "item → parent",
            "parent → item",
            "parent: ~ primary key (id)",
            "item: ~ primary key (id)",
        ),
    ),
    Case(
        "a table is renamed and a new one takes its name",
        before='table("parent", ID)',
        after='table("b", ID)\ntable("parent", ID, sa.Column("x", sa.Integer))',
        hints={"rename": {"parent": "b"}},
        operations=(
            'op.rename_table("parent", "b")',
            'op.rename_key("b", sa.PrimaryKeyConstraint("id", name="pk_parent"), "pk_parent_renamed")',
            'op.create_table("parent", <ID>, sa.Column("x", sa.Integer(), nullable=True), sa.PrimaryKeyConstraint("id", name="pk_parent"))',
            'op.change_table("b", <ID>, op.changed(sa.PrimaryKeyConstraint("id", name="pk_b"), was=sa.PrimaryKeyConstraint("id", name="pk_parent_renamed")))',
        ),
        changes=(
            "parent → b",
            "+ parent (2 columns)",
            "b: ~ primary key (id)",
        ),
    ),
    Case(
        "a table goes and another takes its name",
        before='table("item", ID, sa.Column("v", sa.Integer))\ntable("parent", ID)',
        after='table("parent", ID, sa.Column("v", sa.Integer))',
        hints={"rename": {"item": "parent"}, "drop": ["parent"]},
        operations=(
            'op.rename_table("parent", "parent_renamed")',
            'op.rename_table("item", "parent")',
            'op.drop_table("parent_renamed")',
            'op.change_table("parent", <ID>, <V>, op.changed(sa.PrimaryKeyConstraint("id", name="pk_parent"), was=<PK>))',
        ),
        changes=(
            "item → parent",
            "- parent",
            "parent: ~ primary key (id)",
        ),
    ),
    Case(
        "a table gets a comment",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer), comment="it\'s")',
        operations=('op.comment_table("item", "it\'s")',),
        changes=("item: comment",),
    ),
    Case(
        "a column comes",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer), sa.Column("w", sa.String(5)))',
        operations=('op.add_column("item", sa.Column("w", sa.String(length=5), nullable=True))',),
        changes=("item: + w",),
    ),
    Case(
        "a column comes that must have a value",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer), sa.Column("w", sa.String(5), nullable=False))',
        operations=(
            'op.change_table("item", <ID>, <V>, op.added(sa.Column("w", sa.String(length=5), nullable=False)), <PK>)',
        ),
        needs=(("fill", "item.w", "''", "item.w is NOT NULL, and existing rows have no value for it"),),
        changes=("item: + w",),
    ),
    Case(
        "a column comes with a fill",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer), sa.Column("w", sa.String(5), nullable=False))',
        hints={"fill": {"item.w": "'x'"}},
        operations=(
            'op.change_table("item", <ID>, <V>, op.added(sa.Column("w", sa.String(length=5), nullable=False), fill="\'x\'"), <PK>)',
        ),
        changes=("item: + w",),
    ),
    Case(
        "a column comes with a default that is worked out",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer), sa.Column("w", sa.DateTime, server_default=sa.func.now()))',
        operations=(
            'op.change_table("item", <ID>, <V>, op.added(sa.Column("w", sa.DateTime(), nullable=True, server_default=sa.func.now())), <PK>)',
        ),
        changes=("item: + w",),
    ),
    Case(
        "a column goes without leave",
        before='table("item", ID, sa.Column("v", sa.Integer), sa.Column("w", sa.Text))',
        after='table("item", ID, sa.Column("v", sa.Integer))',
        operations=('op.drop_column("item", "w")',),
        needs=(("drop", "item.w", None, "column item.w is dropped, with its values"),),
        changes=("item: - w",),
    ),
    Case(
        "a column goes and one like it comes",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("w", sa.Integer))',
        operations=(
            'op.drop_column("item", "v")',
            'op.add_column("item", sa.Column("w", sa.Integer(), nullable=True))',
        ),
        needs=(
            (
                "drop",
                "item.v",
                None,
                "column item.v is dropped, with its values",
            ),
        ),
        changes=(
            "item: - v",
            "item: + w",
        ),
    ),
    Case(
        "a column goes",
        before='table("item", ID, sa.Column("v", sa.Integer), sa.Column("w", sa.Text))',
        after='table("item", ID, sa.Column("v", sa.Integer))',
        hints={"drop": ["item.w"]},
        operations=('op.drop_column("item", "w")',),
        changes=("item: - w",),
    ),
    Case(
        "a column is renamed",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("w", sa.Integer))',
        hints={"rename": {"item.v": "w"}},
        operations=('op.rename_column("item", "v", "w")',),
        changes=("item: v → w",),
    ),
    Case(
        "two columns exchange their names",
        before='table("item", ID, sa.Column("v", sa.Integer), sa.Column("w", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer), sa.Column("w", sa.Integer))',
        hints={"rename": {"item.v": "w", "item.w": "v"}},
        operations=(
            'op.rename_column("item", "w", "w_renamed")',
            'op.rename_column("item", "v", "w")',
            'op.rename_column("item", "w_renamed", "v")',
        ),
        changes=(
            "item: v → w",
            "item: w → v",
        ),
    ),
    Case(
        "a column is renamed and a new one takes its name",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("w", sa.Integer), sa.Column("v", sa.String(20)))',
        hints={"rename": {"item.v": "w"}},
        operations=(
            'op.rename_column("item", "v", "w")',
            'op.add_column("item", sa.Column("v", sa.String(length=20), nullable=True))',
        ),
        changes=(
            "item: v → w",
            "item: + v",
        ),
    ),
    Case(
        "a column goes and another takes its name",
        before='table("item", ID, sa.Column("v", sa.Integer), sa.Column("w", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer))',
        hints={"rename": {"item.w": "v"}, "drop": ["item.v"]},
        operations=(
            'op.rename_column("item", "v", "v_renamed")',
            'op.rename_column("item", "w", "v")',
            'op.drop_column("item", "v_renamed")',
        ),
        changes=(
            "item: w → v",
            "item: - v",
        ),
    ),
    Case(
        "a column is renamed and changes, and a new one takes its name and is filled",
        before='table("item", ID, sa.Column("v", sa.Integer, nullable=False))',
        after='table("item", ID, sa.Column("w", sa.BigInteger, nullable=False), sa.Column("v", sa.Integer, nullable=False))',
        hints={"rename": {"item.v": "w"}, "fill": {"item.v": "7"}},
        operations=(
            'op.rename_column("item", "v", "w")',
            'op.change_table("item", <ID>, op.changed(sa.Column("w", sa.BigInteger(), nullable=False), was=sa.Column("w", sa.Integer(), nullable=False)), op.added(sa.Column("v", sa.Integer(), nullable=False), fill="7"), <PK>)',
        ),
        changes=(
            "item: v → w",
            "item: + v",
            "item: w INTEGER → BIGINT",
        ),
    ),
    Case(
        "a column and its table are renamed",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("thing", ID, sa.Column("w", sa.Integer))',
        hints={"rename": {"item": "thing", "item.v": "w"}},
        operations=(
            'op.rename_column("item", "v", "w")',
            'op.rename_table("item", "thing")',
            'op.change_table("thing", <ID>, sa.Column("w", sa.Integer(), nullable=True), op.changed(sa.PrimaryKeyConstraint("id", name="pk_thing"), was=<PK>))',
        ),
        changes=(
            "item: v → w",
            "item → thing",
            "thing: ~ primary key (id)",
        ),
    ),
    Case(
        "a renamed column's check follows it",
        before='table("item", ID, sa.Column("v", sa.Integer), sa.CheckConstraint("v > 0", name="ck"))',
        after='table("item", ID, sa.Column("two words", sa.Integer), sa.CheckConstraint(sa.column("two words") > 0, name="ck"))',
        hints={"rename": {"item.v": "two words"}},
        operations=('op.rename_column("item", "v", "two words")',),
        changes=("item: v → two words",),
    ),
    Case(
        "a column is widened",
        before='table("item", ID, sa.Column("v", sa.String(20)))',
        after='table("item", ID, sa.Column("v", sa.String(40)))',
        operations=(
            'op.change_table("item", <ID>, op.changed(sa.Column("v", sa.String(length=40), nullable=True), was=sa.Column("v", sa.String(length=20), nullable=True)), <PK>)',
        ),
        changes=("item: v VARCHAR(20) → VARCHAR(40)",),
    ),
    Case(
        "a column is narrowed",
        before='table("item", ID, sa.Column("v", sa.String(20)))',
        after='table("item", ID, sa.Column("v", sa.String(10)))',
        operations=(
            'op.require_convertible("item", sa.Column("v", sa.String(length=10)), sa.Column("v", sa.String(length=20)))',
            'op.change_table("item", <ID>, op.changed(sa.Column("v", sa.String(length=10), nullable=True), was=sa.Column("v", sa.String(length=20), nullable=True)), <PK>)',
        ),
        changes=("item: v VARCHAR(20) → VARCHAR(10)",),
    ),
    Case(
        "a column becomes another type",
        before='table("item", ID, sa.Column("v", sa.String(20)))',
        after='table("item", ID, sa.Column("v", sa.Integer))',
        operations=(
            'op.require_convertible("item", sa.Column("v", sa.Integer()), sa.Column("v", sa.String(length=20)))',
            'op.change_table("item", <ID>, op.changed(<V>, was=sa.Column("v", sa.String(length=20), nullable=True)), <PK>)',
        ),
        changes=("item: v VARCHAR(20) → INTEGER",),
    ),
    Case(
        "a column becomes a type that nobody can make of it",
        before='table("item", ID, sa.Column("v", sa.Date))',
        after='table("item", ID, sa.Column("v", sa.Integer))',
        operations=(
            'op.require_convertible("item", sa.Column("v", sa.Integer()), sa.Column("v", sa.Date()))',
            'op.change_table("item", <ID>, op.changed(<V>, was=sa.Column("v", sa.Date(), nullable=True)), <PK>)',
        ),
        needs=(
            (
                "cast",
                "item.v",
                {"sqlite": "v", "postgresql": "v::text::INTEGER", "mysql": "v"},
                "item.v is DATE and becomes INTEGER, and nothing says how its values are converted",
            ),
        ),
        changes=("item: v DATE → INTEGER",),
    ),
    Case(
        "a column is cast",
        before='table("item", ID, sa.Column("v", sa.Date))',
        after='table("item", ID, sa.Column("v", sa.Integer))',
        hints={"cast": {"item.v": "0"}},
        operations=(
            'op.change_table("item", <ID>, op.changed(<V>, was=sa.Column("v", sa.Date(), nullable=True), cast="0"), <PK>)',
        ),
        changes=("item: v DATE → INTEGER",),
    ),
    Case(
        "a column may not be NULL any more",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer, nullable=False))',
        operations=(
            'op.require_no_nulls("item", "v")',
            'op.change_table("item", <ID>, op.changed(sa.Column("v", sa.Integer(), nullable=False), was=<V>), <PK>)',
        ),
        needs=(("fill", "item.v", "0", "item.v becomes NOT NULL, and rows may be NULL there"),),
        changes=("item: v NOT NULL",),
    ),
    Case(
        "a column may be NULL",
        before='table("item", ID, sa.Column("v", sa.Integer, nullable=False))',
        after='table("item", ID, sa.Column("v", sa.Integer))',
        operations=(
            'op.change_table("item", <ID>, op.changed(<V>, was=sa.Column("v", sa.Integer(), nullable=False)), <PK>)',
        ),
        changes=("item: v NULL",),
    ),
    Case(
        "a default comes",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer, server_default="5"))',
        operations=(
            'op.change_table("item", <ID>, op.changed(sa.Column("v", sa.Integer(), nullable=True, server_default="5"), was=<V>), <PK>)',
        ),
        changes=("item: v default",),
    ),
    Case(
        "a comment goes",
        before='table("item", ID, sa.Column("v", sa.Integer, comment="c"))',
        after='table("item", ID, sa.Column("v", sa.Integer))',
        operations=(
            'op.change_table("item", <ID>, op.changed(<V>, was=sa.Column("v", sa.Integer(), nullable=True, comment="c")), <PK>)',
        ),
        changes=("item: v comment",),
    ),
    Case(
        "a column becomes computed",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer, sa.Computed("id + 1")))',
        operations=(
            'op.change_table("item", <ID>, op.changed(sa.Column("v", sa.Integer(), sa.Computed(sa.text("id + 1")), nullable=True), was=<V>), <PK>)',
        ),
        needs=(("drop", "item.v", None, "column item.v becomes computed, and its values are lost"),),
        changes=("item: v computed",),
    ),
    Case(
        "a label comes",
        before='table("item", ID, sa.Column("v", sa.Enum("a", "b", name="k")))',
        after='table("item", ID, sa.Column("v", sa.Enum("a", "c", "b", name="k")))',
        operations=(
            'op.change_enum("k", "a", "c", "b", was=["a", "b"], columns=[("item", "v")])',
            'op.change_table("item", <ID>, op.changed(sa.Column("v", sa.Enum("a", "c", "b", name="k", create_type=False), nullable=True), was=sa.Column("v", sa.Enum("a", "b", name="k", create_type=False), nullable=True)), <PK>)',
        ),
        changes=("item: v ENUM('a','b') → ENUM('a','c','b')",),
    ),
    Case(
        "an enum is checked",
        before='table("item", ID, sa.Column("v", sa.Enum("a", name="k", native_enum=False)))',
        after='table("item", ID, sa.Column("v", sa.Enum("a", name="k", native_enum=False, create_constraint=True)))',
        operations=(
            'op.require_no_rows_where("item", "NOT (v IN (\'a\'))", "breaks the check k")',
            'op.change_table("item", <ID>, sa.Column("v", sa.Enum("a", name="k", native_enum=False, length=1), nullable=True), <PK>, op.added(sa.CheckConstraint("v IN (\'a\')", name="k")))',
        ),
        changes=("item: + check k",),
    ),
    Case(
        "a unique key comes",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer), sa.UniqueConstraint("v", name="uq"))',
        operations=(
            'op.require_unique("item", ["v"])',
            'op.change_table("item", <ID>, <V>, <PK>, op.added(sa.UniqueConstraint("v", name="uq")))',
        ),
        changes=("item: + unique (v)",),
    ),
    Case(
        "a check changes",
        before='table("item", ID, sa.Column("v", sa.Integer), sa.CheckConstraint("v > 0", name="ck"))',
        after='table("item", ID, sa.Column("v", sa.Integer), sa.CheckConstraint("v > 1", name="ck"))',
        operations=(
            'op.require_no_rows_where("item", "NOT (v > 1)", "breaks the check ck")',
            'op.change_table("item", <ID>, <V>, <PK>, op.changed(sa.CheckConstraint("v > 1", name="ck"), was=sa.CheckConstraint("v > 0", name="ck")))',
        ),
        changes=("item: ~ check ck",),
    ),
    Case(
        "a primary key grows",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", sa.Integer, primary_key=True))',
        operations=(
            'op.require_no_nulls("item", "v")',
            'op.require_unique("item", ["id", "v"])',
            'op.change_table("item", op.changed(<ID>, was=<ID>), op.changed(sa.Column("v", sa.Integer(), nullable=False), was=<V>), op.changed(sa.PrimaryKeyConstraint("id", "v", name="pk_item"), was=<PK>))',
        ),
        needs=(("fill", "item.v", "0", "item.v becomes NOT NULL, and rows may be NULL there"),),
        changes=(
            "item: id changed",
            "item: v NOT NULL",
            "item: ~ primary key (id, v)",
        ),
    ),
    Case(
        "a foreign key comes",
        before='table("parent", ID)\ntable("item", ID, sa.Column("v", sa.Integer))',
        after='table("parent", ID)\ntable("item", ID, sa.Column("v", sa.Integer, sa.ForeignKey("parent.id", name="fk")))',
        operations=(
            'op.require_parents("item", sa.ForeignKeyConstraint(["v"], ["parent.id"], name="fk"))',
            'op.change_table("item", <ID>, <V>, <PK>, op.added(sa.ForeignKeyConstraint(["v"], ["parent.id"], name="fk")))',
            'op.add_foreign_key("item", sa.ForeignKeyConstraint(["v"], ["parent.id"], name="fk"))',
        ),
        changes=("item: + foreign key (v) → parent",),
    ),
    Case(
        "a foreign key changes its option",
        before='table("parent", ID)\ntable("item", ID, sa.Column("v", sa.Integer, sa.ForeignKey("parent.id", name="fk")))',
        after='table("parent", ID)\ntable("item", ID, sa.Column("v", sa.Integer, sa.ForeignKey("parent.id", name="fk", ondelete="CASCADE")))',
        operations=(
            'op.drop_foreign_key("item", sa.ForeignKeyConstraint(["v"], ["parent.id"], name="fk"))',
            'op.change_table("item", <ID>, <V>, <PK>, op.changed(sa.ForeignKeyConstraint(["v"], ["parent.id"], name="fk", ondelete="CASCADE"), was=sa.ForeignKeyConstraint(["v"], ["parent.id"], name="fk")))',
            'op.add_foreign_key("item", sa.ForeignKeyConstraint(["v"], ["parent.id"], name="fk", ondelete="CASCADE"))',
        ),
        changes=("item: ~ foreign key (v) → parent",),
    ),
    Case(
        "an index comes",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer, index=True))',
        operations=('op.create_index("ix_item_v", "item", ["v"])',),
        changes=("item: + index ix_item_v",),
    ),
    Case(
        "an index becomes unique",
        before='table("item", ID, sa.Column("v", sa.Integer), sa.Index("ix", "v"))',
        after='table("item", ID, sa.Column("v", sa.Integer), sa.Index("ix", "v", unique=True))',
        operations=(
            'op.require_unique("item", ["v"])',
            'op.drop_index("ix", table_name="item")',
            'op.create_index("ix", "item", ["v"], unique=True)',
        ),
        changes=("item: ~ index ix",),
    ),
    Case(
        "an index is renamed",
        before='table("item", ID, sa.Column("v", sa.Integer), sa.Index("ix", "v"))',
        after='table("item", ID, sa.Column("v", sa.Integer), sa.Index("iy", "v"))',
        operations=(
            'op.drop_index("ix", table_name="item")',
            'op.create_index("iy", "item", ["v"])',
        ),
        changes=(
            "item: - index ix",
            "item: + index iy",
        ),
    ),
    Case(
        "a sequence comes and one changes",
        before='sa.Sequence("s", metadata=metadata)',
        after='sa.Sequence("s", start=2, metadata=metadata)\nsa.Sequence("t", metadata=metadata)',
        operations=(
            'op.change_sequence(sa.Sequence("s", start=2))',
            'op.create_sequence(sa.Sequence("t"))',
        ),
        changes=(
            "sequence s",
            "+ sequence t",
        ),
    ),
    Case(
        "nothing changes",
        before='table("item", ID, sa.Column("v", sa.Integer))',
        after='table("item", ID, sa.Column("v", sa.Integer))',
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_difference_becomes_operations_needs_and_words(case: Case) -> None:
    found = way(case)
    assert [flat(operation.source) for operation in found.operations] == [_whole(each) for each in case.operations]
    assert [(need.key, need.name, need.value, need.why) for need in found.needs] == list(case.needs)
    assert found.changes == case.changes


def _whole(text: str) -> str:
    for short, meant in SHORT.items():
        text = text.replace(short, meant)
    return text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_pasted_was_used(case: Case) -> None:
    given = {(key, name) for key in ("rename", "drop", "fill", "cast") for name in case.hints.get(key, ())}
    assert given <= way(case).used | way(case, up=False).used


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_going_down_asks_the_stage_for_nothing(case: Case) -> None:
    """What the rows do not allow, the revision finds out by itself."""
    assert way(case, up=False).needs == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_operations_come_in_the_order_of_their_phases(case: Case) -> None:
    for up in (True, False):
        phases = [operation.phase for operation in way(case, up=up).operations]
        assert phases == sorted(phases)


def test_nothing_lies_between_a_schema_and_itself() -> None:
    for case in CASES:
        for source in (case.before, case.after):
            found = diff(schema(source), schema(source), Hints())
            assert (found.operations, found.needs, found.changes) == ((), (), ()), case.name


# ---------------------------------------------------------------------------------- order

PARENT = 'table("parent", ID, sa.Column("x", sa.Integer), sa.UniqueConstraint("x", name="uq"))'
CHILD = 'table("child", ID, sa.Column("p", sa.Integer, sa.ForeignKey("parent.x", name="fk")), sa.Column("e", KIND))'
ORDERED = Case(
    "everything at once",
    before="\n".join((
        PARENT,
        CHILD.replace("KIND", 'sa.Enum("a", name="old")'),
        'table("gone", ID, sa.Column("p", sa.Integer, sa.ForeignKey("parent.id", name="fk_gone")))',
        'table("item", ID, sa.Column("v", sa.Integer, index=True))',
    )),
    after="\n".join((
        PARENT.replace("sa.Integer)", "sa.BigInteger)"),
        CHILD.replace("KIND", 'sa.Enum("a", name="new")').replace("sa.Integer,", "sa.BigInteger,"),
        'table("thing", ID, sa.Column("v", sa.Integer, unique=True), sa.Column("w", sa.Integer, unique=True))',
        'table("fresh", ID, sa.Column("t", sa.Integer, sa.ForeignKey("thing.id", name="fk_fresh")))',
    )),
    hints={"rename": {"item": "thing"}, "drop": ["gone"], "cast": {"child.e": "e"}},
)  # fmt: skip


def test_what_must_go_first_goes_first() -> None:
    found = [(each.phase, flat(each.source).split('", ')[0] + '"') for each in way(ORDERED).operations]
    places = {text: place for place, (_, text) in enumerate(found)}
    assert places['op.rename_table("item"'] < places['op.drop_index("ix_item_v"']
    assert (
        places['op.drop_foreign_key("child"']
        < places['op.change_table("parent"']
        < places['op.add_foreign_key("child"']
    )
    assert places['op.create_enum("new"'] < places['op.change_table("child"'] < places['op.drop_enum("old")"']
    assert places['op.change_table("thing"'] > places['op.rename_table("item"']
    assert min(places[each] for each in places if "create_table" in each) > places['op.drop_table("gone")"']
    assert found[-1][0] <= Phase.TYPES_OFF


def test_requirements_stand_before_everything_else() -> None:
    operations = [flat(each.source) for each in way(ORDERED).operations]
    asks = [text.startswith("op.require_") for text in operations]
    assert asks == sorted(asks, reverse=True)
    assert any(asks)


BIG = """
import sqlalchemy as sa
from sqlstrata.diff import Hints, diff
from sqlstrata.schema.describe import describe
from sqlstrata.schema.values import Schema
from sqlstrata.source import laid_out

def schema(number, of):
    metadata = sa.MetaData(naming_convention={
        "uq": "uq_%(table_name)s_%(column_0_N_name)s", "ix": "ix_%(column_0_label)s"
    })
    for n in range(number):
        columns = [sa.Column(f"c{i}", of, index=i % 3 == 0, unique=i % 4 == 1) for i in range(8)]
        keys = [sa.Column(f"k{i}", sa.Integer, sa.ForeignKey(f"t{(n * 7 + i * 5 + 1) % number}.id")) for i in range(3)]
        checks = [sa.CheckConstraint(f"c{i} <> '{number}'") for i in range(4)]
        kind = sa.Column("kind", sa.Enum("a", "b", name=f"kind_{n % 3}"))
        sa.Table(f"t{n}", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns, *keys, kind, *checks)
    return describe(metadata)

one, two = schema(12, sa.String(20)), schema(15, sa.String(30))
for before, after in ((Schema(), one), (one, two), (two, one), (one, Schema())):
    made = diff(before, after, Hints())
    print("\\n".join([*(laid_out(each.source) for each in made.operations), *made.changes, *map(str, made.needs)]))
"""


def test_the_hash_seed_changes_nothing() -> None:
    texts = {said(seed) for seed in ("0", "1", "4711")}
    assert len(texts) == 1
    assert texts.pop().count("op.create_table") == 15


def said(seed: str) -> str:
    environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
    made = subprocess.run([sys.executable, "-c", BIG], env=environ, capture_output=True, check=True, text=True)
    return made.stdout


# -------------------------------------------------------------------------------- refusals

WRONG = [
    (
        "a partitioned table",
        'table("item", ID)',
        'table("item", ID, postgresql_partition_by="RANGE (id)")',
        {},
        'Table item: postgresql_partition_by changes from None to "RANGE (id)", which cannot be changed on '
        "an existing table.",
    ),
    (
        "one name of two columns that must both be filled",
        'table("item", ID, sa.Column("v", sa.Integer))',
        'table("item", ID, sa.Column("w", sa.Integer, nullable=False), sa.Column("v", sa.Integer, nullable=False))',
        {"rename": {"item.v": "w"}},
        "A column called item.v is renamed and a new one takes its name, and both need a `fill` by that name.",
    ),
    (
        "the same with the line pasted",
        'table("item", ID, sa.Column("v", sa.Integer))',
        'table("item", ID, sa.Column("w", sa.Integer, nullable=False), sa.Column("v", sa.Integer, nullable=False))',
        {"rename": {"item.v": "w"}, "fill": {"item.v": "0"}},
        "A column called item.v is renamed and a new one takes its name, and both need a `fill` by that name.",
    ),
    (
        "an index that PostgreSQL cannot make in a transaction",
        'table("item", ID, sa.Column("v", sa.Integer))',
        'table("item", ID, sa.Column("v", sa.Integer), sa.Index("ix", "v", postgresql_concurrently=True))',
        {},
        "Index ix is created concurrently, which PostgreSQL cannot do inside a transaction.",
    ),
]


@pytest.mark.parametrize(
    ("before", "after", "hints", "message"), [case[1:] for case in WRONG], ids=[c[0] for c in WRONG]
)
def test_what_cannot_be_expressed_is_refused(before: str, after: str, hints: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongUse) as error:
        way(Case("", before, after, hints))
    assert error.value.message == message
    assert error.value.hint
