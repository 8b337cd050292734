"""Turning modules on: the schema of each stage, as its modules make it on a base that nothing else has touched."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
import warnings
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapper

from project.db import aside, successors, views
from project.db.imports import Imports
from project.errors import WrongUse
from project.sqlalchemy_versions import lacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from project.errors import Where
    from project.plan import Plan, Stage

_Item = sa.Table | sa.Column[object]
_SHOWN = 8  # names in a hint, before it says "and more"


class Turn(NamedTuple):
    """A stage and its schema.

    `touched` are the keys of the tables that its modules can have touched; None where it may be any. `succeeded` tells
    whether it stands on modules of an earlier stage that its own have succeeded: others would have to give the same.
    """

    stage: Stage
    metadata: sa.MetaData
    touched: frozenset[str] | None = None
    succeeded: bool = False


def metadatas(plan: Plan) -> Iterator[tuple[Stage, sa.MetaData]]:
    """Give each stage with its schema, as `turns` does. Raises WrongUse."""
    return ((turn.stage, turn.metadata) for turn in turns(plan))


def turns(plan: Plan) -> Iterator[Turn]:
    """Turn each stage's modules on. Its schema is what exactly these make, in their order, on a fresh base.

    A stage that only turns modules on is imported on top of the one before, which is the same and costs what it adds;
    so is one that turns modules off whose texts tell all that they do (see `successors`).
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
        with stages.listening():
            metadata = stages.metadata(index)
        views.keep(metadata)
        return metadata
    finally:
        stages.end()


def unlisted(plan: Plan) -> tuple[str, ...]:
    """Give the modules of the package, but for the base's, that no stage turns on. No stage's module is executed."""
    imports = _Stages(plan).imports
    with imports.turn(frozenset()):
        names = imports.module_names()
    listed = {module for stage in plan.stages for module in stage.modules}
    return tuple(name for name in names if name not in listed and name != plan.models.base_module)


@dataclass(frozen=True, slots=True)
class _Stray:
    """A table or column, and the module that it comes from, which is not on."""

    item: _Item
    module: str

    @property
    def table(self) -> sa.Table:
        return self.item if isinstance(self.item, sa.Table) else self.item.table

    def is_in(self, metadata: sa.MetaData) -> bool:
        """Whether it is part of a schema, and has not been replaced."""
        there = metadata.tables.get(self.table.key) is self.table
        return there and (self.table is self.item or any(column is self.item for column in self.table.columns))

    def __str__(self) -> str:
        if isinstance(self.item, sa.Table):
            return f"table `{self.table.fullname}`"
        return f"column `{self.table.fullname}.{self.item.name}`"


class _Touched:
    """Which tables the modules of one turn after another can have touched, on one base."""

    def __init__(self, imports: Imports) -> None:
        self.imports = imports
        self.keys: frozenset[str] | None = None
        """Those of the last turn; None where it may be any."""
        self.attached: set[str] = set()
        self.makers: dict[str, str] = {}
        """Which module has made which table."""
        self._plain = True
        self._read = 0
        self._gone: frozenset[str] = frozenset()

    def begin(self) -> None:
        """A turn begins: what others have attached since the last one is none of its modules'."""
        self.attached.clear()
        self._gone = frozenset()

    def hear(self, item: _Item, parent: sa.MetaData | sa.Table, module: str | None) -> None:
        """A module attaches something to a schema."""
        self.attached.add((parent if isinstance(parent, sa.Table) else item).key)
        if module is not None and isinstance(item, sa.Table):
            self.makers[item.key] = module

    def take_out(self, change: successors.Change) -> None:
        """What the last turn has executed is left as it is, but for this."""
        self._gone, self._read = change.gone, len(self.imports.executed)
        self.makers = {key: change.heirs.get(module, module) for key, module in self.makers.items()}

    def follow(self, *, afresh: bool) -> None:
        """A turn is over, its modules are still there. Where it began `afresh`, all tables are new."""
        self.keys = None
        if afresh or not self._plain:
            return
        new, self._read = self.imports.executed[self._read :], len(self.imports.executed)
        found = list(map(self._of, new))
        self._plain = None not in found
        if self._plain:
            self.keys = self._gone.union(self.attached, *(each for each in found if each is not None))

    def _of(self, name: str) -> frozenset[str] | None:
        return frozenset() if self.imports.only_passes_on(name) else self.imports.tables(name)


