"""Any stage that fills, casts, sets, renames and drops at once gives the values that a model in Python computes.

The model is a dict of rows; it shares nothing with the program but the texts of SQL beside their meaning in Python.
`STRATA_VALUES=1000 pytest tests/proof/test_values.py` makes a thousand chains for each server, other ones each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from sqlstrata.commands.staging import staged
from sqlstrata.databases.database import connect
from sqlstrata.migrate.apply import configuration
from sqlstrata.modules.turning import Turn
from sqlstrata.plan import Cast, Plan, Sql, Stage
from sqlstrata.plan.values import Base, Database, Mark, Marks, Models
from sqlstrata.proof.filling import Filling
from sqlstrata.revisions.generate import steps_of
from sqlstrata.scratch.bracket import scratch
from sqlstrata.scratch.clear import clear
from tests.servers import SERVERS, answering

LONG = int(os.environ.get("STRATA_VALUES", "0"))
NUMBERS = {"sqlite": 20, "postgresql": 6, "mariadb": 4}
Row = dict[str, Any]
Value = Callable[[Row], Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Expression:
    """SQL for every server, and what it gives for a row."""

    sql: Sql
    value: Value


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    nullable: bool


@dataclass
class Change:
    """What a stage does to one table: its columns after it, what the stage says, and what becomes of a row.

    up, down: for each column after, and before, its value from the whole row on the other side; set_: what `data` sets.
    """

    old: str
    new: str
    before: list[Column]
    after: list[Column] = field(default_factory=list)
    rename: dict[str, str] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)
    fill: dict[str, Sql] = field(default_factory=dict)
    cast: dict[str, Cast] = field(default_factory=dict)
    up: dict[str, Value] = field(default_factory=dict)
    down: dict[str, Value] = field(default_factory=dict)
    data: list[Sql] = field(default_factory=list)
    set_up: dict[str, Value] = field(default_factory=dict)
    set_down: dict[str, Value] = field(default_factory=dict)
    back: list[Sql] = field(default_factory=list)

    def upgraded(self, row: Row) -> Row:
        """`fill` and `cast` see the row as it was, `data` what they have made and what still goes."""
        made = {"id": row["id"], **{name: value(row) for name, value in self.up.items()}}
        seen = {**{name: row[name] for name in self.drop}, **made}
        return {**made, **{name: value(seen) for name, value in self.set_up.items()}}

    def downgraded(self, row: Row) -> Row:
        row = {**row, **{name: value(row) for name, value in self.set_down.items()}}
        return {"id": row["id"], **{name: value(row) for name, value in self.down.items()}}


# --------------------------------------------------------------------- SQL and its meaning


def text_of(value: Any) -> str:
    return "-" if value is None else str(value)


def joined(draw: Draw, columns: list[Column]) -> Expression:
    """The texts of two columns with something between them that drivers and SQL might trip over."""
    one, other = draw(st.sampled_from(columns)), draw(st.sampled_from(columns))
    mark = draw(st.sampled_from(["/", "%", "100% ''x''", ":a", '"', "%(x)s"]))
    plain, mysql = ([f"coalesce(CAST({each.name} AS {type_}), '-')" for each in (one, other)]
                    for type_ in ("TEXT", "CHAR"))  # fmt: skip
    sql = Sql(default=(f"{plain[0]} || '{mark}' || {plain[1]}",), mysql=(f"concat({mysql[0]}, '{mark}', {mysql[1]})",))
    between = mark.replace("''", "'")
    return Expression(sql, lambda row: f"{text_of(row[one.name])}{between}{text_of(row[other.name])}")


def counted(draw: Draw, columns: list[Column]) -> Expression:
    """The letters of a text, or a number's remainder."""
    column = draw(st.sampled_from(columns))
    if column.type == "int":
        sql = Sql(default=(f"coalesce({column.name}, 5) % 7",))
        return Expression(sql, lambda row: remainder(5 if row[column.name] is None else row[column.name]))
    sql = Sql(default=(f"length(coalesce({column.name}, 'x'))",), mysql=(f"char_length(coalesce({column.name}, 'x'))",))
    return Expression(sql, lambda row: len("x" if row[column.name] is None else row[column.name]))


def remainder(number: int) -> int:
    """As SQL has it: with the sign of the number."""
    return abs(number) % 7 * (-1 if number < 0 else 1)


def expression(draw: Draw, type_: str, columns: list[Column]) -> Expression:
    return (joined if type_ == "text" else counted)(draw, columns)


# ------------------------------------------------------------------------------- drawing


def kept(name: str) -> Value:
    return lambda row: row[name]


