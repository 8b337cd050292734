"""The models of a tree: imported by the exporter, in a process of their own, and read as MetaData."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sqlstrata.databases import local
from sqlstrata.errors import WrongUse
from sqlstrata.modules.extensions import Extensions
from sqlstrata.modules.frozen import Accumulated
from sqlstrata.past.child import ask
from sqlstrata.past.git import Repository, Tree
from sqlstrata.past.place import Options, Place, bases, ignored, place
from sqlstrata.plan import Plan
from sqlstrata.revisions.frozen import with_helpers
from sqlstrata.servers import kind_of

SECONDS = 120.0
"""The time that importing the models of one tree may take."""
MEMORY = 4_000_000_000
"""Bytes that it may use."""


@dataclass(frozen=True)
class Importing:
    """How old code is imported: the interpreter, modules that are stubs, a folder of modules that come first."""

    python: str
    stubs: tuple[str, ...] = ()
    stand_ins: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


def importing(python: str | None, stubs: Sequence[str], stand_ins: str | None, env: Mapping[str, str]) -> Importing:
    """Read the options of the command. Raises WrongUse."""
    folder = None if stand_ins is None else Path(stand_ins).absolute()
    if folder is not None and not folder.is_dir():
        raise WrongUse(f"There is no folder {stand_ins}.", hint="`--stand-ins` is a folder with modules.")
    return Importing(shutil.which(python or sys.executable) or str(python), tuple(stubs), folder, env)


@dataclass(frozen=True)
class Models:
    """The MetaData of a ref's models, and sentences about what is not in it."""

    metadata: sa.MetaData
    notes: tuple[str, ...]


class Past:
    """The models of a repository's trees. `missing` has the modules that were not found, each with its first place."""

    def __init__(self, plan: Plan, repository: Repository, options: Options, importing: Importing) -> None:
        self.plan, self.repository, self.options, self.importing = plan, repository, options, importing
        self.missing: dict[str, str] = {}
        for left in local.trees(plan.folder).glob("*.partial-*"):
            shutil.rmtree(left, ignore_errors=True)  # of a run that was killed
        self._own = repository.within(plan.folder)

    def place(self, tree: Tree) -> Place | None:
        """Where the models are; None where the tree has none."""
        return place(tree.files, self.plan, self.options, self._own)

    def models(self, tree: Tree, found: Place) -> Models | None:
        """Import the models of a tree. None where that needs a stub for what `missing` then names.

        Raises WrongUse, with the place in the old code.
        """
        folder = self._extracted(tree)
        while "missing" in (answer := self._answer(tree, found, folder)):
            name = answer["missing"]
            if name in self.missing or name in self.importing.stubs:
                raise self._failed(tree, f"the stub of `{name}` does not help", answer)
            self.missing[name] = f"{tree.ref}:{answer['where']}" if answer["where"] else tree.ref
        if "statements" not in answer:
            if self.missing and answer.get("kind") != "stub":
                return None
            raise self._wrong(tree, answer)
        if self.missing:
            return None
        return Models(self._metadata(tree, answer["statements"]), tuple(answer["notes"]))

    def _extracted(self, tree: Tree) -> Path:
        folder = local.trees(self.plan.folder) / tree.name
        try:
            if not folder.is_dir():
                self.repository.extract(tree, folder)
        except OSError as error:
            message = f"The files of {tree.ref} cannot be written: {error}."
            raise WrongUse(message, hint="Check the folder's permissions and free space.") from error
        return folder

    def _answer(self, tree: Tree, found: Place, folder: Path) -> dict[str, Any]:
        stand_ins = self.importing.stand_ins
        asked = {
            "folder": str(folder),
            "roots": [*([str(stand_ins)] if stand_ins else []), *(str(folder / root) for root in found.roots)],
            "stubs": [*self.importing.stubs, *self.missing],
            "modules": found.modules,
            "bases": bases(self.plan, found.package, self.options),
            "ignored": ignored(self.plan, found.package),
            "dialects": {
                name: {"driver": kind_of(name).drivername(name), "version": kind_of(name).compiled}
                for name in self.plan.dialects
            },
            "memory": MEMORY,
            "seconds": int(SECONDS) + 1,
        }
        try:
            answer = ask(self.importing.python, asked, self.importing.env, SECONDS)
        except TimeoutError:
            raise self._failed(tree, f"importing the models takes more than {SECONDS:.0f} seconds", {}) from None
        if answer is None:
            raise self._failed(tree, "importing the models ends the process", {})
        return answer

    def _metadata(self, tree: Tree, statements: list[str]) -> sa.MetaData:
        accumulated = Accumulated(Extensions(self.plan.extensions).created_by)
        return accumulated.add(with_helpers(statements), local.trees(self.plan.folder) / f"{tree.name}.py")

    def _wrong(self, tree: Tree, answer: Mapping[str, Any]) -> WrongUse:
        if "bases" in answer:
            there = [re.sub(r" \((\d+)\)$", r", with \1 tables", each) for each in answer["bases"]]
            message = f"there is no {' or '.join(answer['lost'])}"
            names = [each.partition(" ")[0] for each in answer["bases"]]
            hint = f"There is {'; '.join(there)}: `{' '.join(f'--base {each}' for each in names)}`." if there else None
            return self._failed(tree, message, {}, hint or "`--base module:attribute` names the base of the models.")
        others = [name for name in self.missing if f"`{name}" not in answer["error"]]
        more = f" Also missing: {', '.join(others)}." if others else ""
        return self._failed(tree, answer["error"].rstrip("."), answer, f"{_HINTS[answer['kind']]}{more}")

    def _failed(self, tree: Tree, what: str, answer: Mapping[str, Any], hint: str | None = None) -> WrongUse:
        where = answer.get("where")
        place = None if where is None else f"{tree.ref}:{where}"
        message = f"The models at {tree.ref} cannot be read: {what}."
        return WrongUse(message, where=place, hint=hint or _HINTS["import"], ref=tree.ref)


_HINTS = {
    "import": "`--python` names an interpreter that can import them, `--stub` replaces a module by an empty one, "
    "`--stand-ins` is a folder with modules that come first, and `models.modules` in config.yaml can leave one out.",
    "variable": "`--env NAME=VALUE` gives it a variable of the environment.",
    "python": "`--python` names an interpreter that has SQLAlchemy.",
    "memory": f"Its process may use {MEMORY // 1_000_000_000} GB.",
    "stub": "Install that module for the interpreter of `--python`, or write one in a folder for `--stand-ins`.",
    "models": "Leave the module out with `models.modules` in config.yaml, or write another one for `--stand-ins`.",
}
