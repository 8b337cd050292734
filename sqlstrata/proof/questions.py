"""The questions that a revision asks of the rows before its first statement, and the generated rows that stop it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    stopping = [each for each in asked if each.table in schema.tables and not _passes(walk, move, [each])]
    for key in dict.fromkeys(each.table for each in stopping):
        if not _remove(walk, move, schema, key, [each for each in asked if each.table == key]):
            return False
    return bool(stopping)


def _remove(walk: Walk, move: Move, schema: Schema, key: str, asked: Sequence[Question]) -> bool:
    unwanted = _unwanted(walk, move, schema, key, asked)
    done = unwanted is not None and take_out(walk, schema, key, unwanted)
    done = done or empty(walk, schema, [key])
    walk.connection.commit()
    return done


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


def _passes(walk: Walk, move: Move, asked: Sequence[Question]) -> bool:
    """Whether no question stops the revision, as the rows are now."""
    names = walk.script.get_revision(walk.steps[move.index].revision.id).module.__dict__
    try:
        with walk.connection.begin_nested(), Operations.context(MigrationContext.configure(walk.connection)):
            for each in asked:
                exec(each.code, dict(names))  # noqa: S102 - the revision's own text
    except CommandError as error:
        if not refuses(error):
            raise
        return False
    except sa.exc.SQLAlchemyError:
        return True  # the revision itself will show it
    return True


def _unwanted(walk: Walk, move: Move, schema: Schema, key: str, asked: Sequence[Question]) -> Rows | None:
    """Those rows of the table that may not be there; None where that cannot be found out.

    The rows come one after the other, and each that stops the revision is unwanted.
    """
    table = schema.tables[key]
    held = list(rows(walk.connection, [key], walk.schemas)[key])
    if not table.primary_key or (walk.server == "postgresql" and key in table.targets()):
        return None
    around = [each for each in pointing_at(schema, [key]) if each != key]
    if around and not empty(walk, schema, around):  # until the end of the trials
        return None
    unwanted = list(held)
    for row in held:
        trial = [each for each in unwanted if each is not row]
        if _passes_without(walk, move, table, trial, asked):
            unwanted = trial
    walk.connection.rollback()
    return unwanted


def _passes_without(walk: Walk, move: Move, table: Table, others: Rows, asked: Sequence[Question]) -> bool:
    trial = walk.connection.begin_nested()
    try:
        if others:
            with keys_off(walk):
                walk.connection.execute(deletion(table, others))
        return _passes(walk, move, asked)
    except sa.exc.SQLAlchemyError:
        return False
    finally:
        trial.rollback()
