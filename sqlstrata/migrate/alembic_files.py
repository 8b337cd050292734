"""The revision files of an Alembic history, by their text: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Written:
    """A revision as its file defines it: its id, the revisions that it follows, and those that it depends on."""

    id: str
    follows: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        return (*self.follows, *self.needs)


def written(text: str | bytes) -> Written | None:
    """The revision that a file defines; None where it defines none. Raises SyntaxError where Python cannot read it."""
    found: dict[str, ast.expr] = {}
    for node in _parsed(text).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found[name] = value
    given = _texts(found.get("revision"))
    return Written(given[0], _texts(found.get("down_revision")), _texts(found.get("depends_on"))) if given else None


def heads(known: Mapping[str, Written]) -> tuple[str, ...]:
    """The revisions that no other one follows or needs."""
    followed = {each for one in known.values() for each in one.parents}
    return tuple(sorted(known.keys() - followed))


def ancestors(parents: Mapping[str, Collection[str]], revision: str) -> frozenset[str]:
    """All revisions that come before one, given those that come right before each."""
    found: set[str] = set()
    waiting = [revision]
    while waiting:
        new = {*parents.get(waiting.pop(), ())} - found
        found |= new
        waiting += new
    return frozenset(found)


def _parsed(text: str | bytes) -> ast.Module:
    try:
        return ast.parse(text)
    except ValueError as error:  # a null character
        raise SyntaxError(str(error)) from error


def _texts(value: ast.expr | None) -> tuple[str, ...]:
    """A text, or several, as they are written; none where something else is."""
    match value:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            return tuple(text for item in items for text in _texts(item))
        case _:
            return ()
