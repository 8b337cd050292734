"""Turning modules on: the schema of each stage, as its modules make it on a base that nothing else has touched."""

from __future__ import annotations

import importlib
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from sqlstrata.errors import WrongUse
from sqlstrata.modules import shared_bases as aside, views
from sqlstrata.modules.complaints import Complaints
from sqlstrata.modules.finder import Imports
from sqlstrata.modules.strays import Strays

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from sqlstrata.plan import Plan, Stage


class Turn(NamedTuple):
    """A stage and its schema."""

    stage: Stage
    metadata: sa.MetaData


def metadatas(plan: Plan) -> Iterator[tuple[Stage, sa.MetaData]]:
    """Give each stage with its schema, as `turns` does. Raises WrongUse."""
    return ((turn.stage, turn.metadata) for turn in turns(plan))


def turns(plan: Plan) -> Iterator[Turn]:
    """Turn each stage's modules on. Its schema is what exactly these make, imported in order, on a fresh base.

    A stage that only turns modules on is imported on top of the one before, which is the same and costs what it adds.
    So a MetaData is good until the next one is asked for; the last one stays as it is. After each stage, and after an
    error, the program's modules, classes, mappers and `sys.path` are as they were. A file is read once, however many
    stages have it on. Raises WrongUse.
    """
    stages = _Stages(plan)
    stages.look()
    return stages.each()


def metadata_of(plan: Plan, index: int) -> sa.MetaData:
    """Give the schema of one stage, which is its own and stays as it is. Raises WrongUse."""
    stages = _Stages(plan)
    stages.look()
    try:
        with stages.strays.listening():
            metadata = stages.metadata(index)
        views.keep(metadata)
        return metadata
    finally:
        stages.end()


def unlisted(plan: Plan) -> tuple[str, ...]:
    """Give the modules of the package, but for the base's, that no stage turns on. No stage's module is executed."""
    imports = _Stages(plan).imports
    with imports.turn(frozenset()):
        names = imports.sources.module_names()
    listed = {module for stage in plan.stages for module in stage.modules}
    return tuple(name for name in names if name not in listed and name != plan.models.base_module)


class _Stages:
    """The modules of one plan, imported stage after stage."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.package = plan, plan.models.package
        self.names = {module: self._full(module) for stage in plan.stages for module in stage.enable}
        self.imports = Imports(plan.folder, self.package, self.names.values())
        self.strays, self.complaints = Strays(self.imports), Complaints(plan, self.imports)
        self.aside = aside.Aside(self.imports.isolation.owns)
        self.known: tuple[sa.MetaData, ...] = ()
        self.moved: sa.MetaData | None = None
        self.imported = 0
        self.warned: set[tuple[str, str, int]] = set()

    def look(self) -> None:
        """Import the base alone: a MetaData that outlives its module shows itself, and so does a wrong plan."""
        try:
            with self._turn(()):
                self._check_package()
                self.known = (self._base(0),)
        finally:
            self.end()

    def each(self) -> Iterator[Turn]:
        """Give each stage with its schema."""
        try:
            with self.strays.listening():
                for index, stage in enumerate(self.plan.stages):
                    if not self.imports.adds(self._on(stage.modules)):
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
                aside.move(self.moved, into=base)
            try:
                for module in modules[self.imported :]:
                    if self.names[module] not in sys.modules:
                        self._turn_on(module, index)
            except WrongUse as error:
                self._refuse(base, index, error)
                raise
            self._refuse(base, index)
            self.imported = len(modules)
            self.moved = aside.move(base) if base in self.known else None
            return base if self.moved is None else self.moved

    def end(self) -> None:
        """Let go of what was imported, so that the next stage starts with nothing."""
        self.aside.end()
        self.imports.forget()
        self.imported, self.moved = 0, None

    # ---- one turn

    @contextmanager
    def _turn(self, modules: tuple[str, ...]) -> Iterator[None]:
        caught: list[warnings.WarningMessage] = []
        try:
            with (
                warnings.catch_warnings(record=True) as caught,
                redirect_stdout(sys.stderr),  # what a module prints is no part of what a command says
                self.imports.turn(self._on(modules)),
                self.aside.there(self.known),
            ):
                yield
        finally:
            self._warn(caught)

    def _warn(self, caught: Iterable[warnings.WarningMessage]) -> None:
        """Give a module's warning once, and not once a stage."""
        for each in caught:
            key = (str(each.message), each.filename, each.lineno)
            if key not in self.warned:
                self.warned.add(key)
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)

    # ---- the parts of a plan

    def _check_package(self) -> None:
        found = self.imports.sources.find(self.package)
        if found is None:
            raise self.complaints.no_package()
        if found.submodule_search_locations is None:
            raise self.complaints.not_a_package()

    def _base(self, index: int) -> sa.MetaData:
        """Import the base and give its MetaData."""
        models = self.plan.models
        name = self._full(models.base_module)
        if self.imports.sources.find(name) is None:
            raise self.complaints.no_base_module()
        hint = f"It is the base's, named at {self.plan.where('models', 'base')}."
        module = self._import(name, hint, index)
        value = getattr(module, models.base_attribute, None)
        metadata = _metadata_of(value)
        if metadata is None:
            names = [each for each in vars(module) if _metadata_of(vars(module)[each]) is not None]
            raise self.complaints.no_base(names, there=value is not None)
        return metadata

    def _turn_on(self, module: str, index: int) -> None:
        if self.imports.sources.find(self._full(module)) is None:
            raise self.complaints.no_module(module, index)
        self._import(self._full(module), self.complaints.turned_on(module, index), index)

    def _import(self, name: str, hint: str, index: int) -> ModuleType:
        try:
            return importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module of the user's may raise anything
            if (not_on := self.imports.parts.not_on) is not None:
                raise self.complaints.not_on(not_on, self.plan.stages[index].name) from error
            raise self.complaints.fails(name, error, hint) from error

    def _refuse(self, base: sa.MetaData, index: int, cause: WrongUse | None = None) -> None:
        """Raise the error for what comes from modules that are not on, or was asked of one."""
        if strays := self.strays.of(base, replaced=cause is not None):
            raise self.complaints.stray(strays, index) from cause
        if cause is None and (not_on := self.imports.parts.not_on) is not None:
            raise self.complaints.not_on(not_on, self.plan.stages[index].name)

    # ---- names

    def _full(self, module: str) -> str:
        return self.package if module == "__init__" else f"{self.package}.{module}"

    def _on(self, modules: tuple[str, ...]) -> frozenset[str]:
        return frozenset(map(self.names.__getitem__, modules))


def _metadata_of(value: object) -> sa.MetaData | None:
    """Give the MetaData of a base: a MetaData, or what has one and is neither a table nor a mapped class."""
    if isinstance(value, sa.MetaData):
        return value
    if isinstance(value, sa.Table) or isinstance(sa.inspect(value, raiseerr=False), Mapper):
        return None
    metadata = getattr(value, "metadata", None)
    return metadata if isinstance(metadata, sa.MetaData) else None
