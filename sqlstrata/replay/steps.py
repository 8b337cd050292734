"""The data steps of an Alembic history: what its revisions do to rows, heard while they ran and found in their text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlstrata.disk import shown
from sqlstrata.replay.project import Heard, Old

_WRITES = re.compile(
    r"\s*(?:WITH\b.*?\b)?(INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE|COPY)\b", re.IGNORECASE | re.DOTALL
)
_CALLS = frozenset({"execute", "bulk_insert", "exec_driver_sql", "add", "add_all", "bulk_save_objects", "commit"})


@dataclass(frozen=True)
class DataStep:
    """A place where a revision may change rows: `seeds rows`, `rewrites rows` or `unknown`."""

    revision: str
    file: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {self.text}"


def data_steps(history: Sequence[Old], heard: Iterable[Heard], table: str) -> tuple[DataStep, ...]:
    """What may change rows, in the order of the history; table is Alembic's own."""
    said = {each.revision: [text for text in each.statements if _WRITES.match(text)] for each in heard}
    return tuple(step for old in history for step in _of(old, said.get(old.id, ()), table))


def _of(old: Old, statements: Iterable[str], table: str) -> Iterator[DataStep]:
    file = shown(old.path)
    tree = ast.parse(old.path.read_text(encoding="utf-8"))
    upgrade = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"), None)
    calls = [] if upgrade is None else list(_calls(upgrade))
    for call, name in calls:
        texts = (each.value for each in ast.walk(call) if isinstance(each, ast.Constant))
        literal = next((text for text in texts if isinstance(text, str)), "")
        if _DDL.match(literal):
            continue
        kind = "seeds rows" if name == "bulk_insert" else _kind(literal)
        yield DataStep(old.id, file, call.lineno, kind, " ".join(ast.unparse(call).split())[:120])
    if not calls:
        line = 1 if upgrade is None else upgrade.lineno
        for text in statements:
            if table not in text:
                yield DataStep(old.id, file, line, _kind(text), " ".join(text.split())[:120])


def _calls(function: ast.FunctionDef) -> Iterator[tuple[ast.Call, str]]:
    """The calls in a function that may change rows, each with its method's name."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CALLS:
            yield node, node.func.attr


def _kind(text: str) -> str:
    word = _WRITES.match(text)
    if word is None:
        return "unknown"
    return "seeds rows" if word[1].upper() == "INSERT" else "rewrites rows"


_DDL = re.compile(r"\s*(CREATE|ALTER|DROP|COMMENT|GRANT|REVOKE|SET|PRAGMA|SELECT)\b", re.IGNORECASE)
