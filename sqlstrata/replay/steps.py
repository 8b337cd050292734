"""The data steps of an Alembic history: what its revisions do to rows, heard while they ran and found in their text."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlstrata.disk import shown
from sqlstrata.replay.project import Heard, Old, Ran

_WRITES = re.compile(
    r"\s*(?:WITH\b.*?\b)?(INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE|COPY)\b", re.IGNORECASE | re.DOTALL
)
_CALLS = frozenset({"execute", "bulk_insert", "exec_driver_sql", "add", "add_all", "bulk_save_objects", "commit"})


_DDL = re.compile(r"\s*(CREATE|ALTER|DROP|COMMENT|GRANT|REVOKE|SET|PRAGMA|SELECT)\b", re.IGNORECASE)
_READS = re.compile(r"\s*\(?\s*(SELECT|WITH|INSERT|UPDATE|DELETE|REPLACE|MERGE|COPY)\b", re.IGNORECASE)
_OF_NO_STEP = re.compile(r"_alembic_tmp_|\b(?:pg_catalog|information_schema|sqlite_master)\b", re.IGNORECASE)
"""In statements of Alembic's batch mode, and of what looks at the schema."""

Name = tuple[str, str | None]
"""A table by its key, or one of its columns."""


@dataclass(frozen=True)
class DataStep:
    """A place where a revision may change rows: `seeds rows`, `rewrites rows` or `unknown`."""

    revision: str
    path: Path
    line: int
    kind: str
    whole: str

    @property
    def file(self) -> str:
        return shown(self.path)

    @property
    def text(self) -> str:
        return self.whole[:120]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {self.text}"


def data_steps(history: Sequence[Old], heard: Iterable[Heard], table: str) -> tuple[DataStep, ...]:
    """What may change rows, in the order of the history; table is Alembic's own."""
    said = {each.revision: each.statements for each in heard}
    return tuple(step for old in history for step in _of(old, said.get(old.id, ()), table))


def _of(old: Old, statements: Sequence[str], table: str) -> Iterator[DataStep]:
    """The calls in a revision's text; where it has none, what was heard."""
    tree = ast.parse(old.path.read_bytes())
    found = [
        DataStep(old.id, old.path, call.lineno, kind, " ".join(ast.unparse(call).split()))
        for call, kind in _calls(tree)
    ]
    line = _line(tree)
    yield from found or [
        DataStep(old.id, old.path, line, _kind(text), " ".join(text.split()))
        for text in statements
        if _WRITES.match(text) and table not in text and not _OF_NO_STEP.search(text)
    ]


def _line(tree: ast.Module) -> int:
    return next((node.lineno for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"), 1)


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """The calls that may change rows, each with its kind, wherever the upgrade may have them."""
    parts = (node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == "downgrade"))
    for node in (node for part in parts for node in ast.walk(part)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CALLS:
            texts = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
            literal = next((text for text in texts if isinstance(text, str)), "")
            if not _DDL.match(literal):
                yield node, "seeds rows" if node.func.attr == "bulk_insert" else _kind(literal)


def _kind(text: str) -> str:
    word = _WRITES.match(text)
    if word is None:
        return "unknown"
    return "seeds rows" if word[1].upper() == "INSERT" else "rewrites rows"


# ------------------------------------------------ what is read, and then dropped


@dataclass(frozen=True)
class Reader:
    """A place in a revision that reads what is not there after the stage."""

    path: Path
    line: int
    names: tuple[str, ...]


def readers(history: Sequence[Old], ran: Ran, gone: Collection[Name]) -> Iterator[Reader]:
    """The revisions of a run that read tables or columns which are gone after it, the first ones first."""
    said = {each.revision: each.statements for each in ran.heard}
    for old in history if gone else ():
        if old.id not in said:
            continue
        steps = list(_of(old, said[old.id], ran.table))
        heard = [text for text in said[old.id] if _READS.match(text) and not _OF_NO_STEP.search(text)]
        places = [(step.line, _named(step.whole, gone)) for step in steps]
        names = {name for text in heard for name in _named(text, gone)}.union(*(found for _, found in places))
        if names:
            default = steps[0].line if steps else _line(ast.parse(old.path.read_bytes()))
            yield Reader(old.path, next((line for line, found in places if found), default), tuple(sorted(names)))


def _named(text: str, names: Collection[Name]) -> set[str]:
    """Which of these names a text has, columns with their tables."""
    words = {word.lower() for word in re.findall(r"\w+", text)}
    return {
        table if column is None else f"{table}.{column}"
        for table, column in names
        if {table.rpartition(".")[2].lower(), *(() if column is None else (column.lower(),))} <= words
    }
