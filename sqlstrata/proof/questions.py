"""The questions that a revision asks of the rows before its first statement, and the generated rows that stop it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util import CommandError

from sqlstrata.proof.drive import refuses
from sqlstrata.proof.emptying import Rows, deletion, empty, keys_off, pointing_at, take_out
from sqlstrata.proof.walk import Move, Walk
from sqlstrata.schema.values import Schema, Table
from sqlstrata.snapshot import rows


@dataclass(frozen=True)
class Question:
    """A call of an `op.require_…` in a revision, and the key of the table that it asks about."""

    table: str
    code: CodeType


def remove_stopping(walk: Walk, move: Move) -> bool:
    """Take out as few rows as possible, so that no question stops the move. False where that was not possible."""
    schema = walk.schema(move.index if move.direction == "down" else move.index - 1)
    asked = list(_questions(walk, move))
    passes = _asking(walk, move)
    stopping = [each for each in asked if each.table in schema.tables and not passes([each])]
    for key in dict.fromkeys(each.table for each in stopping):
        own = [each for each in asked if each.table == key]
        unwanted = _unwanted(walk, schema, key, partial(passes, own))
        removed = (bool(unwanted) and take_out(walk, schema, key, unwanted)) or empty(walk, schema, [key])
        walk.connection.commit()
        if not removed:
            return False
    return bool(stopping)


def _questions(walk: Walk, move: Move) -> Iterator[Question]:
    """The revision's questions, in their order."""
    script = walk.script.get_revision(walk.steps[move.index].revision.id)
    tree = ast.parse(Path(script.path).read_text(encoding="utf-8"))
    name = "downgrade" if move.direction == "down" else "upgrade"
    body = next(each.body for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name)
    for statement in body:
        calls = [each for each in ast.walk(statement) if isinstance(each, ast.Call) and _is_question(each)]
        others = [each for each in ast.walk(statement) if isinstance(each, ast.Expr) and each.value not in calls]
        for call in calls if not others else ():
            schema = [str(ast.literal_eval(each.value)) for each in call.keywords if each.arg == "schema"]
            code = compile(ast.Module([statement], []), script.path, "exec")
            yield Question(".".join([*schema, str(ast.literal_eval(call.args[0]))]), code)


def _is_question(call: ast.Call) -> bool:
    return ast.unparse(call.func).startswith("op.require_")


def _asking(walk: Walk, move: Move) -> Callable[[Sequence[Question]], bool]:
    """A function that asks questions: none of them stops the revision, as the rows are now."""
    names = walk.script.get_revision(walk.steps[move.index].revision.id).module.__dict__
    context = MigrationContext.configure(walk.connection)

    def passes(asked: Sequence[Question]) -> bool:
        try:
            with walk.connection.begin_nested(), Operations.context(context):
                for each in asked:
                    exec(each.code, dict(names))  # noqa: S102 - the revision's own text
        except CommandError as error:
            if not refuses(error):
                raise
            return False
        except sa.exc.SQLAlchemyError:
            return True  # the revision itself will show it
        return True

    return passes


def _unwanted(walk: Walk, schema: Schema, key: str, passes: Callable[[], bool]) -> Rows:
    """Those rows of the table that may not be there; none where that cannot be found out.

    Rows come in groups; one that stops the revision comes by halves.
    """
    table = schema.tables[key]
    if not table.primary_key or (walk.server == "postgresql" and key in table.targets()):
        return []
    around = [each for each in pointing_at(schema, [key]) if each != key]
    in_circle = key in pointing_at(schema, around)
    if around and not in_circle and not empty(walk, schema, around):  # until the end of the trials
        return []
    out = list(rows(walk.connection, [key], walk.schemas)[key])
    groups = [list(out)]
    while groups:
        group = groups.pop()
        trial = [each for each in out if not any(each is row for row in group)]
        if _passes_without(walk, table, trial, passes):
            out = trial
        elif len(group) > 1:
            groups += [group[len(group) // 2 :], group[: len(group) // 2]]
    walk.connection.rollback()
    return out


def _passes_without(walk: Walk, table: Table, others: Rows, passes: Callable[[], bool]) -> bool:
    trial = walk.connection.begin_nested()
    try:
        if others:
            with keys_off(walk):
                walk.connection.execute(deletion(table, others))
        return passes()
    except sa.exc.SQLAlchemyError:
        return False
    finally:
        trial.rollback()
