"""docs/changes.md is true: each change in it is carried out on each server, and the text is made of what happens."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import starmap
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util import CommandError

from sqlstrata import folder as history
from sqlstrata.modules.turning import Turn
from sqlstrata.proof import prove as proof
from sqlstrata.proof import refusal
from sqlstrata.proof.prove import prove
from sqlstrata.revisions.generate import Step, steps_of
from sqlstrata.revisions.rows import insert
from sqlstrata.scratch.bracket import Scratch, scratch
from sqlstrata.sqlalchemy_versions import is_view
from tests.proof.changes import (
    ADDRESSES,
    DOCUMENT,
    TABLE,
    Case,
    cases,
    document,
    metadata,
    model,
    module,
    needs,
    numbered,
    outcomes,
    plan,
    stops,
)  # fmt: skip
from tests.proof.changes import steps as solo
from tests.servers import RELEASES, answering, family
from tests.versions import needs_2_1

NUMBERED = tuple(enumerate(cases()))
BY_HAND = yaml.safe_load(TABLE.read_text(encoding="utf-8"))["by hand"]["things"]
Rows = dict[str, list[dict[str, Any]]]


@needs_2_1
def test_the_document_is_what_the_cases_come_to() -> None:
    """What is refused, what is asked of the stage and of the rows, and what is done on each server."""
    written = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
    assert written == document(), "docs/changes.md is not up to date: run `python -m tests.proof.changes --write`"


@pytest.mark.parametrize("case", [case for case in cases() if case.stage], ids=lambda case: case.change)
def test_a_stage_is_asked_for_no_more_than_the_document_says(case: Case) -> None:
    """Where it says `rename`, the refusal asks for the drop that it would be without."""
    asked = {(each["key"], each["name"]) for each in needs(case)}
    said = {(key, name) for key in ("drop", "fill", "cast") for name in case.stage.get(key, ())}
    assert asked <= said or "rename" in case.stage


# ---------------------------------------------------------------------- one history of all cases


@pytest.mark.parametrize("kind", RELEASES)
def test_every_change_is_proved_up_down_and_up_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All cases in one history; with rows, which come through the way down, too."""
    made: list[object] = []

    @contextmanager
    def counted(url: str, schemas: Sequence[str] = ()) -> Iterator[Scratch]:
        made.append(url)
        with scratch(url, schemas) as given:
            yield given

    monkeypatch.setattr(proof, "scratch", counted)
    monkeypatch.setattr(refusal, "scratch", counted)
    server = answering(kind)
    steps = whole(family(kind))
    history.environment(tmp_path)
    (tmp_path / "versions").mkdir()
    history.write(tmp_path / "versions", tuple(step.revision for step in steps))
    prove(server, tmp_path, steps, lambda _: None)
    assert len(made) == 1, "rows were in the way down: it was proved without them, in another database"


def whole(kind: str) -> tuple[Step, ...]:
    """Before, after, and after what has SQL of its own: that may do anything to rows, so they are not compared then."""
    here = [(number, case) for number, case in NUMBERED if kind in outcomes()[number].servers and not refused(number)]
    said = {number: numbered(case.stage, number) for number, case in here}
    late = [number for number, _ in here if "data" in said[number]]
    stages = [
        {"name": "before"},
        {"name": "after", **merged([stage for number, stage in said.items() if number not in late])},
        {"name": "data", "data": data([said[number]["data"] for number in late], kind)},
    ]
    made = plan(stages, [ADDRESSES[kind]])
    sides = []
    for name in ("before", "after", "data"):
        into = sa.MetaData()
        for number, case in here:
            old = name == "before" or (name == "after" and number in late)
            model(case, "before" if old else "after", into, number)
        sides.append(into)
    given = {name: rows for number, _ in here for name, rows in rows_of(number, number).items()}
    first = replace(made.stages[0], rows={table.key: given[table.key] for table in sides[0].sorted_tables
                                          if table.key in given})  # fmt: skip
    return steps_of(made, starmap(Turn, zip((first, *made.stages[1:]), sides, strict=True)))


def refused(number: int) -> bool:
    return outcomes()[number].refused is not None


def merged(stages: list[Mapping[str, Any]]) -> dict[str, Any]:
    """One stage that says what all say; that one cannot be undone is not the others' matter."""
    found: dict[str, Any] = {"rename": {}, "drop": [], "fill": {}, "cast": {}}
    for stage in stages:
        for key in ("rename", "fill", "cast"):
            found[key] |= stage.get(key, {})
        found["drop"] += stage.get("drop", [])
    return found


def data(given: list[Mapping[str, Any]], kind: str) -> dict[str, Any]:
    """The SQL of all cases for one server."""
    found: dict[str, Any] = {"upgrade": [], "downgrade": []}
    for each in given:
        for way in found:
            sql = each.get(way, [])
            sql = sql.get("mysql" if kind == "mariadb" else kind, []) if isinstance(sql, dict) else sql
            found[way] += [sql] if isinstance(sql, str) else sql
    return found