def change(draw: Draw, table: str, before: list[Column], names: Iterator[str]) -> Change:
    """Each column is left alone or changed in one way; then come new ones."""
    new_table = next(names) if draw(st.integers(0, 3)) == 0 else table
    made = Change(table, new_table, before)
    made.rename |= {table: new_table} if new_table != table else {}
    for column in before:
        edit = draw(st.sampled_from((_keep, _keep, _rename, _rename, _drop, _cast, _require)))
        edit(draw, made, column, names)
    for _ in range(draw(st.integers(0, 2))):
        _add(draw, made, names)
    if not made.after:
        _add(draw, made, names)
    _data(draw, made, names)
    # The way down is known once all columns are: it reads the row of the stage.
    for column in made.before:
        if column.name in made.down:
            continue
        back = expression(draw, column.type, made.after)
        if f"{table}.{column.name}" in made.cast:
            up = made.cast[f"{table}.{column.name}"].up
            made.cast[f"{table}.{column.name}"] = Cast(up=up, down=back.sql)
            made.down[column.name] = back.value
        elif column.nullable:
            made.down[column.name] = lambda _: None
        else:
            made.fill[f"{table}.{column.name}"] = back.sql
            made.down[column.name] = back.value
    return made


def _keep(_: Draw, made: Change, column: Column, __: Iterator[str]) -> None:
    made.after.append(column)
    made.up[column.name] = made.down[column.name] = kept(column.name)


def _rename(_: Draw, made: Change, column: Column, names: Iterator[str]) -> None:
    name = next(names)
    made.after.append(replace(column, name=name))
    made.rename[f"{made.old}.{column.name}"] = name
    made.up[name], made.down[column.name] = kept(column.name), kept(name)


def _drop(_: Draw, made: Change, column: Column, __: Iterator[str]) -> None:
    made.drop.append(column.name)


def _cast(draw: Draw, made: Change, column: Column, __: Iterator[str]) -> None:
    type_ = "int" if column.type == "text" else "text"
    made.after.append(replace(column, type=type_))
    up = expression(draw, type_, made.before)
    made.cast[f"{made.old}.{column.name}"] = Cast(up=up.sql)
    made.up[column.name] = up.value


def _require(draw: Draw, made: Change, column: Column, names: Iterator[str]) -> None:
    """It becomes NOT NULL."""
    if not column.nullable:
        _keep(draw, made, column, names)
        return
    name = column.name
    made.after.append(replace(column, nullable=False))
    up = expression(draw, column.type, made.before)
    made.fill[f"{made.old}.{name}"] = up.sql
    made.up[name] = lambda row: up.value(row) if row[name] is None else row[name]
    made.down[name] = kept(name)


def _add(draw: Draw, made: Change, names: Iterator[str]) -> None:
    column = Column(next(names), draw(st.sampled_from(("text", "int"))), draw(st.booleans()))
    made.after.append(column)
    if column.nullable:
        made.up[column.name] = lambda _: None
        return
    up = expression(draw, column.type, made.before)
    made.fill[f"{made.old}.{column.name}"] = up.sql
    made.up[column.name] = up.value


def _data(draw: Draw, made: Change, names: Iterator[str]) -> None:
    """SQL of the stage: up, a column gets what new columns and those that go give; down, one from the stage's row."""
    if draw(st.booleans()):
        target = draw(st.sampled_from(made.after))
        gone = [column for column in made.before if column.name in made.drop]
        there = [column for column in made.after if column.name != target.name]
        found = expression(draw, target.type, [*there, *gone] or made.after)
        made.data.append(_update(made.new, target.name, found.sql))
        made.set_up[target.name] = found.value
    if draw(st.booleans()):
        target = draw(st.sampled_from(made.after))
        found = expression(draw, target.type, made.after)
        made.back.append(_update(made.new, target.name, found.sql))
        made.set_down[target.name] = found.value


def _update(table: str, column: str, sql: Sql) -> Sql:
    texts = {"default": sql.default, "mysql": sql.mysql}
    made = {server: (f"UPDATE {table} SET {column} = {text[0]}",) for server, text in texts.items() if text}
    return Sql(**made)


@dataclass(frozen=True)
class Chain:
    first: dict[str, list[Column]]
    stages: tuple[tuple[Stage, tuple[Change, ...]], ...]

    def turns(self) -> Iterator[Turn]:
        yield Turn(Stage("s0", "0", enable=("s0",)), metadata(self.first))
        for stage, changes in self.stages:
            yield Turn(stage, metadata({each.new: each.after for each in changes}))


