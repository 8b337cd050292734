"""How config.yaml names what was found: the package, the bases in it, and the modules that define tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlstrata.errors import WrongUse
from sqlstrata.start.candidates import Candidates
from sqlstrata.start.discovery import Found


@dataclass(frozen=True)
class Layout:
    """The values under `models`: a package, its bases as module:attribute, and patterns of modules.

    `listed` are the modules that define tables now, and `patterns` is empty where they are all of the package.
    """

    package: str
    bases: tuple[str, ...]
    listed: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


def layout(found: Sequence[Found], files: Candidates, *, live: bool) -> Layout:
    """Give the layout of bases that have tables, for the live way of working or that by modules.

    Raises WrongUse where the modules that define the tables are in no package together.
    """
    defining = sorted({module for each in found for module in each.tables.values() if module})
    package = _common([*defining, *(each.module for each in found)]) or _common(defining)
    if not files.is_package(package) and "." in package:
        package = package.rpartition(".")[0]
    if not package:
        raise WrongUse(
            f"The tables are defined in {len(defining)} modules that are in no package: {', '.join(defining)}.",
            hint="Move them into one package, and run this again.",
        )
    if not live and not files.is_package(package):
        message = f"The models are in one module, {package}; `--modules` needs a package, with a module for each step."
        raise WrongUse(message, hint="Leave out `--modules`, or make it a package.")
    listed = tuple(_inside(package, module) for module in defining)
    bases = tuple(f"{_inside(package, each.module)}:{each.attribute}" for each in found)
    others = {_inside(package, each) for each in files.names if _is_in(package, each)}
    only_tables = others - {"__init__"} <= {*listed, *(base.partition(":")[0] for base in bases)}
    is_for_models = "." in package or len(listed) > 1 or listed == ("__init__",)
    return Layout(package, bases, listed, () if only_tables and is_for_models else _patterns(listed))


def _common(names: Iterable[str]) -> str:
    """The package, or the single module, that all of these are in."""
    found: list[str] = []
    for parts in zip(*(name.split(".") for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        found.append(parts[0])
    return ".".join(found)


def _is_in(package: str, module: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _inside(package: str, module: str) -> str:
    """A module's name within the package, as config.yaml has it."""
    return "__init__" if module == package else module.removeprefix(f"{package}.")


def _patterns(listed: Collection[str]) -> tuple[str, ...]:
    """Patterns that have these modules, and those that people will add beside them."""
    heads, lasts = ({each.split(".")[place] for each in listed} for place in (0, -1))
    if len(heads) == 1:
        (head,) = heads
        return (f"{head}.*",) if head not in listed else (head, f"{head}.*")
    if len(lasts) == 1:
        (last,) = lasts
        return (f"*.{last}",) if last not in listed else (last, f"*.{last}")
    return tuple(sorted(listed))
