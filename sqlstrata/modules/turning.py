"""Turning modules on: each stage's MetaData, made by importing exactly its modules, in order, on a fresh base."""

from __future__ import annotations

import ast
import importlib
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from sqlstrata.errors import WrongUse
from sqlstrata.modules import frozen, views
from sqlstrata.modules.bases import NOTHING, its_metadata, joined, value_of
from sqlstrata.modules.bases import metadata_of as metadata_of_base
from sqlstrata.modules.complaints import Complaints
from sqlstrata.modules.definitions import tables_of
from sqlstrata.modules.extensions import Extensions
from sqlstrata.modules.finder import Finder
from sqlstrata.modules.others import Others
from sqlstrata.modules.shared_bases import SharedBases, move
from sqlstrata.modules.strays import Strays
from sqlstrata.plan.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from types import ModuleType

    from sqlstrata.plan import Base, Plan, Stage


class Turn(NamedTuple):
    """A stage and its schema."""

    stage: Stage
    metadata: sa.MetaData


def turns(plan: Plan) -> Iterator[Turn]:
    """Give each stage with the MetaData after importing exactly its modules, in order, on a fresh base.

    A stage that only turns modules on is imported on top of the one before, with the same result. So a MetaData is
    valid until the next one is asked for; the last one stays valid. After each stage, and after an error, the
    program's modules, classes, mappers and `sys.path` are as they were. Each file is read once. Frozen stages need no
    module: theirs is made from their files. Raises WrongUse.
    """
    yield from (Turn(stage, metadata) for stage, metadata in _frozen(plan, len(plan.stages)))
    if not plan.stages[-1].frozen:
        yield from _Stages(plan).each()


def metadata_of(plan: Plan, index: int) -> sa.MetaData:
    """Give the MetaData of one stage, which stays valid. Raises WrongUse."""
    if plan.stages[index].frozen:
        return list(_frozen(plan, index + 1))[-1].metadata
    stages = _Stages(plan)
    try:
        with stages.listening():
            metadata = stages.metadata(index)
        views.keep(metadata)
        return metadata
    finally:
        stages.end()


def as_imported(plan: Plan) -> sa.MetaData | None:
    """Give the MetaData after importing the package as an application does; None where its `__init__` has no imports.

    Raises WrongUse where it fails.
    """
    finder = _finder(plan)
    with finder.turn(frozenset()):
        tree = finder.sources.text(finder.sources.path(plan.models.package)).tree
    if not any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree)):
        return None
    stages, last = _Stages(plan), len(plan.stages) - 1
    try:
        with stages.importing(("__init__",)):
            stages.finder.inits.listed = frozenset()  # no module is off
            stages.import_module(plan.models.package, "An application that imports it fails, too.", last)
            metadata = joined(list(stages.bases(last)))
        views.keep(metadata)
        return metadata
    finally:
        stages.end()


def _frozen(plan: Plan, end: int) -> Iterator[Turn]:
    """Give the frozen stages before a number, each with its MetaData, which is valid until the next is asked for."""
    accumulated = frozen.Accumulated(Extensions(plan.extensions).created_by)
    for index, stage in enumerate(plan.stages[:end]):
        if stage.frozen:
            yield Turn(stage, accumulated.add(frozen.read(plan, index), frozen.path_of(plan, stage.name)))


def unlisted(plan: Plan) -> tuple[str, ...]:
    """Give the modules of the package, but for the base's, that no stage turns on. No stage's module is executed."""
    if plan.stages[-1].live or plan.stages[-1].frozen:
        return ()
    finder = _finder(plan)
    with finder.turn(frozenset()):
        names = finder.sources.module_names()
    listed = {module for stage in plan.stages for module in stage.modules}
    return tuple(name for name in names if name not in listed and name != plan.models.base_module)


def with_live_modules(plan: Plan) -> Plan:
    """Give the plan with the modules that its live stage turns on: all that a pattern of `models.modules` matches."""
    if not plan.stages[-1].live:
        return plan
    finder = _finder(plan)
    with finder.turn(frozenset()):
        names = ("__init__", *finder.sources.module_names(packages=True))
    on = tuple(name for name in names if any(fnmatchcase(name, each) for each in plan.models.modules))
    live = replace(plan.stages[-1], enable=on, modules=on)
    return replace(plan, stages=(*plan.stages[:-1], live))


