"""The projects that are measured: packages of models and a config.yaml, written from numbers.

The models are as people write them: a base with types of its own and a mixin, helpers, `__repr__` and relationships in
every module, and a package that imports all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BASE = """\
import json
from datetime import datetime, timezone
from decimal import Decimal

from sqlalchemy import MetaData, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Dinheiro(TypeDecorator):
    impl = Numeric(10, 2)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else Decimal(value).quantize(Decimal("0.01"))


class Etiquetas(TypeDecorator):
    impl = String(200)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else json.dumps(value)

    def process_result_value(self, value, dialect):
        return None if value is None else json.loads(value)


def agora():
    return datetime.now(timezone.utc).replace(tzinfo=None)


class Datada:
    criado_em: Mapped[datetime] = mapped_column(default=agora)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    def __repr__(self):
        return f"<{type(self).__name__} {getattr(self, 'id', None)}>"
"""
_IMPORTS = """\
from decimal import Decimal

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from modelos.base import Base, Datada, Dinheiro, Etiquetas
"""
_TABLE = """

def rotulo(nome):
    return nome.strip().title()


class Tabela{number}(Datada, Base):
    __tablename__ = "tabela_{number}"

    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(String({length}), index=True)
    descricao: Mapped[str | None] = mapped_column(Etiquetas())
    preco: Mapped[Decimal] = mapped_column(Dinheiro())
    quantidade: Mapped[int] = mapped_column(server_default="0")
    ativo: Mapped[bool]
    outra_id: Mapped[int | None]{key}
{relationship}
    def __repr__(self):
        return f"<{{rotulo(self.nome)}}>"
"""
_COLUMN = """\
from sqlalchemy import String
from sqlalchemy.orm import mapped_column

from modelos.{module} import Tabela{table}


def rotulo(nome):
    return nome.strip().title()


Tabela{table}.extra_{number} = mapped_column(String(40))
"""


@dataclass(frozen=True)
class Models:
    """How the models are written: the base's module, a table's and its imports, and that of one more column."""

    base: str
    imports: str
    table: str
    column: str


REAL = Models(_BASE, _IMPORTS, _TABLE, _COLUMN)


def kinds(stages: int) -> Iterator[tuple[int, int | None, int | None]]:
    """Each stage's number, the table that its table refers to, and the table that gets its column.

    Two stages of three make a table with eight columns, a foreign key and an index, the third adds a column to an
    earlier table.
    """
    tables: list[int] = []
    for number in range(stages):
        if (number + 1) % 3 == 0:
            yield number, None, tables[number * 7 % len(tables)]
        else:
            yield number, tables[number * 5 % len(tables)] if tables else None, None
            tables.append(number)


def growing(
    folder: Path, stages: int, url: str = "sqlite:///dev.db", prove_on: str = "sqlite://", models: Models = REAL
) -> Path:
    """Write a project whose stages add a table or a column each; its package imports all of its modules."""
    _package(folder, models)
    imports = "".join(f"from modelos import {module(number)}\n" for number in range(stages))
    (folder / "modelos" / "__init__.py").write_text(imports, encoding="utf-8")
    lines = []
    for number, target, table in kinds(stages):
        name = module(number)
        text = _table(models, number, target) if table is None else _column(models, number, table)
        (folder / "modelos" / f"{name}.py").write_text(text, encoding="utf-8")
        lines.append(f"  - {{name: {name}, message: Etapa {number}, enable: [{name}]}}\n")
    return _config(folder, url, prove_on, lines)


def replaced(folder: Path, stages: int, tables: int = 100, models: Models = REAL) -> Path:
    """Write a project whose stages disable all modules and enable others, which differ in one column."""
    _package(folder, models)
    lines, lengths = [], [50] * tables
    for stage in range(stages):
        if stage:
            lengths[stage % tables] += 10
        (folder / "modelos" / f"v{stage}").mkdir()
        (folder / "modelos" / f"v{stage}" / "__init__.py").touch()
        for number in range(tables):
            path = folder / "modelos" / f"v{stage}" / f"{module(number)}.py"
            path.write_text(_table(models, number, None, lengths[number]), encoding="utf-8")
        on, off = (", ".join(f"v{each}.{module(number)}" for number in range(tables)) for each in (stage, stage - 1))
        disable = f", disable: [{off}]" if stage else ""
        lines.append(f"  - {{name: v{stage}, message: Etapa {stage}{disable}, enable: [{on}]}}\n")
    return _config(folder, "sqlite:///dev.db", "sqlite://", lines)


def module(number: int) -> str:
    """The name of a stage's module."""
    return f"m{number:04}"


def _package(folder: Path, models: Models) -> None:
    (folder / "modelos").mkdir(parents=True)
    (folder / "modelos" / "__init__.py").touch()
    (folder / "modelos" / "base.py").write_text(models.base, encoding="utf-8")


def _table(models: Models, number: int, target: int | None, length: int = 50) -> str:
    key, relationship = "", ""
    if target is not None:
        key = f' = mapped_column(ForeignKey("tabela_{target}.id"))'
        relationship = f'    outra: Mapped["Tabela{target}"] = relationship(foreign_keys=[outra_id])\n'
    return models.imports + models.table.format(number=number, length=length, key=key, relationship=relationship)


def _column(models: Models, number: int, table: int) -> str:
    return models.column.format(module=module(table), table=table, number=number)


def _config(folder: Path, url: str, prove_on: str, stages: list[str]) -> Path:
    text = (
        f"database: {{url: '{url}'}}\nmodels: {{package: modelos, base: 'base:Base'}}\nmigrations: migrations\n"
        f"prove_on: ['{prove_on}']\nstages:\n"
    )
    (folder / "config.yaml").write_text(text + "".join(stages), encoding="utf-8")
    return folder