@st.composite
def chains(draw: Draw) -> Chain:
    """One table or two, and one stage to three that change everything at once."""
    names = (f"n{number}" for number in range(1000))
    first = {}
    for _ in range(draw(st.integers(1, 2))):
        types = draw(st.lists(st.sampled_from(("text", "int")), min_size=1, max_size=4))
        first[next(names)] = [Column(next(names), type_, draw(st.booleans())) for type_ in types]
    tables, stages = first, []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        changes = tuple(change(draw, table, columns, names) for table, columns in tables.items())
        stages.append((stage(f"s{number}", changes), changes))
        tables = {each.new: each.after for each in changes}
    return Chain(first, tuple(stages))


def stage(name: str, changes: tuple[Change, ...]) -> Stage:
    def merged(texts: list[Sql]) -> Sql:
        default = tuple(text for sql in texts for text in sql.default or ())
        mysql = tuple(text for sql in texts for text in (sql.mysql or sql.default or ()))
        return Sql(default=default, mysql=mysql) if texts else Sql()

    return Stage(
        name,
        name,
        enable=(name,),
        rename={key: value for each in changes for key, value in each.rename.items()},
        drop=tuple(f"{each.old}.{column}" for each in changes for column in each.drop),
        fill={key: value for each in changes for key, value in each.fill.items()},
        cast={key: value for each in changes for key, value in each.cast.items()},
        upgrade=merged([sql for each in changes for sql in each.data]),
        downgrade_sql=merged([sql for each in changes for sql in each.back]),
    )


def metadata(tables: dict[str, list[Column]]) -> sa.MetaData:
    made = sa.MetaData()
    types = {"text": sa.Text, "int": sa.BigInteger}
    for name, columns in tables.items():
        sa.Table(
            name,
            made,
            sa.Column("id", sa.Integer, primary_key=True),
            *(sa.Column(each.name, types[each.type](), nullable=each.nullable) for each in columns),
        )
    return made


# ------------------------------------------------------------------------------ the test


@pytest.mark.parametrize("kind", SERVERS)
def test_values_are_those_that_the_model_computes(kind: str) -> None:
    server = answering(kind)
    with ExitStack() as stack:
        database = stack.enter_context(scratch(server))
        connection = stack.enter_context(connect(database.engine))

        @given(chains())
        @settings(
            max_examples=LONG or NUMBERS[kind],
            derandomize=not LONG,
            database=None,
            deadline=None,
            phases=tuple(Phase) if LONG else (Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        def look(chain: Chain) -> None:
            clear(connection)
            carried(connection, kind, chain)

        look()


def carried(connection: sa.Connection, kind: str, chain: Chain) -> None:
    """Carry generated rows up, down and up again, stage by stage, and compare all of them with the model's."""
    made = plan(kind, chain)
    steps = steps_of(made, chain.turns())
    with staged(made, tuple(step.revision for step in steps)) as folder:
        config = configuration(folder, connection=connection, alone=True)
        command.upgrade(config, steps[0].revision.id)
        connection.commit()
        first = metadata(chain.first)
        Filling(connection, first.tables, lambda _: None).fill(first.tables, ())
        connection.commit()
        rows = found(connection, chain.first)
        assert all(len(each) >= 12 for each in rows.values())
        for number, (_, changes) in enumerate(chain.stages, 1):
            note(steps[number].revision.text)
            for way in ("up", "down", "up again"):
                target = steps[number - (way == "down")].revision.id
                (command.downgrade if way == "down" else command.upgrade)(config, target)
                connection.commit()
                rows = {
                    (each.old if way == "down" else each.new): {
                        key: (each.downgraded if way == "down" else each.upgraded)(row)
                        for key, row in rows[each.new if way == "down" else each.old].items()
                    }
                    for each in changes
                }
                tables = {each.old if way == "down" else each.new: each.before if way == "down" else each.after
                          for each in changes}  # fmt: skip
                assert found(connection, tables) == rows, way


def found(connection: sa.Connection, tables: dict[str, list[Column]]) -> dict[str, dict[int, Row]]:
    read = {
        key: {row.id: dict(row._mapping) for row in connection.execute(sa.select(table))}
        for key, table in metadata(tables).tables.items()
    }
    connection.rollback()
    return read


def plan(kind: str, chain: Chain) -> Plan:
    url, nowhere = SERVERS[kind], Path("nowhere")
    stages = tuple(turn.stage for turn in chain.turns())
    marks = Marks("config.yaml", Mark(1, 1, "", {}))
    models = Models("models", (Base("base", "Base"),))
    return Plan(nowhere, nowhere, Database(url), models, nowhere, nowhere, (url,), stages, marks)
