"""Frozen stages: their files give back the very schema, and the very revisions."""

from __future__ import annotations

from itertools import starmap
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata.errors import WrongUse
from sqlstrata.modules import frozen
from sqlstrata.modules.frozen import Accumulated, digest, is_unedited
from sqlstrata.modules.turning import Turn
from sqlstrata.revisions.frozen import freeze
from sqlstrata.revisions.generate import steps_of
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.schema.values import Schema
from tests.proof import changes

SIDES = ("before", "after")
POSSIBLE = [
    (case, outcome)
    for case, outcome in zip(changes.cases(), changes.outcomes(), strict=True)
    if outcome.step is not None
]


def nothing(_: sa.MetaData) -> None:
    """Add nothing to a MetaData."""


@pytest.mark.parametrize("number", range(len(POSSIBLE)))
def test_a_frozen_stage_gives_back_the_schema_and_the_revision(number: int) -> None:
    case, outcome = POSSIBLE[number]
    alone = [(each,) for each in outcome.servers] if number % 5 == 0 else []
    for servers in {outcome.servers, *alone}:
        stages = [{"name": "before"}, {"name": "after", **case.stage}]
        plan = changes.plan(stages, [changes.ADDRESSES[each] for each in servers])
        accumulated, texts = Accumulated(nothing), []
        before = Schema()
        for side in SIDES:
            models = changes.metadata(case, side)
            schema = describe(models, described=Described(plan.dialects))
            texts.append(freeze(plan, side, before, schema, models))
            found = describe(accumulated.add(texts[-1], Path(f"{side}.py")), described=Described(plan.dialects))
            assert (found.tables, found.enums) == (schema.tables, schema.enums)
            assert (found.sequences, found.statements) == (schema.sequences, schema.statements)
            before = schema
        if servers == outcome.servers:
            assert outcome.step is not None
            again = Accumulated(nothing)
            turned = (again.add(text, Path("a.py")) for text in texts)
            made = steps_of(plan, starmap(Turn, zip(plan.stages, turned, strict=True)))
            assert made[-1].revision.text == outcome.step.revision.text


def test_a_file_has_only_what_its_stage_changes() -> None:
    one, two = "one = sa.Table('a', metadata, sa.Column('id', sa.Integer))", "gone = ['a']"
    metadata = Accumulated(nothing)
    head = "import sqlalchemy as sa\nmetadata = sa.MetaData()\n"
    assert list(metadata.add(f"{head}{one}\nsa.Table('b', metadata)\n", Path("a.py")).tables) == ["a", "b"]
    assert list(metadata.add(f"{head}{two}\nsa.Table('c', metadata)\n", Path("b.py")).tables) == ["b", "c"]


REFERRING = """\
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", sa.Boolean(create_constraint=True)))
sa.Table("b", metadata, sa.Column("a_id", sa.ForeignKey("a.id")))
sa.Table("c", metadata, sa.Column("id", sa.Integer))
"""
CHANGED = """\
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", sa.Boolean))
"""


def test_tables_that_refer_to_a_changed_one_refer_to_the_new_one() -> None:
    accumulated = Accumulated(nothing)
    first = dict(accumulated.add(REFERRING, Path("a.py")).tables)
    assert [table.name for table in first["b"].metadata.sorted_tables][-1] == "b"
    second = accumulated.add(CHANGED, Path("b.py")).tables
    (key,) = second["b"].foreign_keys
    assert key.column is second["a"].c.id
    assert second["c"] is first["c"], "what did not change is the same object"
    assert [len(each["a"].constraints) for each in (first, second)] == [2, 1], "a Boolean's CHECK is its table's"


WRONG = {
    "an error": ("import sqlalchemy as sa\n\nmetadata = sa.Metadata()\n", "f.py:3:1: The file fails: AttributeError"),
    "no Python": ("metadata = (\n", "f.py:1:1: The file is not Python"),
    "no MetaData": ("metadata = 1\n", "f.py: A frozen file defines `metadata`, a MetaData"),
    "gone that never was": (
        "import sqlalchemy as sa\nmetadata = sa.MetaData()\ngone = ['x']\n",
        "f.py: `gone` names `x`, which does not exist before.",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_file_is_said_with_its_line(what: str) -> None:
    text, message = WRONG[what]
    with pytest.raises(WrongUse, match="Restore it") as error:
        Accumulated(nothing).add(text, Path("f.py"))
    assert str(error.value).startswith(message)


def test_an_edit_is_seen_and_other_line_ends_are_none() -> None:
    text = frozen.signed('"""A stage.\n\nDigest: 000000000000\n"""\n')
    assert is_unedited(text)
    assert is_unedited(text.replace("\n", "\r\n"))
    assert not is_unedited(text + "\n")
    assert f"Digest: {digest(text)}\n" in text
