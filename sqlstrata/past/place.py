"""Where the models are in a tree: the folder that they are imported from, their package, and its modules."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from sqlstrata.plan import Plan
from sqlstrata.plan.values import Base


@dataclass(frozen=True)
class Options:
    """Where to look: paths in the repository, and bases as module:attribute; those that a tree has are used."""

    models: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """A package, or a single module, in a tree; paths are relative to the tree."""

    roots: tuple[str, ...]
    package: str
    modules: tuple[str, ...]
    """By their full names."""


def place(files: Collection[str], plan: Plan, options: Options, own: str) -> Place | None:
    """Give the place of the models in a tree with these files; None where it has none.

    `own` is the path of config.yaml's folder in the tree: what is in it is preferred.
    """
    package = plan.models.package.replace(".", "/")
    given = [each.strip("/").removesuffix(".py") for each in options.models]
    roots = [each.strip("/.") for each in options.roots]
    for path in given or [_joined(root, package) for root in roots or _roots(files, package, own)]:
        if _is_there(files, path):
            root = _root(files, path, roots) if given else path.removesuffix(package).rstrip("/")
            name = path.removeprefix(f"{root}/" if root else "").replace("/", ".")
            modules = tuple(_full(name, each) for each in _modules(files, path, plan.models.modules))
            return Place(tuple(dict.fromkeys([root, *roots])), name, modules)
    return None


def _roots(files: Collection[str], package: str, own: str) -> list[str]:
    """The folders that have the package, those of config.yaml's folder first, then those nearest to the top."""
    inside = re.compile(rf"(?:(?P<root>.+)/)?{re.escape(package)}(?:\.py|/.+\.py)")
    found = {match["root"] or "" for each in files if (match := inside.fullmatch(each)) is not None}
    return sorted(found, key=lambda root: (not _is_in(root, own), root.count("/") + bool(root), root))


def _is_in(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def bases(plan: Plan, package: str, options: Options) -> list[list[str]]:
    """Give where each base may be: in the package of the tree, in that of now, or anywhere, as config.yaml has it."""
    return [[each] for each in options.bases] or [_everywhere(plan, package, base) for base in plan.models.bases]


def ignored(plan: Plan, package: str) -> list[list[str]]:
    """Give the same for the MetaData that are left out."""
    return [_everywhere(plan, package, base) for base in plan.models.ignore]


def _everywhere(plan: Plan, package: str, base: Base) -> list[str]:
    inside = [f"{_full(each, base.module)}:{base.attribute}" for each in dict.fromkeys((package, plan.models.package))]
    return inside if base.module == "__init__" else [*inside, str(base)]


def _full(package: str, module: str) -> str:
    return package if module == "__init__" else f"{package}.{module}"


def _joined(root: str, path: str) -> str:
    return f"{root}/{path}" if root else path


def _is_there(files: Collection[str], path: str) -> bool:
    return f"{path}.py" in files or any(each.startswith(f"{path}/") and each.endswith(".py") for each in files)


def _root(files: Collection[str], path: str, roots: Sequence[str]) -> str:
    """The root that a path is in; without any, the first folder above it that is no package."""
    known = [root for root in roots if not root or path.startswith(f"{root}/")]
    if known:
        return max(known, key=len)
    above = PurePosixPath(path).parent
    while f"{above}/__init__.py" in files:
        above = above.parent
    return "" if above == PurePosixPath() else above.as_posix()


def _modules(files: Collection[str], path: str, patterns: Sequence[str]) -> Iterator[str]:
    """The modules in a package that a pattern matches, without its name; a module by itself is its own `__init__`."""
    if f"{path}.py" in files:
        yield "__init__"
        return
    inside = (PurePosixPath(each).relative_to(path) for each in files if each.startswith(f"{path}/"))
    names = {each for each in map(_module, inside) if each is not None}
    for name in ("__init__", *sorted(names - {"__init__"})):
        if name in names and any(fnmatchcase(name, each) for each in patterns):
            yield name


def _module(path: PurePosixPath) -> str | None:
    parts = path.with_suffix("").parts
    if path.suffix != ".py" or not all(part.isidentifier() for part in parts) or parts[-1] == "__main__":
        return None
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