class _Stages:
    """The modules of one plan, imported stage after stage."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.package = plan, plan.models.package
        self.names = {module: self._full(module) for stage in plan.stages for module in stage.enable}
        self.imports = Imports(plan.folder, self.package, self.names.values())
        self.aside = aside.Aside(self.imports.owns)
        self.known: tuple[sa.MetaData, ...] = ()
        self.moved: sa.MetaData | None = None
        self.imported = 0
        self.warned: set[tuple[str, str, int]] = set()
        self.strays: list[_Stray] = []
        self.touched = _Touched(self.imports)
        self._last: tuple[tuple[str, ...], frozenset[str]] = (), frozenset()

    def look(self) -> None:
        """Import the base alone: a MetaData that outlives its module shows itself, and so does a wrong plan."""
        try:
            with self._turn(()):
                self._check_package()
                self.known = (self._base(),)
        finally:
            self.end()

    def each(self) -> Iterator[Turn]:
        """Give each stage with its schema."""
        try:
            with self.listening():
                for index, stage in enumerate(self.plan.stages):
                    succeeded = False
                    if self.imports.adds(self._on(stage.modules)):
                        metadata = self.metadata(index)
                    elif (found := self._succeeded(index)) is not None:
                        metadata, succeeded = found, True
                    else:
                        self.end()
                        metadata = self.metadata(index)
                    yield Turn(stage, metadata, self.touched.keys, succeeded)
                    if index + 1 == len(self.plan.stages):
                        views.keep(metadata)
        finally:
            self.end()

    def _succeeded(self, index: int) -> sa.MetaData | None:
        """Give the same, on top of the stage before; None where that cannot be done, or something is wrong."""
        if self.moved is not None:
            return None
        before = self.imports.on
        try:
            found = self.metadata(index, before)
        except (successors.NotPlain, WrongUse):
            return None
        return None if self.touched.keys is None else found

    def metadata(self, index: int, before: frozenset[str] | None = None) -> sa.MetaData:
        """Give the schema of one stage, while somebody is `listening`.

        Given the modules that were on `before`, and some of which are not, the stage succeeds theirs: raises NotPlain.
        """
        modules = self.plan.stages[index].modules
        strays: list[_Stray] = []
        self.strays = strays
        self.touched.begin()
        with self._turn(modules):
            base = self._base()
            if self.moved is not None:
                aside.move(self.moved, into=base)
            change = None if before is None else successors.succeed(self.imports, before, base)
            if change is not None:
                self.touched.take_out(change)
            try:
                for module in modules[self.imported if change is None else 0 :]:
                    if self.names[module] not in sys.modules:
                        self._turn_on(module, index)
            except WrongUse as error:
                self._refuse([stray for stray in strays if stray.table.metadata is base], index, error)
                raise
            self._refuse([stray for stray in strays if stray.is_in(base)], index)
            if change is not None:
                names = map(self._full, (self.plan.models.base_module, *modules))
                successors.arrange(self.imports, names, self.touched.makers, base, change)
            self.touched.follow(afresh=not self.imported)
            self.imported = len(modules)
            self.moved = aside.move(base) if base in self.known else None
            return base if self.moved is None else self.moved

    def end(self) -> None:
        """Let go of what was imported, so that the next stage starts afresh."""
        self.aside.end()
        self.imports.forget()
        self.imported, self.moved = 0, None
        self.touched = _Touched(self.imports)

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

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Collect what is attached to a schema while code of a module that is not on is being executed."""

        def note(item: _Item, parent: sa.MetaData | sa.Table, **_: object) -> None:
            module = self.imports.responsible()
            self.touched.hear(item, parent, module)
            if module is not None and module not in self.imports.on:
                self.strays.append(_Stray(item, module))

        def note_too(item: _Item, parent: sa.MetaData | sa.Table, **_: object) -> None:
            note(item, parent)

        # Before SQLAlchemy 2.0.37 one function cannot stop listening to two classes.
        heard: tuple[tuple[type, Callable[..., None]], ...] = ((sa.Table, note), (sa.Column, note_too))
        for kind, listener in heard:
            event.listen(kind, "after_parent_attach", listener)
        try:
            yield
        finally:
            for kind, listener in heard:
                event.remove(kind, "after_parent_attach", listener)

    # ---- the parts of a plan

    def _check_package(self) -> None:
        found = self.imports.find(self.package)
        if found is None:
            message = f"There is no package `{self.package}`."
            raise WrongUse(message, where=self.plan.where("models", "package"), hint=self._near_package())
        if found.submodule_search_locations is None:
            message = f"`{self.package}` is a module, and not a package."
            hint = "Make it a folder, with a file for each step."
            raise WrongUse(message, where=self.plan.where("models", "package"), hint=hint)

    def _base(self) -> sa.MetaData:
        """Import the base and give its MetaData."""
        models, where = self.plan.models, self.plan.where("models", "base")
        name = self._full(models.base_module)
        if self.imports.find(name) is None:
            message = f"There is no module `{models.base_module}` in the package `{self.package}`."
            raise WrongUse(message, where=where, hint=self._near_module(models.base_module))
        module = self._import(name, f"It is the base's, named at {where}.")
        value = getattr(module, models.base_attribute, None)
        metadata = _metadata_of(value)
        if metadata is not None:
            return metadata
        bases = [each for each in vars(module) if _metadata_of(vars(module)[each]) is not None]
        hint = _nearest(models.base_attribute, bases, "base")
        if value is None:
            message = f"The module `{models.base_module}` has no `{models.base_attribute}`."
            raise WrongUse(message, where=where, hint=hint)
        message = f"`{models.base_module}:{models.base_attribute}` is neither a declarative base nor a MetaData."
        raise WrongUse(message, where=where, hint=hint)

    def _turn_on(self, module: str, index: int) -> None:
        where = self._enabled(module, index)
        if self.imports.find(self._full(module)) is None:
            message = f"There is no module `{module}` in the package `{self.package}`."
            raise WrongUse(message, where=where, hint=self._near_module(module))
        self._import(self._full(module), f"It is turned on at {where}.")

    def _import(self, name: str, hint: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module of the user's may raise anything
            message = f"The module `{self._short(name)}` fails on import: {_last_line(error)}"
            if lacks(error):
                hint = f"{hint} SQLAlchemy {sa.__version__} is installed; views (CreateView) need 2.1."
            raise WrongUse(message, where=self._raised_at(error, name), hint=hint) from error

    def _refuse(self, strays: list[_Stray], index: int, cause: WrongUse | None = None) -> None:
        """Raise the error for what comes from modules that are not on; a table stands for its columns."""
        tables = [each.item for each in strays if isinstance(each.item, sa.Table)]
        if found := [each for each in strays if each.table is each.item or each.table not in tables]:
            raise self._stray(found, index) from cause

    def _stray(self, strays: list[_Stray], index: int) -> WrongUse:
        stray, stage = strays[0], self.plan.stages[index]
        module, links = self._short(stray.module), self._links(stray.module)
        message = f"The {stray} comes from the module `{module}`, which is not on in stage `{stage.name}`"
        hint = f"Turn `{module}` on with `enable`, or move what makes it out of there."
        where: Where | str = self.plan.where("models", "base")
        if links:
            where = links[0][1]
            message += f", and `{links[0][0]}` imports that"
            message += "".join(f"; `{name}` imports `{links[i][0]}` ({at})" for i, (name, at) in enumerate(links[1:]))
            hint = f"Turn `{module}` on with `enable`, or do not import it in `{links[0][0]}`."
        names = [{"name": str(each).split("`")[1], "module": self._short(each.module)} for each in strays]
        return WrongUse(f"{message}.", where=where, hint=hint, strays=names)

    # ---- places and names

    def _full(self, module: str) -> str:
        return self.package if module == "__init__" else f"{self.package}.{module}"

    def _on(self, modules: tuple[str, ...]) -> frozenset[str]:
        if self._last[0] is not modules:
            self._last = modules, frozenset(map(self.names.__getitem__, modules))
        return self._last[1]

    def _short(self, name: str) -> str:
        return "__init__" if name == self.package else name.removeprefix(f"{self.package}.")

    def _enabled(self, module: str, index: int) -> Where:
        """Give the place that turned a module on, seen from a stage."""
        for number in range(index, -1, -1):
            if module in self.plan.stages[number].enable:
                return self.plan.where("stages", number, "enable", self.plan.stages[number].enable.index(module))
        return self.plan.where("stages", index)

    def _links(self, module: str) -> list[tuple[str, str]]:
        """Give who imported a module, who imported that, and so on, each with its place."""
        links: list[tuple[str, str]] = []
        seen = {module}
        while (asked := self.imports.asked.get(module)) is not None and asked.by not in seen:
            links.append((self._short(asked.by), self._place(asked.path, asked.line)))
            module = asked.by
            seen.add(module)
        return links

    def _place(self, path: str, line: int | None = None) -> str:
        """Give a place in a file, its path as the user gave that of config.yaml."""
        relative = os.path.relpath(path, self.plan.folder)
        given = os.path.join(os.path.dirname(self.plan.where().path), relative)  # noqa: PTH118, PTH120 - text alone
        shown = path if relative.startswith(os.pardir) else given
        return shown if line is None else f"{shown}:{line}"

    def _raised_at(self, error: BaseException, name: str) -> str:
        """Give the last place of the user's own in an error's traceback."""
        if isinstance(error, SyntaxError) and error.filename:
            return self._place(error.filename, error.lineno or 1)
        files = self.imports.files()
        frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename in files]
        if frames:
            return self._place(frames[-1].filename, frames[-1].lineno or 1)
        found = self.imports.find(name)
        return self._place(found.origin, 1) if found is not None and found.origin else name

    def _near_module(self, module: str) -> str:
        near = difflib.get_close_matches(module.lower(), self.imports.module_names(), n=1)
        found = self.imports.find(self._full(near[0])) if near else None
        if found is None or found.origin is None:
            return _nearest(module, self.imports.module_names(), "module")
        return f"The nearest module is `{near[0]}`, in {self._place(found.origin)}."

    def _near_package(self) -> str:
        depth = len(self.package.split("."))
        folders = [path for path in self.plan.folder.glob("/".join("*" * depth)) if any(path.glob("*.py"))]
        names = sorted(".".join(path.relative_to(self.plan.folder).parts) for path in folders)
        return _nearest(self.package, names, "package")


def _metadata_of(value: object) -> sa.MetaData | None:
    """Give the MetaData of a base: a MetaData, or what has one and is neither a table nor a mapped class."""
    if isinstance(value, sa.MetaData):
        return value
    if isinstance(value, sa.Table) or isinstance(sa.inspect(value, raiseerr=False), Mapper):
        return None
    metadata = getattr(value, "metadata", None)
    return metadata if isinstance(metadata, sa.MetaData) else None


def _last_line(error: BaseException) -> str:
    """Give the line that ends a traceback, as a sentence."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    first = said.strip().partition("\n")[0]
    text = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _nearest(word: str, names: Iterable[str], noun: str) -> str:
    known = list(names)
    if close := difflib.get_close_matches(word, known, n=1):
        return f"The nearest {noun} is `{close[0]}`."
    if not known:
        return f"There is no {noun} there."
    return f"The {noun}s are {', '.join(known[:_SHOWN])}{' and more' if len(known) > _SHOWN else ''}."
