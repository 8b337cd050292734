"""The package of models of a project that has none yet."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sqlstrata.plan.stages import slug
from sqlstrata.start.candidates import Candidates
from sqlstrata.start.discovery import Found
from sqlstrata.start.layout import Layout

_NAMES = ("models", "tables", "schema")


@dataclass(frozen=True)
class First:
    """A layout, the texts of its package but for that of the first module, and that module's name and path."""

    layout: Layout
    texts: Mapping[Path, str]
    module: str
    path: Path


def first(folder: Path, files: Candidates, name: str, base: str) -> First:
    """Lay out a package for a first module, with a base of this text."""
    package = _package(folder, files)
    above = files.root_of(package) / package
    inner = _free(above)
    texts = {above / inner / "__init__.py": "", above / inner / "base.py": base}
    if not above.exists():
        texts[above / "__init__.py"] = ""
    return First(Layout(f"{package}.{inner}", ("base:Base",)), texts, name, above / inner / f"{name}.py")


def first_on(files: Candidates, base: Found, name: str) -> First:
    """Lay out a package for a first module on a base that exists, and has no tables yet."""
    package = base.module.rpartition(".")[0]
    above = files.root_of(base.module).joinpath(*package.split(".") if package else ())
    inner = _free(above)
    texts = {above / inner / "__init__.py": ""}
    path = above / inner / f"{name}.py"
    if not package:
        return First(Layout(inner, (str(base),)), texts, name, path)
    module = base.module.rpartition(".")[2]
    layout = Layout(package, (f"{module}:{base.attribute}",), (), (f"{inner}.*",))
    return First(layout, texts, f"{inner}.{name}", path)


def _package(folder: Path, files: Candidates) -> str:
    """The package of the application where there is one, or one named like the folder."""
    packages = {head for each in files.names if "." in each and (head := each.partition(".")[0]) in files.names}
    if len(packages) == 1:
        return packages.pop()
    name = name_of(folder.name)
    return "app" if _is_taken(name) else name


def name_of(text: str) -> str:
    """Give a text as a name: a to z, 0 to 9 and _, a letter first; `app` where nothing is left of it."""
    return slug(text).lstrip("0123456789_") or "app"


def _is_taken(name: str) -> bool:
    """Whether importing a name gives something else than a package that is written now."""
    return keyword.iskeyword(name) or name in sys.stdlib_module_names or find_spec(name) is not None


def _free(above: Path) -> str:
    """Give a name for a package of models that nothing in a folder has."""
    return next(each for each in _NAMES if not (above / each).exists() and not (above / f"{each}.py").exists())
