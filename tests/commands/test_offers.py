"""Every line that a refusal offers runs on the servers of the history."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from sqlstrata.diff import Hints, diff, examples
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.schema.values import Schema
from sqlstrata.scratch.bracket import scratch
from sqlstrata.servers import KINDS, Kind
from tests.commands.running import Inv
from tests.projects import write
from tests.servers import answering


class Own(sa.types.UserDefinedType[str]):
    """A type by its words."""

    cache_ok = True

    def __init__(self, words: str) -> None:
        self.words = words

    def get_col_spec(self, **_: object) -> str:
        return self.words


TYPES = (sa.Integer(), sa.Numeric(8, 2), sa.String(50), sa.Boolean(), sa.Date(), sa.DateTime(), sa.Time(), sa.Interval(),
         sa.LargeBinary(), sa.Uuid(), sa.JSON(), sa.Enum("a", "b", name="e"))  # fmt: skip
OWN: dict[str, tuple[sa.types.TypeEngine[Any], ...]] = {
    "sqlite": (),
    "postgresql": (
        sa.DateTime(timezone=True), sa.Time(timezone=True), postgresql.JSONB(), sa.ARRAY(sa.Text()),
        sa.ARRAY(postgresql.JSONB()), postgresql.INET(), postgresql.BIT(3), postgresql.INT4RANGE(), postgresql.TSVECTOR(),
    ),
    "mariadb": (mysql.YEAR(), mysql.SET("a", "b"), mysql.BIT(4), Own("INET6")),
}  # fmt: skip


@pytest.mark.parametrize("kind", OWN)
def test_every_cast_that_is_offered_between_two_types_runs(kind: str) -> None:
    """It makes what the new column takes, as far as that depends on the types alone; and NULL of NULL."""
    types = (*TYPES, *OWN[kind])
    with scratch(answering(kind)) as database, database.engine.connect() as connection:
        tables = [sa.Table(f"t{number}", sa.MetaData(), sa.Column("x", type_)) for number, type_ in enumerate(types)]
        for table in tables:
            table.metadata.create_all(connection)
            connection.execute(table.insert().values(x=sa.null()))
        number = 0
        sides = [described(type_, KINDS[kind]) for type_ in types]
        for one, other in itertools.permutations(range(len(types)), 2):
            for offered in offers(sides[one], sides[other], KINDS[kind].key):
                if "unhex" not in offered or sqlite3.sqlite_version_info >= (3, 41) or kind != "sqlite":
                    connection.exec_driver_sql(f"INSERT INTO t{other} (x) SELECT {offered} FROM t{one} LIMIT 1")
                    number += 1
        assert not any(connection.scalars(sa.select(sa.func.count(table.c.x))).one() for table in tables)
        connection.rollback()
    assert number > 50


def described(type_: sa.types.TypeEngine[Any], kind: Kind) -> Schema:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", type_))
    return describe(metadata, described=Described(kind.dialects))


def offers(before: Schema, after: Schema, key: str) -> list[str]:
    """What is offered for a column that gets another type, on the server with this key."""
    values = [need.value for need in diff(before, after, Hints(servers=(key,))).needs]
    return [str(value.get(key, value.get("default")) if isinstance(value, dict) else value) for value in values]


def test_a_cast_is_offered_for_what_each_server_stores() -> None:
    """Where one of them stores the same as before, its values stay."""
    blob, text = (describe_with(type_) for type_ in (sa.BINARY(16), sa.Uuid(native_uuid=False)))
    offered = {"sqlite": "CASE WHEN x IS NOT NULL THEN lower(hex(x)) END", "postgresql": "x", "mysql": "lower(hex(x))"}
    assert [need.value for need in diff(blob, text, Hints()).needs] == [offered]


def describe_with(type_: sa.types.TypeEngine[Any]) -> Schema:
    """A column that PostgreSQL stores as a UUID whatever the others do."""
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("x", type_.with_variant(sa.Uuid(), "postgresql")))  # fmt: skip
    return describe(metadata)


@pytest.mark.parametrize(
    ("words", "value"),
    [("VECTOR(2)", "array_fill(0, ARRAY[2])::VECTOR(2)"), ("HALFVEC(3)", "array_fill(0, ARRAY[3])::HALFVEC(3)"),
     ("SPARSEVEC(5)", "'{}/5'"), ("LTREE", "''")],
)  # fmt: skip
def test_values_of_extensions_types_are_offered(words: str, value: str) -> None:
    before, after = sa.MetaData(), sa.MetaData()
    sa.Table("t", before, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("t", after, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", Own(words), nullable=False))
    kind = KINDS["postgresql"]
    sides = [describe(each, described=Described(kind.dialects)) for each in (before, after)]
    assert [need.value for need in diff(*sides, Hints(servers=(kind.key,))).needs] == [value]


MODEL = """
class T(Base):
    __tablename__ = "t"
    id: Mapped[int] = mapped_column(primary_key=True)
    x: Mapped[{type}]
    y: Mapped[{type}]
"""


def test_a_cast_that_does_not_run_is_not_offered(inv: Inv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead it is one value for all rows, and the message says so; what does run stays. Pasting it leads on."""
    casts = {"sqlite": "no_such_function({name})"}
    monkeypatch.setitem(examples._CROSSINGS, ("integer", "binary"), casts)
    stages = [{"name": "um", "enable": ["um"]}, {"name": "dois", "disable": ["um"], "enable": ["dois"]}]
    project = write(tmp_path, {"um": MODEL.format(type="int"), "dois": MODEL.format(type="bytes")}, stages)
    ran = inv("rebuild", "--json", "--config", str(project.config))
    assert (ran.code, {need["name"]: need["value"] for need in ran.error["needs"]}) == (6, {"t.x": "''", "t.y": "''"})
    assert "does not run on SQLite, so one value is offered for all rows there" in ran.error["message"]
    assert project.files() == {}
    project.configure(
        stages=[stages[0], {**stages[1], "cast": {each["name"]: each["value"] for each in ran.error["needs"]}}]
    )
    assert inv("rebuild", "--config", str(project.config)).code == 0


def test_without_a_server_the_lines_are_offered_as_they_are(inv: Inv, tmp_path: Path) -> None:
    stages = [{"name": "um", "enable": ["um"]}, {"name": "dois", "disable": ["um"], "enable": ["dois"]}]
    project = write(tmp_path, {"um": MODEL.format(type="int"), "dois": MODEL.format(type="bytes")}, stages)
    ran = inv("rebuild", "--no-proof", "--json", "--config", str(project.config))
    assert [need["value"] for need in ran.error["needs"]] == ["x", "y"]
