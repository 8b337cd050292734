"""Turning modules on: each stage's MetaData, made by importing exactly its modules, in order, on a fresh base."""

from __future__ import annotations

import importlib
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from sqlstrata.errors import WrongUse
from sqlstrata.modules import views
from sqlstrata.modules.complaints import Complaints
from sqlstrata.modules.finder import Finder
from sqlstrata.modules.shared_bases import SharedBases, move
from sqlstrata.modules.strays import Strays

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from sqlstrata.plan import Plan, Stage


class Turn(NamedTuple):
    """A stage and its schema."""

    stage: Stage
    metadata: sa.MetaData


def turns(plan: Plan) -> Iterator[Turn]:
    """Give each stage with the MetaData after importing exactly its modules, in order, on a fresh base.

    A stage that only turns modules on is imported on top of the one before, with the same result. So a MetaData is
    valid until the next one is asked for; the last one stays valid. After each stage, and after an error, the
    program's modules, classes, mappers and `sys.path` are as they were. Each file is read once. Raises WrongUse.
    """
    return _Stages(plan).each()


def metadata_of(plan: Plan, index: int) -> sa.MetaData:
    """Give the MetaData of one stage, which stays valid. Raises WrongUse."""
    stages = _Stages(plan)
    try:
        with stages.strays.listening():
            metadata = stages.metadata(index)
        views.keep(metadata)
        return metadata
    finally:
        stages.end()


def unlisted(plan: Plan) -> tuple[str, ...]:
    """Give the modules of the package, but for the base's, that no stage turns on. No stage's module is executed."""
    finder = _finder(plan)
    with finder.turn(frozenset()):
        names = finder.sources.module_names()
    listed = {module for stage in plan.stages for module in stage.modules}
    return tuple(name for name in names if name not in listed and name != plan.models.base_module)


def _finder(plan: Plan) -> Finder:
    listed = {_full(plan.models.package, module) for stage in plan.stages for module in stage.enable}
    return Finder(plan.folder, plan.models.package, listed)


def _full(package: str, module: str) -> str:
    return package if module == "__init__" else f"{package}.{module}"


class _Stages:
    """The modules of one plan, imported stage after stage."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.finder = _finder(plan)
        self.strays, self.complaints = Strays(self.finder), Complaints(plan, self.finder)
        self.shared = SharedBases(self.finder.isolation.owns)
        self.outlasting: tuple[sa.MetaData, ...] = ()
        self.moved: sa.MetaData | None = None
        self.imported = 0
        self.warned: set[tuple[str, str, int]] = set()
        try:  # import the base alone: a MetaData that outlasts its module is seen, and so is a wrong plan
            with self._turn(()):
                self._require_package()
                self.outlasting = (self._base(0),)
        finally:
            self.end()

    def each(self) -> Iterator[Turn]:
        """Give each stage with its schema."""
        try:
            with self.strays.listening():
                for index, stage in enumerate(self.plan.stages):
                    if not self.finder.only_adds(self._names(stage.modules)):
                        self.end()
                    metadata = self.metadata(index)
                    yield Turn(stage, metadata)
                    if index + 1 == len(self.plan.stages):
                        views.keep(metadata)
        finally:
            self.end()

    def metadata(self, index: int) -> sa.MetaData:
        """Give the schema of one stage, while the strays are listening."""
        modules = self.plan.stages[index].modules
        self.strays.begin()
        with self._turn(modules):
            base = self._base(index)
            if self.moved is not None:
                move(self.moved, into=base)
            try:
                for module in modules[self.imported :]:
                    self._turn_on(module, index)
            except WrongUse as error:
                self._require_no_strays(base, index, error)
                raise
            self._require_no_strays(base, index)
            self.imported = len(modules)
            self.moved = move(base) if base in self.outlasting else None
            return base if self.moved is None else self.moved

    def end(self) -> None:
        """Drop what was imported, so that the next stage starts with nothing."""
        self.shared.end()
        self.finder.forget()
        self.imported, self.moved = 0, None

    # ---- one turn

    @contextmanager
    def _turn(self, modules: tuple[str, ...]) -> Iterator[None]:
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
        if found.submodule_search_locations is None:
            raise self.complaints.not_a_package()

    def _base(self, index: int) -> sa.MetaData:
        """Import the base and give its MetaData."""
        models = self.plan.models
        name = _full(models.package, models.base_module)
        if self.finder.sources.find(name) is None:
            raise self.complaints.no_base_module()
        module = self._import(name, f"It has the base, at {self.plan.where('models', 'base')}.", index)
        value = getattr(module, models.base_attribute, None)
        metadata = _metadata_of(value)
        if metadata is None:
            names = [each for each in vars(module) if _metadata_of(vars(module)[each]) is not None]
            raise self.complaints.no_base(names, there=value is not None)
        return metadata

    def _turn_on(self, module: str, index: int) -> None:
        name = _full(self.plan.models.package, module)
        if self.finder.sources.find(name) is None:
            raise self.complaints.no_module(module, index)
        self._import(name, self.complaints.turned_on(module, index), index)

    def _import(self, name: str, hint: str, index: int) -> ModuleType:
        try:
            return importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module of the user's may raise anything
            if (not_on := self.finder.inits.not_on) is not None:
                raise self.complaints.not_on(not_on, index) from error
            raise self.complaints.fails(name, error, hint) from error

    def _require_no_strays(self, base: sa.MetaData, index: int, cause: WrongUse | None = None) -> None:
        """Raise the error for what comes from modules that are not on, or was asked of one."""
        if strays := self.strays.of(base, replaced=cause is not None):
            raise self.complaints.stray(strays, index) from cause
        if cause is None and (not_on := self.finder.inits.not_on) is not None:
            raise self.complaints.not_on(not_on, index)

    def _names(self, modules: tuple[str, ...]) -> frozenset[str]:
        return frozenset(_full(self.plan.models.package, module) for module in modules)


def _metadata_of(value: object) -> sa.MetaData | None:
    """Give the MetaData of a base: a MetaData, or what has one and is neither a table nor a mapped class."""
    if isinstance(value, sa.MetaData):
        return value
    if isinstance(value, sa.Table) or isinstance(sa.inspect(value, raiseerr=False), Mapper):
        return None
    metadata = getattr(value, "metadata", None)
    return metadata if isinstance(metadata, sa.MetaData) else None
