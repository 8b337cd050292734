"""The text of a new stage's module: a model with a key, or one more column for an existing model."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlstrata.errors import WrongUse
from sqlstrata.nearest import nearest_hint
from sqlstrata.plan import Plan

_DECLARATIVE = '''\
from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from {module} import {base}


class {model}({parent}):
    """{title}."""

    __tablename__ = "{table}"

    id: Mapped[int] = mapped_column(primary_key=True)
'''
_SQLMODEL = '''\
from sqlmodel import Field

from {module} import {base}


class {model}({parent}, table=True):
    """{title}."""

    __tablename__ = "{table}"

    id: int | None = Field(default=None, primary_key=True)
'''
_METADATA = """\
from __future__ import annotations

import sqlalchemy as sa

from {module} import {base}

{table} = sa.Table("{table}", {parent}, sa.Column("id", sa.Integer, primary_key=True))
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
    template, parent = _kind(plan, folder)
    return f'"""{title}."""\n\n' + template.format(
        module=_base(plan, folder),
        base=parent.partition(".")[0],
        parent=parent,
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


def _kind(plan: Plan, folder: Path) -> tuple[str, str]:
    """The template that suits the base, and what a model in it extends. Nothing is imported: its module is parsed."""
    beside = _path(plan.folder, plan.models.base_module)
    path = beside if _base(plan, folder) == plan.models.base_module else _path(folder, plan.models.base_module)
    text, base = path.read_text(encoding="utf-8") if path.exists() else "", plan.models.base_attribute
    made = {each for node in ast.walk(ast.parse(text)) for each in _made_of(node, base)}
    if "SQLModel" in made:
        return _SQLMODEL, base
    if made & {"MetaData", "metadata"}:
        return _METADATA, base
    return _DECLARATIVE, f"{base}.Model" if "SQLAlchemy" in made else base  # Flask-SQLAlchemy's


def _made_of(node: ast.AST, name: str) -> Iterator[str]:
    """What a statement that binds a name makes it of: the last names of its bases, of what it calls or imports."""
    match node:
        case ast.ClassDef(name=found) if found == name:
            yield from (ast.unparse(base).rpartition(".")[2] for base in node.bases)
        case ast.Assign() | ast.AnnAssign() if node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in {ast.unparse(target) for target in targets}:
                yield ast.unparse(node.value).partition("(")[0].rpartition(".")[2]
        case ast.ImportFrom():
            yield from (alias.name for alias in node.names if (alias.asname or alias.name) == name)


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