def rows_of(index: int, number: int) -> Rows:
    """The case's rows, and two of each table for which it gives none; none where the way down must not meet any."""
    case, step = cases()[index], outcomes()[index].step
    assert step is not None
    if case.rows == {} or any("has rows" in each for each in stops(step, "downgrade")):
        return {}
    tables = metadata(case, "before", number).sorted_tables
    made = {table.key: [a_row(table, n) for n in (1, 2)] for table in tables if not is_view(table)}
    return {**made, **numbered(case.rows or {}, number)}


def a_row(table: sa.Table, n: int) -> dict[str, Any]:
    return {column.name: a_value(column, n) for column in table.columns if column.computed is None}


def a_value(column: sa.Column[Any], n: int) -> object:
    """The nth value of a type; foreign keys find their rows."""
    match column.type:
        case sa.Enum():
            return column.type.enums[0]
        case sa.Boolean():
            return n == 1
        case sa.DateTime():
            return dt.datetime(2024, 1, n)  # noqa: DTZ001  (as the column has it)
        case sa.Date():
            return dt.date(2024, 1, n)
        case sa.JSON():
            return {"n": n}
        case sa.Uuid():
            return uuid.UUID(int=n)
        case sa.LargeBinary():
            return str(n).encode()
        case sa.Numeric() if not isinstance(column.type, sa.Float):
            return decimal.Decimal(n)
        case sa.String():
            return str(n)
        case _:
            return n


# ------------------------------------------------------------------------- rows that are in the way


@pytest.mark.parametrize("kind", RELEASES)
def test_rows_stop_a_stage_before_anything_is_touched_and_cross_as_it_says(kind: str) -> None:
    """Where the document says `stops`, and where a stage's own SQL makes values."""
    here = [(number, case) for number, case in NUMBERED if family(kind) in outcomes()[number].servers]
    with scratch(answering(kind)) as database, database.engine.connect() as connection:
        for index, case in here:
            if case.bad is not None:
                stopped(connection, case, index)
            if case.then:
                crosses(connection, case, index)


def filled(connection: sa.Connection, case: Case, number: int, rows: Rows) -> Rows:
    """Make the case's tables, as they are before its change, with rows."""
    before = metadata(case, "before", number)
    before.create_all(connection)
    insert(connection, before, rows)
    connection.commit()
    return rows


def stopped(connection: sa.Connection, case: Case, index: int) -> None:
    rows = filled(connection, case, index, numbered(case.bad, index))
    with pytest.raises(CommandError, match=r"Nothing was changed\.") as caught:
        run(connection, solo(case, case.stage, case.only, index)[1], "upgrade")
    connection.rollback()
    assert getattr(caught.value, "code", None) in {6, 9}, case.change
    for name, given in rows.items():
        assert connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() == len(given), case.change
    connection.rollback()


def crosses(connection: sa.Connection, case: Case, index: int) -> None:
    number = index + len(NUMBERED)
    filled(connection, case, number, rows_of(index, number))
    run(connection, solo(case, case.stage, case.only, number)[1], "upgrade")
    for query, wanted in case.then.items():
        found = connection.exec_driver_sql(numbered(query, number)).all()
        assert [list(row) for row in found] == wanted, case.change
    connection.commit()


def run(connection: sa.Connection, step: Step, way: str) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        module(step.revision.text)[way]()


# ---------------------------------------------------------------------------------- made by hand

BY_HAND_CASES = {
    False: Case("a wider column", 'Column("name", String(50))', 'Column("name", String(80))'),
    True: Case("a column more", 'Column("name", String(50))', 'Column("name", String(50)), Column("age", Integer)'),
}


@pytest.mark.parametrize("kind", RELEASES)
def test_what_was_made_by_hand_survives_or_stops_the_stage(kind: str) -> None:
    """As the document says: and what is stopped is as it was."""
    with scratch(answering(kind)) as database, database.engine.connect() as connection:
        kind = family(kind)
        for number, thing in enumerate(BY_HAND):
            case = BY_HAND_CASES[thing.get("plain", False)]
            before = metadata(case, "before", number)
            before.create_all(connection)
            insert(connection, before, {numbered("item", number): [{"id": 1, "name": "a"}]})
            for statement in on(thing["made"], kind, number).split(";\n" if kind == "sqlite" else "; CREATE"):
                again = statement.startswith(" TRIGGER")
                connection.exec_driver_sql(f"CREATE{statement}" if again else statement)
            look = on(thing["look"], kind, number)
            there = connection.exec_driver_sql(look).all()
            connection.commit()
            step = solo(case, {}, case.only, number)[1]
            if on(thing["fate"], kind, None) == "survives":
                run(connection, step, "upgrade")
                run(connection, step, "downgrade")
            else:
                with pytest.raises((CommandError, sa.exc.DBAPIError)):
                    run(connection, step, "upgrade")
                connection.rollback()
            assert connection.exec_driver_sql(look).all() == there != [], f"{thing['thing']} on {kind}"
            assert connection.exec_driver_sql(f"SELECT name FROM {numbered('item', number)}").all() == [("a",)]
            connection.commit()


def on(said: str | Mapping[str, str], kind: str, number: int | None) -> str:
    """What is meant for the server."""
    return str(numbered(said if isinstance(said, str) else said[kind], number))
