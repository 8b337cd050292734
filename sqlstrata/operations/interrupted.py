"""MariaDB: an interrupted revision, reported and undone by its journal."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from types import ModuleType

import sqlalchemy as sa

from .body import Operation, at, operations
from .journal import ALREADY, Entry, Interrupted, Journal, interrupted, is_ddl, written
from .lock import number_of

_ASIDE = "_new_"  # in the names of temporary columns for conversions


def report(journal: Journal, module: ModuleType, function: str, failed: int) -> str | None:
    """Which operations are applied and which are not, after `journal` was settled; `failed` is the line that failed.

    None where nothing is applied.
    """
    if not any(entry.counts for entry in journal.entries):
        return None
    known = [each for each in operations(module, function) if not each.guards]
    done = {id(at(entry.line, known)) for entry in journal.entries if entry.counts}
    stopped = at(failed, known)
    inside = [each for each in known if id(each) in done and each is not stopped]
    inside += [each for each in known if stopped is not None and each.last < stopped.first and each not in inside]
    inside.sort(key=lambda each: each.first)
    partly = stopped is not None and id(stopped) in done
    outside = [each for each in known if each not in inside]
    return (
        f"MariaDB commits each statement. {_NAMES[journal.direction]} {journal.revision} was interrupted. "
        f"Applied: {_list(inside)}. Not applied: {_list(outside)}."
    ) + (f" Partly applied: {stopped}." if partly else "")


_NAMES = {
    "up": "Upgrade to",
    "down": "Downgrade of",
    "undo up": "Undoing the upgrade to",
    "undo down": "Undoing the downgrade of",
}


def _list(known: Sequence[Operation]) -> str:
    return ", ".join(map(str, known)) or "none"


def undo(connection: sa.Connection, found: Interrupted, module: ModuleType) -> None:
    """Undo an interrupted revision, and clear its journal. This can be interrupted, too, and run again.

    Raises the database's error where an operation has to be finished first and cannot be.
    """
    source = str(module.__file__)
    way = found.direction.removeprefix("undo ")
    there, back = (
        operations(module, name) for name in (("upgrade", "downgrade") if way == "up" else ("downgrade", "upgrade"))
    )
    if way == found.direction:
        _decide(connection, found, module, there, back)
    chosen = next(json.loads(entry.content) for entry in _there(connection).entries if entry.kind == "undo")
    journal = Journal(connection, found.revision, f"undo {way}", source, tolerant=True)
    with written(journal):
        _run_only(module, [_cut(each, chosen[str(each.first)]) for each in back if str(each.first) in chosen])
    journal.forget()
    connection.commit()


def _there(connection: sa.Connection) -> Interrupted:
    found = interrupted(connection)
    assert found is not None
    return found


def _decide(
    connection: sa.Connection, found: Interrupted, module: ModuleType, there: list[Operation], back: list[Operation]
) -> None:
    """Replace the journal by the operations that undo the revision."""
    journal = Journal(connection, found.revision, found.direction, str(module.__file__))
    found = Interrupted(found.revision, found.direction, journal.entries)
    kept, unfinished = _undone(found, there, back)
    if unfinished:
        with written(journal):
            _run_only(module, there[: there.index(unfinished[0]) + 1])
        kept, _ = _undone(Interrupted(found.revision, found.direction, journal.entries), there, back)
        kept += [each for each in back if each.keys & unfinished[0].keys and each not in kept]
        kept.sort(key=lambda each: each.first)
    else:
        for sql in _aside(found):
            journal.tolerate(sql)
    counted = [entry for entry in found.entries if entry.counts]
    last = at(counted[-1].line, there) if counted else None
    done = sum(1 for entry in counted if last is not None and at(entry.line, there) is last)
    journal.replace({each.first: _first(each, last, done) for each in kept})


def _undone(
    found: Interrupted, there: Sequence[Operation], back: Sequence[Operation]
) -> tuple[list[Operation], list[Operation]]:
    """The operations that undo what is applied, and the one that has to be finished first.

    Operations without a counterpart are kept: the server's error shows where they have nothing to do.
    """
    counted = [entry for entry in found.entries if entry.counts]
    last = at(counted[-1].line, there) if counted else None
    statements = [_sql(entry) for entry in counted if last is not None and at(entry.line, there) is last]
    crossing = [sql for sql in statements if _ASIDE in sql]
    begun = all(_ASIDE in sql and "MODIFY" not in sql and "DROP" not in sql for sql in statements)
    unchanged = not any(map(is_ddl, statements))
    unfinished = [last] if last is not None and crossing and not begun else []
    done = {id(at(entry.line, there)) for entry in counted}
    if last is not None and (begun or unchanged) and last.name != "run_sql":
        done.discard(id(last))
    keys = {key for each in there if id(each) in done for key in each.keys}
    others = {key for each in there if id(each) not in done for key in each.keys} - keys
    tables = {each.about[0] for each in there if id(each) in done and each.about}
    kept = [
        each
        for each in back
        if (each.about[:1] and each.about[0] in tables if each.guards else not (each.keys & others))
    ]
    return kept, unfinished


def _aside(found: Interrupted) -> Iterator[str]:
    """The statements that drop temporary columns of a conversion that had not begun."""
    for sql in (_sql(entry) for entry in found.entries if entry.counts):
        if table := re.match(r"ALTER TABLE .+?(?= ADD COLUMN _new_)", sql):
            names = re.findall(r"ADD COLUMN (_new_\d+)", sql)
            yield f"{table[0]} {', '.join(f'DROP COLUMN {name}' for name in names)}"


def _sql(entry: Entry) -> str:
    return str(json.loads(entry.content)["sql"]) if entry.kind == "ddl" else entry.content


def _run_only(module: ModuleType, chosen: Sequence[Operation]) -> None:
    """Run only these operations of a revision; lines are those of the file.

    A guard about a missing column or table is skipped.
    """
    for each in chosen:
        code = compile(ast.Module([each.node], type_ignores=[]), str(module.__file__), "exec")
        try:
            exec(code, vars(module))  # noqa: S102 - the revision's own code, which Alembic runs as well
        except sa.exc.DBAPIError as error:
            if not each.guards or number_of(error) not in ALREADY:
                raise


def _first(operation: Operation, last: Operation | None, done: int) -> int:
    """Where to begin in SQL that undoes SQL statement by statement, last first, when only some was applied."""
    if operation.name != "run_sql" or last is None or last.name != "run_sql":
        return 0
    total = len(last.statements)
    return total - done if len(operation.statements) == total else 0


def _cut(operation: Operation, first: int) -> Operation:
    return operation.from_statement(first) if first else operation
