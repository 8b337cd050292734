"""What is wrong with a package of models: the errors, with their places and what to do."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from sqlstrata.errors import WrongUse
from sqlstrata.modules.definitions import tables_of
from sqlstrata.nearest import nearest, nearest_hint
from sqlstrata.sqlalchemy_versions import lacks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlstrata.errors import Where
    from sqlstrata.modules.finder import Finder
    from sqlstrata.modules.inits import NotOn
    from sqlstrata.modules.others import Other
    from sqlstrata.modules.strays import Stray
    from sqlstrata.plan import Base, Plan


class Complaints:
    """The errors about the modules of one plan."""

    def __init__(self, plan: Plan, finder: Finder) -> None:
        self.plan, self.finder, self.package = plan, finder, plan.models.package

    def no_package(self) -> WrongUse:
        message = f"There is no package `{self.package}`."
        return WrongUse(message, where=self.plan.where("models", "package"), hint=self._near_package())

    def not_a_package(self) -> WrongUse:
        message = f"`{self.package}` is a module, not a package."
        hint = "Make it a folder with one file for each step."
        return WrongUse(message, where=self.plan.where("models", "package"), hint=hint)

    def no_base_module(self, base: Base) -> WrongUse:
        return self._no_module(base.module, self.named_at(base))

    def no_base(self, base: Base, names: Iterable[str], *, there: bool) -> WrongUse:
        """A base does not exist, or is not a base; `names` are the bases of its module."""
        message = f"The module `{base.module}` has no `{base.attribute}`."
        if there:
            message = f"`{base}` is neither a declarative base nor a MetaData."
        return WrongUse(message, where=self.named_at(base), hint=nearest_hint(base.attribute, names, "base"))

    def named_at(self, base: Base) -> Where:
        """Give the place in config.yaml that names a base, or a MetaData to ignore."""
        models = self.plan.models
        if base in models.bases:
            return self.plan.where("models", "base", models.bases.index(base))
        return self.plan.where("models", "ignore", models.ignore.index(base))

    def on_two_bases(self, table: str, index: int) -> WrongUse:
        message = f"The table `{table}` is on two of the bases in stage `{self.plan.stages[index].name}`."
        return WrongUse(message, where=self.plan.where("models", "base"), hint="Rename one of the two.")

    def not_ours(self, table: str, index: int) -> WrongUse:
        """A table of the models matches `not_ours`, or is Alembic's."""
        stage, key = self.plan.stages[index].name, "not_ours"
        hint = "Narrow the pattern, or take the table out of the models."
        if table == str(self.plan.version_table):
            key, hint = "version_table", "Rename one of the two."
        message = f"`{key}` names the table `{table}`, which the models define in stage `{stage}`."
        return WrongUse(message, where=self.plan.where(key), hint=hint)

    def elsewhere(self, other: Other, index: int) -> WrongUse:
        """A table is on a MetaData that config.yaml does not name."""
        name = other.name and f"{self.short(other.name.module)}:{other.name.attribute}"
        table, bases = f"`{other.table.fullname}`", [str(each) for each in self.plan.models.bases]
        called = f"`{name}`" if name else "a MetaData that no module has by a name"
        ours = "the base" if len(bases) == 1 else "one of the bases"
        message = (
            f"The table {table} of stage `{self.plan.stages[index].name}` is on {called}, which is neither {ours} "
            "nor in `ignore`, so the history would not have it."
        )
        hint = f"Define it on `{bases[0]}`."
        if other.name is not None:
            have = f"`base: [{', '.join([*bases, str(name)])}]` to have it, or " if other.name.is_base else ""
            ignored = ", ".join([*map(str, self.plan.models.ignore), str(name)])
            hint = f"Under `models`, write {have}`ignore: [{ignored}]` to leave it out."
        where = self._place(other.path, other.line)
        return WrongUse(message, where=where, hint=hint, table=other.table.fullname, metadata=name)

    def no_module(self, module: str, index: int) -> WrongUse:
        return self._no_module(module, self._enabled(module, index))

    def fails(self, name: str, error: BaseException, hint: str) -> WrongUse:
        message = f"The module `{self.short(name)}` fails on import: {_last_line(error)}"
        twice = self._defined_twice(error) if isinstance(error, sa.exc.InvalidRequestError) else None
        if twice is not None:
            table, other = twice
            message = f"The module `{self.short(name)}` defines the table `{table}`, which `{other}` defines, too."
            hint = f"{hint} Turn `{other}` off with `disable` in the same stage, or rename one of the tables."
        if lacks(error):
            hint = f"{hint} SQLAlchemy {sa.__version__} is installed; views (CreateView) need 2.1."
        return WrongUse(message, where=self._raised_at(error, name), hint=hint)

    def turned_on(self, module: str, index: int) -> str:
        """Give the hint where a module is turned on."""
        if self.plan.stages[index].live:
            return f"The live stage `{self.plan.stages[index].name}` turns it on; `models.modules` can leave it out."
        return f"It is turned on at {self._enabled(module, index)}."

    def not_on(self, error: NotOn, index: int) -> WrongUse:
        """A package's `__init__` uses a module that is off, and cannot be executed without it."""
        module = self.short(error.module)
        subject = f"`{error.name}`, which is imported," if error.name else "This statement"
        message = f"{subject} uses the module `{module}`, which is not on in stage `{self.plan.stages[index].name}`"
        message += "." if error.there is None else f", and also `{error.there}`, which is on."
        hint = f"Turn `{module}` on with `enable`, or move this into a module of its own."
        return WrongUse(message, where=self._place(error.path, error.line), hint=hint)

    def stray(self, strays: Sequence[Stray], index: int) -> WrongUse:
        stray, stage = strays[0], self.plan.stages[index]
        module, links = self.short(stray.module), self._links(stray.module)
        message = f"The {stray} comes from the module `{module}`, which is not on in stage `{stage.name}`"
        hint = f"Turn `{module}` on with `enable`, or define it in another module."
        where: Where | str = self.plan.where("models", "base")
        if links:
            where = links[0][1]
            message += f", but imported by `{links[0][0]}`"
            message += "".join(f", which is imported by `{name}` ({at})" for name, at in links[1:])
            hint = f"Turn `{module}` on with `enable`, or do not import it in `{links[0][0]}`."
            if self._was_on(module, index):
                importer = links[0][0]
                hint = (
                    f"In `{importer}`, import what has replaced it, or refer to its models by name and import it under "
                    f"`if TYPE_CHECKING:` alone; or turn `{importer}` off, too."
                )
        names = [{"name": str(each).split("`")[1], "module": self.short(each.module)} for each in strays]
        return WrongUse(f"{message}.", where=where, hint=hint, strays=names)

    def short(self, name: str) -> str:
        """Give a module's name without the package's."""
        return "__init__" if name == self.package else name.removeprefix(f"{self.package}.")

    # ---- places and names

    def _was_on(self, module: str, index: int) -> bool:
        """Whether a module was on in an earlier stage."""
        return any(module in stage.modules for stage in self.plan.stages[:index])

    def _no_module(self, module: str, where: Where | str) -> WrongUse:
        message = f"There is no module `{module}` in the package `{self.package}`."
        return WrongUse(message, where=where, hint=self._near_module(module))

    def _enabled(self, module: str, index: int) -> Where:
        """Give the place that turned a module on, seen from a stage."""
        if self.plan.stages[index].live:
            return self.plan.where("stages", index, "live")
        for number in range(index, -1, -1):
            if module in self.plan.stages[number].enable:
                return self.plan.where("stages", number, "enable", self.plan.stages[number].enable.index(module))
        return self.plan.where("stages", index)

    def _links(self, module: str) -> list[tuple[str, str]]:
        """Give who imported a module, who imported that, and so on, each with its place."""
        links: list[tuple[str, str]] = []
        seen = {module}
        while (by := self.finder.importers.get(module)) is not None and by.module not in seen:
            links.append((self.short(by.module), self._place(by.path, by.line)))
            module = by.module
            seen.add(module)
        return links

    def _place(self, path: str, line: int | None = None) -> str:
        """Give a place in a file, relative like the path of config.yaml that the user gave."""
        relative = os.path.relpath(path, self.plan.folder)
        given = os.path.join(os.path.dirname(self.plan.where().path), relative)  # noqa: PTH118, PTH120 - text alone
        shown = path if relative.startswith(os.pardir) else given
        return shown if line is None else f"{shown}:{line}"

    def _defined_twice(self, error: BaseException) -> tuple[str, str] | None:
        """Give the table whose definition raised an error, and another module that is on and defines it, too."""
        place = self._last_frame(error)
        if place is None:
            return None
        path, line = place
        tables = [table for table, lines in tables_of(Path(path)).items() if line in lines]
        for module in self.finder.inits.on:
            other = self.finder.sources.path(module)
            if other and other != path and any(table in tables_of(Path(other)) for table in tables):
                return tables[0], self.short(module)
        return None

    def _last_frame(self, error: BaseException) -> tuple[str, int] | None:
        """Give the last place in an error's traceback that is in the user's files."""
        files = self.finder.sources.files()
        frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename in files]
        return (frames[-1].filename, frames[-1].lineno or 1) if frames else None

    def _raised_at(self, error: BaseException, name: str) -> str:
        """Give the last place in an error's traceback that is in the user's files."""
        if isinstance(error, SyntaxError) and error.filename:
            return self._place(error.filename, error.lineno or 1)
        frame = self._last_frame(error)
        if frame is not None:
            return self._place(*frame)
        found = self.finder.sources.find(name)
        return self._place(found.origin, 1) if found is not None and found.origin else name

    def _near_module(self, module: str) -> str:
        names = self.finder.sources.module_names()
        near = nearest(module, names)
        path = self.finder.sources.path(f"{self.package}.{near}") if near else ""
        return (
            f"The nearest module is `{near}`, in {self._place(path)}."
            if path
            else nearest_hint(module, names, "module")
        )

    def _near_package(self) -> str:
        depth = len(self.package.split("."))
        folders = [path for path in self.plan.folder.glob("/".join("*" * depth)) if any(path.glob("*.py"))]
        names = sorted(".".join(path.relative_to(self.plan.folder).parts) for path in folders)
        return nearest_hint(self.package, names, "package")


def _last_line(error: BaseException) -> str:
    """Give the line that ends a traceback, as a sentence."""
    first = (error.msg if isinstance(error, SyntaxError) else str(error)).strip().partition("\n")[0]
    text = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."
