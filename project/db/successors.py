"""Going on from a stage whose modules others take the place of: what says what was said before is not executed again.

A stage that turns modules off is begun afresh, as a rule. Where all that was executed is plain (see `plain`), it can go
on from the stage before instead. What is off is taken out, with its tables and with all that hangs on these; a module
whose text is that of one that goes succeeds it, and has all that the other made; the rest is imported as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from itertools import chain
from types import ModuleType
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import mapperlib

from project.db.imports import Imports
from project.private_names import sequences_of
from project.sqlalchemy_versions import types_of


class NotPlain(Exception):
    """A stage cannot go on from the one before, and must be begun afresh."""


class Change(NamedTuple):
    """The keys of the tables that have gone, and the modules that others succeeded, each with the one that did.

    `loose` are the foreign keys to these tables in those that stay, each with the type of the column that it had.
    """

    gone: frozenset[str]
    heirs: Mapping[str, str]
    loose: Sequence[tuple[sa.ForeignKey, sa.types.TypeEngine[object]]]


def succeed(imports: Imports, before: frozenset[str], metadata: sa.MetaData) -> Change:
    """Take out what a stage has no more, inside of its turn; `before` are the modules that the last one had on.

    What is left are modules that this stage would execute to the same end, under the names that they have in it; all
    others can be imported on top.
    Raises NotPlain, perhaps with some of it done.
    """
    off = before - imports.on
    if any(map(imports.is_package, imports.on ^ before)):
        raise NotPlain
    executed = _Executed(imports, metadata)
    heirs = executed.heirs(off, imports.on - before)
    going = executed.hanging_on(off - heirs.keys())
    gone = executed.tables_of(going)
    staying = {name: heirs.get(name, name) for name in executed.tables.keys() - going}
    if not _outlives(metadata, gone) or any(off & {*imports.wanted(old, new)} for old, new in staying.items()):
        raise NotPlain
    loose = executed.loosened(gone)
    for key in gone & metadata.tables.keys():
        metadata.remove(metadata.tables[key])
    for name in going:
        _dispose(_taken(name))
    imports.executed[:] = [heirs.get(name, name) for name in imports.executed if name not in going]
    modules = {heirs[name]: _taken(name) for name in heirs.keys() - going}
    for name, module in modules.items():
        _rename(module, name, imports.find(name))
    return Change(gone, heirs, loose)


def arrange(
    imports: Imports, names: Iterable[str], makers: Mapping[str, str], metadata: sa.MetaData, change: Change
) -> None:
    """Have the tables in the order in which importing these modules afresh would make them, given what made which.

    Raises NotPlain, also where modules would alter a table in another order than they have, or where a key that the
    `change` loosened has no column of the same type again: a column without a type has that of the one it refers to.
    """
    if not all(_is_tied(key, was) for key, was in change.loose):
        raise NotPlain
    ranks: dict[str, int] = {}
    for name in names:
        _rank(imports, name, ranks)
    if any(makers.get(key) not in ranks for key in metadata.tables):
        raise NotPlain
    last: dict[str, int] = {}
    for name in imports.executed:
        plain = imports.plain(name)
        for key in (imports.tables(name) or ()) if plain is not None and plain.alters else ():
            if ranks[name] < last.get(key, 0):
                raise NotPlain
            last[key] = ranks[name]
    tables = sorted(metadata.tables.items(), key=lambda item: ranks[makers[item[0]]])
    dict.clear(metadata.tables)
    dict.update(metadata.tables, tables)


def _is_tied(key: sa.ForeignKey, was: sa.types.TypeEngine[object]) -> bool:
    """Whether a foreign key has a column again, of a type that says what another has said."""
    try:
        now = key.column.type
    except sa.exc.NoReferenceError:
        return False
    return type(now) is type(was) and type(now).__module__.startswith("sqlalchemy.") and repr(now) == repr(was)


def _rank(imports: Imports, name: str, ranks: dict[str, int]) -> None:
    """Number a module, after all that must be executed before it."""
    if name in ranks or not imports.within(name):
        return
    plain = imports.plain(name)
    if plain is None or not plain.begins:
        raise NotPlain
    ranks[name] = -1  # it is on its way: modules may import each other
    for each in (name.rpartition(".")[0], *imports.wanted(name, name)):
        _rank(imports, each, ranks)
    ranks[name] = len(ranks)


class _Executed:
    """The modules that a stage has executed, with the tables that each can have touched."""

    def __init__(self, imports: Imports, metadata: sa.MetaData) -> None:
        self.imports = imports
        self.tables: dict[str, frozenset[str]] = {}
        for name in imports.executed:
            tables = imports.tables(name)
            if tables is None:
                raise NotPlain
            self.tables[name] = tables
        self.keys = {
            key: [(_target(each), each) for each in table.foreign_keys] for key, table in metadata.tables.items()
        }

    def heirs(self, off: Collection[str], new: Collection[str]) -> dict[str, str]:
        """Those of the modules that go which others succeed, each with the one that does."""
        texts = {self._source(name): name for name in sorted(off) if name in self.tables}
        heirs = {texts[source]: name for name in sorted(new) if (source := self._source(name)) in texts}
        while strangers := [old for old, name in heirs.items() if not self._asks_alike(old, name, heirs)]:
            for each in strangers:
                del heirs[each]
        return heirs

    def _source(self, name: str) -> bytes | None:
        text = self.imports.text_of(name)
        return None if text is None else text.source

    def _asks_alike(self, old: str, new: str, heirs: Mapping[str, str]) -> bool:
        """Whether what a text imports as one module is what it imports as another, or succeeds that."""
        return [heirs.get(each, each) for each in self.imports.wanted(old, old)] == [*self.imports.wanted(old, new)]

    def hanging_on(self, names: Collection[str]) -> set[str]:
        """These modules, and all that touch a table that one touches."""
        going, found = set[str](), {name for name in names if name in self.tables}
        while not found <= going:
            going |= found
            tables = self.tables_of(going)
            found = {name for name in self.tables if self.tables[name] & tables}
        return going

    def loosened(self, gone: Collection[str]) -> list[tuple[sa.ForeignKey, sa.types.TypeEngine[object]]]:
        """Have the keys to tables that go, in those that stay, forget their columns; SQLAlchemy ties them anew.

        That is so for keys that name a column. Raises NotPlain where one was made with the column itself.
        """
        found = []
        for target, key in (each for name, keys in self.keys.items() if name not in gone for each in keys):
            if target in gone:
                if not isinstance(key._colspec, str) or "column" not in vars(key):  # noqa: SLF001 - not to be asked
                    raise NotPlain
                found.append((key, vars(key).pop("column").type))
        return found

    def tables_of(self, names: Iterable[str]) -> frozenset[str]:
        """The keys of the tables that these modules can have touched."""
        return frozenset(chain.from_iterable(self.tables[name] for name in names))


def _target(key: sa.ForeignKey) -> str:
    return key.target_fullname.rpartition(".")[0]


# ------------------------------------------------------------------------ taking out


def _outlives(metadata: sa.MetaData, gone: Collection[str]) -> bool:
    """Whether nothing but tables goes: a MetaData also knows sequences, and types that are made by themselves."""
    kept = [table for key, table in metadata.tables.items() if key not in gone]
    types = {id(_owner(listener)) for table in kept for listener in table.dispatch.before_create}
    return not sequences_of(metadata) and all(id(each) in types for each in types_of(metadata))


def _owner(listener: object) -> object:
    return getattr(getattr(listener, "func", listener), "__self__", None)


def _taken(name: str) -> ModuleType:
    """Take a module out of the program, so that its next import executes it."""
    parent, _, last = name.rpartition(".")
    if parent in sys.modules:
        vars(sys.modules[parent]).pop(last, None)
    return sys.modules.pop(name)


def _dispose(module: ModuleType) -> None:
    """Have no mapper of a module's classes; there is no public way for some of a registry's."""
    for one in mapperlib._all_registries():  # noqa: SLF001
        for manager in [each for each in one._managers if each.class_.__module__ == module.__name__]:  # noqa: SLF001
            one._dispose_manager_and_mapper(manager)  # noqa: SLF001
            del one._managers[manager]  # noqa: SLF001


def _rename(module: ModuleType, name: str, spec: ModuleSpec | None) -> None:
    """Have a module under another name, its classes too: by that SQLAlchemy finds what their annotations name."""
    parent, _, last = name.rpartition(".")
    for each in vars(module).values():
        if isinstance(each, type) and each.__module__ == module.__name__:
            type.__setattr__(each, "__module__", name)
    module.__name__, module.__spec__ = name, spec
    sys.modules[name] = module
    setattr(import_module(parent), last, module)
