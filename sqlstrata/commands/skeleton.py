"""The text of a new stage's module: a model with a key, or one more column for an existing model."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from sqlstrata.errors import WrongUse
from sqlstrata.nearest import nearest_hint
from sqlstrata.plan import Plan

_DECLARATIVE = '''\
from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from {module} import {base}


class {model}({base}):
    """{title}."""

    __tablename__ = "{table}"

    id: Mapped[int] = mapped_column(primary_key=True)
'''
_SQLMODEL = '''\
from sqlmodel import Field

from {module} import {base}


class {model}({base}, table=True):
    """{title}."""

    __tablename__ = "{table}"

    id: int | None = Field(default=None, primary_key=True)
'''
_METADATA = """\
from __future__ import annotations

import sqlalchemy as sa

from {module} import {base}

{table} = sa.Table("{table}", {base}, sa.Column("id", sa.Integer, primary_key=True))
"""
_COLUMN = """\
from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import mapped_column

from {module} import {model}

{model}.{column} = mapped_column(String(100), nullable=True)
"""


@dataclass(frozen=True)
class _Class:
    """A class, and its module in the package."""

    name: str
    module: str


def skeleton(plan: Plan, folder: Path, module: str, extends: str | None) -> str:
    """Give the text of a new module; `folder` is the package's, `extends` a model's class. Raises WrongUse."""
    name = module.rpartition(".")[2]
    title = name.replace("_", " ").capitalize()
    if extends is not None:
        found = _model(plan, folder, extends)
        return f'"""{title}: {found.name} gets a column."""\n\n' + _COLUMN.format(
            module=f"{plan.models.package}.{found.module}", model=found.name, column=_column(name, found)
        )
    base = plan.models.base_attribute
    return f'"""{title}."""\n\n' + _kind(plan, folder).format(
        module=_base(plan, folder),
        base=base,
        model="".join(part.capitalize() for part in name.split("_")),
        title=title,
        table=name,
    )


def _base(plan: Plan, folder: Path) -> str:
    """The full name of the base's module, which may be beside the package."""
    module = plan.models.base_module
    beside = not _path(folder, module).exists() and _path(plan.folder, module).exists()
    return module if beside else plan.models.full(module)


def _path(folder: Path, module: str) -> Path:
    return folder.joinpath(*module.split(".")).with_suffix(".py")


def _kind(plan: Plan, folder: Path) -> str:
    """The template that suits the base. Nothing is imported: its module is parsed."""
    beside = _path(plan.folder, plan.models.base_module)
    path = beside if _base(plan, folder) == plan.models.base_module else _path(folder, plan.models.base_module)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.name == plan.models.base_attribute:
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            return _SQLMODEL if "SQLModel" in bases else _DECLARATIVE
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if plan.models.base_attribute in {ast.unparse(target) for target in targets}:
                made = ast.unparse(node.value).partition("(")[0].rpartition(".")[2]
                return _METADATA if made in {"MetaData", "metadata"} else _DECLARATIVE
    return _DECLARATIVE


def _column(name: str, found: _Class) -> str:
    """The column in the module's name: `usuario_email` is the column `email` of Usuario."""
    for known in (found.module.rpartition(".")[2], found.name.lower()):
        if name.startswith(f"{known}_"):
            return name.removeprefix(f"{known}_")
    return name


def _model(plan: Plan, folder: Path, name: str) -> _Class:
    """Find the model's class. The modules are parsed, not imported."""
    known: dict[str, _Class] = {}
    for path in sorted(folder.rglob("*.py")):
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                known.setdefault(node.name, _Class(node.name, module))
    if name not in known:
        raise WrongUse(
            f"No module of {plan.models.package} has a class {name}.", hint=nearest_hint(name, known, "class")
        )
    return known[name]
