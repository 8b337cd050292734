"""Bases that outlive the models: SQLModel's, or a company's own, which importing the package does not make again.

While a stage's modules are imported, every registry that exists already, and its MetaData, is blank. Afterwards what
the stage made is taken out of it, and the program's own tables and mappers are put back.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import registry

from sqlstrata.private_names import hide, mapped, registries, show
from sqlstrata.sqlalchemy_versions import maker, types_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

State = tuple[object, dict[str, object]]


class SharedBases:
    """What stages make of objects that outlive them: present while their modules are imported, removed otherwise.

    is_imported says by its name whether a module is imported for the stages alone: its mappers are disposed of at the
    end, and hidden from `configure_mappers` until then.
    """

    def __init__(self, is_imported: Callable[[str], bool]) -> None:
        self._is_imported = is_imported
        self._states: list[State] = []
        self._own: set[registry] = set()

    @contextmanager
    def restored(self, known: Iterable[sa.MetaData]) -> Iterator[None]:
        """Have all registries, their MetaData and the known ones inside as they were when this was last left.

        The first time they are blank. Afterwards they are as they were before. Use `move` inside to keep a MetaData
        that was made there.
        """
        theirs = registries()
        kept: dict[sa.MetaData, None] = dict.fromkeys([*known, *(each.metadata for each in theirs)])
        outlasting: list[object] = [*theirs, *kept]
        before = [(each, dict(vars(each))) for each in outlasting]
        for metadata in kept:
            _replace(metadata, vars(_blank_metadata(metadata)))
        for one in theirs:
            _replace(one, _blank_registry(one))
        self._bring_back()
        try:
            yield
        finally:
            self._states = [(each, dict(vars(each))) for each in outlasting]
            new = registries() - theirs - self._own
            self._own |= {one for one in new if all(self._is_imported(each.__module__) for each in mapped(one))}
            for one in new:
                if _is_sqlmodels(one.metadata):
                    self._states.append((one.metadata, dict(vars(one.metadata))))
                    _replace(one.metadata, vars(sa.MetaData()))
            for one in self._own:
                hide(one)
            for each, state in before:
                _replace(each, state)

    def end(self) -> None:
        """Dispose of what the stages made."""
        outlasting = [(each, dict(vars(each))) for each, _ in self._states]
        self._bring_back()
        for made in [*self._own, *(each for each, _ in self._states if isinstance(each, registry))]:
            made.dispose(cascade=True)
        for each, state in outlasting:
            _replace(each, state)
        self._states, self._own = [], set()

    def _bring_back(self) -> None:
        for each, state in self._states:
            _replace(each, state)
        for one in self._own:
            show(one)


def move(metadata: sa.MetaData, into: sa.MetaData | None = None) -> sa.MetaData:
    """Move all that is in a MetaData, tables and all, into a new one or the one given, and give that."""
    taken: sa.MetaData = object.__new__(type(metadata)) if into is None else into
    _replace(taken, dict(vars(metadata)))
    tables = list(taken.tables.values())
    items: list[Any] = [*tables, *types_of(taken), *map(maker, tables)]
    for item in items:
        if getattr(item, "metadata", None) is metadata:
            item.metadata = taken
    return taken


def _blank_metadata(like: sa.MetaData) -> sa.MetaData:
    """Give an empty MetaData; SQLModel makes its own without arguments."""
    if _is_sqlmodels(like):
        return sa.MetaData()
    made = sa.MetaData(schema=like.schema, naming_convention=like.naming_convention)
    if "info" in vars(like):
        made.info = dict(like.info)
    return made


def _blank_registry(like: registry) -> dict[str, object]:
    made = registry(metadata=like.metadata, constructor=like.constructor)
    made.type_annotation_map.update(like.type_annotation_map)
    return dict(vars(made))


def _is_sqlmodels(metadata: sa.MetaData) -> bool:
    sqlmodel = sys.modules.get("sqlmodel")
    return sqlmodel is not None and metadata is sqlmodel.SQLModel.metadata


def _replace(thing: object, state: dict[str, object]) -> None:
    """Exchange the state of an object in place."""
    vars(thing).clear()
    vars(thing).update(state)