def place_of(plan: Plan, index: int, table: str) -> tuple[Path, range] | None:
    """Give the file that defines a table of a stage, and the lines, if a text says so. No module is executed."""
    if plan.stages[index].frozen:
        paths = [frozen.path_of(plan, stage.name) for stage in plan.stages[: index + 1] if stage.frozen]
    else:
        finder = _finder(plan)
        with finder.turn(frozenset()):
            modules = with_live_modules(plan).stages[index].modules
            paths = [Path(finder.sources.path(plan.models.full(module))) for module in modules]
    found = ((path, tables_of(path).get(table)) for path in reversed(paths))
    return next(((path, lines) for path, lines in found if lines is not None), None)


def _finder(plan: Plan) -> Finder:
    listed = {plan.models.full(module) for stage in plan.stages for module in stage.enable}
    return Finder(plan.folder, plan.models.package, listed)


class _Stages:
    """The modules of one plan, imported stage after stage."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan = with_live_modules(plan)
        self.finder = _finder(plan)
        self.strays, self.others = Strays(self.finder), Others(self.finder)
        self.complaints, self.extensions = Complaints(plan, self.finder), Extensions(plan.extensions)
        self.shared = SharedBases(self.finder.isolation.owns)
        self.outlasting: tuple[sa.MetaData, ...] = ()
        self.moved: dict[sa.MetaData, sa.MetaData] = {}
        self.imported = 0
        self.ours = frozenset[str]()
        self.warned: set[tuple[str, str, int]] = set()
        try:  # import the base alone: a MetaData that outlasts its module is seen, and so is a wrong plan
            with self.importing(()):
                self._require_package()
                self.outlasting = (*self.bases(0), *self._ignored(0))
        finally:
            self.end()

    def each(self) -> Iterator[Turn]:
        """Give each stage with its schema."""
        try:
            with self.listening():
                for index, stage in enumerate(self.plan.stages):
                    if stage.frozen:
                        continue
                    if not self.finder.only_adds(self._names(stage.modules)):
                        self.end()
                    metadata = self.metadata(index)
                    yield Turn(stage, metadata)
                    if index + 1 == len(self.plan.stages):
                        views.keep(metadata)
        finally:
            self.end()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Watch what modules define inside."""
        with self.strays.listening(), self.others.listening():
            yield

    def metadata(self, index: int) -> sa.MetaData:
        """Give the schema of one stage, while the strays are listening."""
        modules = self.plan.stages[index].modules
        self.strays.begin()
        with self.importing(modules):
            bases = self.bases(index)
            self.others.begin(bases)
            for base in bases:
                if base in self.moved:
                    move(self.moved[base], into=base)
            try:
                for module in modules[self.imported :]:
                    self._turn_on(module, index)
            except WrongUse as error:
                self._require_no_strays(bases, index, error)
                raise
            bases = self.bases(index)  # Flask-SQLAlchemy makes that of a bind key for its first model
            ignored = self._ignored(index)
            self._require_no_strays(bases, index)
            self._require_ours(bases, ignored, index)
            self.extensions.created_by(bases[0])
            self.imported = len(modules)
            self.moved = {base: move(base) for base in bases if base in self.outlasting}
            return joined([self.moved.get(base, base) for base in bases])

    def end(self) -> None:
        """Drop what was imported, so that the next stage starts with nothing."""
        self.shared.end()
        self.finder.forget()
        self.imported, self.moved, self.ours = 0, {}, frozenset()

    # ---- one turn

    @contextmanager
    def importing(self, modules: tuple[str, ...]) -> Iterator[None]:
        caught: list[warnings.WarningMessage] = []
        try:
            with (
                warnings.catch_warnings(record=True) as caught,
                redirect_stdout(sys.stderr),  # what a module prints is not a command's output
                self.finder.turn(self._names(modules)),
                self.shared.restored(self.outlasting),
            ):
                yield
        finally:
            self._warn(caught)

    def _warn(self, caught: Iterable[warnings.WarningMessage]) -> None:
        """Give each warning once, and not once a stage."""
        for each in caught:
            key = (str(each.message), each.filename, each.lineno)
            if key not in self.warned:
                self.warned.add(key)
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)

    # ---- the parts of a plan

    def _require_package(self) -> None:
        found = self.finder.sources.find(self.plan.models.package)
        if found is None:
            raise self.complaints.no_package()
        modules = {module for stage in self.plan.stages for module in stage.modules}
        if found.submodule_search_locations is None and modules - {"__init__"}:
            raise self.complaints.not_a_package()

    def bases(self, index: int) -> tuple[sa.MetaData, ...]:
        """Import the bases and give their MetaData, each once; one in a mapping may be missing, if there is another."""
        found: list[sa.MetaData] = []
        for base in self.plan.models.bases:
            module, value = self._imported(base, index)
            metadata = metadata_of_base(value)
            if metadata is None and not (found and value is NOTHING and "." in base.attribute):
                names = [each for each in vars(module) if metadata_of_base(vars(module)[each]) is not None]
                raise self.complaints.no_base(base, names, there=value is not NOTHING)
            if metadata is not None and metadata not in found:
                found.append(metadata)
        return tuple(found)

    def _ignored(self, index: int) -> tuple[sa.MetaData, ...]:
        """Give the MetaData whose tables stay out of the history, as far as their modules are imported."""
        found: list[sa.MetaData] = []
        for each in self.plan.models.ignore:
            name = self.plan.models.full(each.module)
            if name in self.finder.inits.listed and name not in sys.modules:
                continue  # a stage may turn it on
            module, value = self._imported(each, index)
            metadata = its_metadata(value)
            if metadata is not None:
                found.append(metadata)
            elif value is not NOTHING or "." not in each.attribute:
                names = [one for one in vars(module) if its_metadata(vars(module)[one]) is not None]
                raise self.complaints.no_base(each, names, there=value is not NOTHING)
        return tuple(found)

    def _imported(self, base: Base, index: int) -> tuple[ModuleType, object]:
        """Import the module of a base, and give it and the value of the attribute."""
        name = self._found(base)
        module = self.import_module(name, f"It has the base, at {self.complaints.named_at(base)}.", index)
        return module, value_of(module, base.attribute)

    def _found(self, base: Base) -> str:
        """The full name of a base's module: one of the package, or else one beside it."""
        names = (self.plan.models.full(base.module), base.module)
        name = next((each for each in names if self.finder.sources.find(each) is not None), None)
        if name is None:
            raise self.complaints.no_base_module(base)
        return name

    def _turn_on(self, module: str, index: int) -> None:
        name = self.plan.models.full(module)
        if self.finder.sources.find(name) is None:
            raise self.complaints.no_module(module, index)
        self.import_module(name, self.complaints.turned_on(module, index), index)

    def import_module(self, name: str, hint: str, index: int) -> ModuleType:
        try:
            return importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module of the user's may raise anything
            if (not_on := self.finder.inits.not_on) is not None:
                raise self.complaints.not_on(not_on, index) from error
            raise self.complaints.fails(name, error, hint) from error

    def _require_no_strays(self, bases: Collection[sa.MetaData], index: int, cause: WrongUse | None = None) -> None:
        """Raise the error for what comes from modules that are not on, or was asked of one."""
        if strays := self.strays.of(bases, replaced=cause is not None):
            raise self.complaints.stray(strays, index) from cause
        if cause is None and (not_on := self.finder.inits.not_on) is not None:
            raise self.complaints.not_on(not_on, index)

    def _require_ours(self, bases: tuple[sa.MetaData, ...], ignored: tuple[sa.MetaData, ...], index: int) -> None:
        """Raise the error for a table that is on another MetaData, on two bases, or somebody else's."""
        other = self.others.first((*bases, *ignored))
        if other is not None:
            raise self.complaints.elsewhere(other, index)
        for number, base in enumerate(bases):
            for name in base.tables.keys() - self.ours:
                if is_foreign(name, self.plan.foreign):
                    raise self.complaints.not_ours(name, index)
            for name in (name for other in bases[:number] for name in other.tables):
                if name in base.tables:
                    raise self.complaints.on_two_bases(name, index)
        self.ours = frozenset(name for base in bases for name in base.tables)

    def _names(self, modules: tuple[str, ...]) -> frozenset[str]:
        return frozenset(self.plan.models.full(module) for module in modules)
