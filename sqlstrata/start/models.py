"""Which models config.yaml names, and by which first stage: those that were found, a first module, or a database's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sqlstrata.disk import shown
from sqlstrata.errors import WrongUse
from sqlstrata.result import counted
from sqlstrata.start import reverse
from sqlstrata.start.discovery import Discovery
from sqlstrata.start.first import first, first_on, name_of
from sqlstrata.start.layout import Layout, layout
from sqlstrata.start.texts import BASE, block

Entry = tuple[str, str, str]
"""A key of config.yaml, its value and a comment."""
_LIVE = ("live", "true", "live: the models as they are now; frozen: as they were when the next stage began")

_INSTALLABLE = ("pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True)
class Models:
    """The layout of the models, the first stage, and the texts that are to be written for them.

    `module` and `path` are those of a first module, where there were no models; its text depends on the base.
    """

    layout: Layout
    stage: Sequence[Entry]
    texts: Mapping[Path, str]
    module: str | None = None
    path: Path | None = None

    @property
    def way(self) -> str:
        """The way of working: live, or modules."""
        return "live" if self.stage[-1] == _LIVE else "modules"


def models(folder: Path, seen: Discovery, name: str, *, live: bool = False, modules: bool = False) -> Models:
    """Give the models that were found, or a first module of this name.

    Raises WrongUse where models may exist that could not be seen, unless `live` or `modules` asks for a first module.
    """
    if seen.has_tables:
        return _existing(folder, seen, live=not modules)
    if seen.unseen and not (live or modules or seen.found):
        files, reasons = counted(len(seen.unseen), "file"), "; ".join(seen.unseen)
        message = f"No models were found, and {files} could not be imported: {reasons}."
        hint = "Fix that and run this again, or begin with a first module: `--modules`. Nothing was written."
        raise WrongUse(message, hint=hint)
    if name_of(name) != name:
        raise WrongUse(f"`{name}` is not a stage's name.", hint="Use a to z, 0 to 9 and _, a letter first.")
    made = first_on(seen.files, seen.found[0], name) if seen.found else first(folder, seen.files, name, BASE)
    _require_importable(folder, seen, made.layout.package)
    stage = _stage(name, name.replace("_", " ").capitalize(), _LIVE if live else _enabled((made.module,)))
    return Models(made.layout, stage, made.texts, made.module, made.path)


def _existing(folder: Path, seen: Discovery, *, live: bool) -> Models:
    made = layout([each for each in seen.found if each.tables], seen.files, live=live)
    _require_importable(folder, seen, made.package)
    return Models(made, _stage("initial", "The first tables", _LIVE if live else _enabled(made.listed)), {})


def _require_importable(folder: Path, seen: Discovery, package: str) -> None:
    """Raise WrongUse where a package can neither be imported nor be installed."""
    if seen.files.is_apart(package) and not any((folder / name).is_file() for name in _INSTALLABLE):
        root = shown(seen.files.root_of(package))
        message = f"The package {package} is in {root}, and cannot be imported from here."
        raise WrongUse(message, hint=f"Run this in {root}, or install the package in this environment first.")


def models_of(folder: Path, seen: Discovery, url: sa.URL, *, live: bool) -> tuple[Models, reverse.Reversed]:
    """Give the models that sqlacodegen writes for a database. Raises WrongUse and Unreachable."""
    if seen.has_tables:
        message = f"There are models already: {seen.found[0]} has {counted(len(seen.found[0].tables), 'table')}."
        raise WrongUse(message, hint="Leave out `--from-database`, or run this in another folder. Nothing was written.")
    made = first(folder, seen.files, "tables", reverse.BASE)
    _require_importable(folder, seen, made.layout.package)
    found = reverse.reverse(url, f"{made.layout.package}.base")
    stage = _stage("initial", "The tables that there were", _LIVE if live else _enabled((made.module,)))
    return Models(made.layout, stage, {**made.texts, made.path: found.text}), found


def _enabled(modules: Sequence[str]) -> Entry:
    return ("enable", f"[{', '.join(modules)}]", "the modules that are on from this stage on, in this order")


def _stage(name: str, message: str, how: Entry) -> Sequence[Entry]:
    named = ("name", name, "a to z, 0 to 9 and _, a letter first; unique")
    return (named, ("message", block(message), "what the stage is for"), how)
