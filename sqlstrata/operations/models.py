"""The models that `alembic check` compares a database with; no other command reads them, or config.yaml."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from alembic.config import Config


def last_stage(config: Config) -> Models | None:
    """The last stage's MetaData, which `alembic check` compares the database with.

    The stages are those of the config.yaml that `stages` in alembic.ini names. None without that line, and for commands
    that do not need the models.
    """
    path = config.get_main_option("stages")
    command = getattr(config.cmd_opts, "cmd", [None])[0]
    if not path or (config.cmd_opts is not None and getattr(command, "__name__", "") not in {"check", "revision"}):
        return None
    if not Path(path).exists():  # the folder goes on without the program
        return None
    import yaml

    plan = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    folder, package = str(Path(path).resolve().parent), plan["models"]["package"]
    if plan["stages"][-1].get("frozen"):
        names = [stage["name"] for stage in plan["stages"]]
        return Models([_frozen(Path(folder, plan.get("frozen", "stages")), names)], plan.get("not_ours", []))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if config.cmd_opts is None and find_spec(package.partition(".")[0]) is None:
        return None
    on: list[str] = []
    known: set[str] = set()
    for stage in plan["stages"]:
        on = [module for module in on if module not in stage.get("disable", ())] + stage.get("enable", [])
        known.update(on)
    if plan["stages"][-1].get("live"):
        on = list(_live(package, plan["models"].get("modules", ["*"])))
    Unread({_full(package, module) for module in known.difference(on)}).import_package(package)
    base = plan["models"]["base"]
    places = [each.split(":") for each in ([base] if isinstance(base, str) else base)]
    bases = [import_module(_base(package, module)) for module, _ in places]
    for module in on:
        import_module(_full(package, module))
    found = [_metadata(module, attribute) for module, (_, attribute) in zip(bases, places, strict=True)]
    return Models([each for each in found if each is not None], plan.get("not_ours", []))


def _frozen(folder: Path, names: list[str]) -> sa.MetaData:
    """The tables of frozen stages, of which each file has those that it changes."""
    tables: dict[str, sa.Table] = {}
    for name in names:
        file = run_path(str(folder / f"{name}.py"))
        for gone in file.get("gone", ()):
            tables.pop(gone, None)
        tables |= file["metadata"].tables
    made = sa.MetaData()
    for table in tables.values():
        table.to_metadata(made)
    return made


def _full(package: str, module: str) -> str:
    return package if module == "__init__" else f"{package}.{module}"


def _base(package: str, module: str) -> str:
    """The full name of a base's module: one of the package, or else one beside it."""
    name = _full(package, module)
    try:
        return module if find_spec(name) is None else name
    except ModuleNotFoundError:  # the package is a module
        return module


def _live(package: str, patterns: list[str]) -> Iterator[str]:
    """The modules that a live stage turns on."""
    found = find_spec(package)
    names = {"__init__"}
    for place in (found and found.submodule_search_locations) or ():
        for path in Path(place).rglob("*.py"):
            *above, last = path.relative_to(place).with_suffix("").parts
            parts = above if last == "__init__" else [*above, last]
            if last != "__main__" and parts and all(part.isidentifier() for part in parts):
                names.add(".".join(parts))
    yield from (name for name in sorted(names) if any(fnmatchcase(name, pattern) for pattern in patterns))


@dataclass(frozen=True)
class Models:
    """The MetaData of the models, and the patterns of tables that belong to somebody else."""

    metadata: list[sa.MetaData]
    not_ours: list[str]

    def is_ours(self, table: str, schema: str | None) -> bool:
        """Whether the database's table is none of somebody else's."""
        for pattern in self.not_ours:
            its_schema, _, its_table = pattern.rpartition(".")
            if fnmatchcase(schema or "", its_schema) and fnmatchcase(table, its_table):
                return False
        return True


def _metadata(module: ModuleType, attribute: str) -> sa.MetaData | None:
    """The MetaData of a base; None where a mapping has no such key."""
    base: Any = module
    for part in attribute.split("."):
        base = base.get(part) if isinstance(base, Mapping) else getattr(base, part)
    metadata: sa.MetaData | None = getattr(base, "metadata", base)
    if metadata is not None:
        # The models have their names. A revision's constraint without a name must stay without one.
        metadata.naming_convention = sa.MetaData().naming_convention
    return metadata


class Unread(MetaPathFinder, Loader):
    """Stands in for modules that are not on, for a package's `__init__`: modules with any name that it imports."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in self.names else None

    def exec_module(self, module: ModuleType) -> None:
        def name_of(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

        module.__getattr__ = name_of  # type: ignore[method-assign]

    def import_package(self, name: str) -> None:
        """Import a package; the real modules can be imported afterwards."""
        sys.meta_path.insert(0, self)
        try:
            import_module(name)
        finally:
            sys.meta_path.remove(self)
            for each in self.names:
                if getattr(sys.modules.get(each), "__loader__", None) is self:
                    del sys.modules[each]
