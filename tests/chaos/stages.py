"""The project that every scenario works on: four stages, and what the oracle knows of them without the program.

`SCHEMAS` says each stage's schema as hand-written DDL. `UP` and `DOWN` say what each stage does to rows. From them follows
which rows a database must have, at whatever stage it may rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Row = dict[str, Any]
Rows = dict[str, list[Row]]

NAMES = ("clientes", "pedidos", "itens", "titular")
LAST = len(NAMES)
"""Stages are numbered 1 to LAST here; 0 is a database without any."""

BASE = """\
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
"""

HEAD = (
    "import sqlalchemy as sa\nfrom sqlalchemy.orm import Mapped, mapped_column\n\nfrom modelos.base import Base\n\n\n"
)

MODULES = {
    "clientes": """\
class Cliente(Base):
    __tablename__ = "clientes"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
    credito: Mapped[str] = mapped_column(sa.String(20))
""",
    "pedidos": """\
class Cliente(Base):
    __tablename__ = "clientes"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50), index=True)
    credito: Mapped[int]
    apelido: Mapped[str] = mapped_column(sa.String(50))


class Pedido(Base):
    __tablename__ = "pedidos"
    id: Mapped[int] = mapped_column(primary_key=True)
    cliente: Mapped[int] = mapped_column(sa.ForeignKey("clientes.id"))
""",
    "itens": """\
class Item(Base):
    __tablename__ = "itens"
    id: Mapped[int] = mapped_column(primary_key=True)
    pedido: Mapped[int] = mapped_column(sa.ForeignKey("pedidos.id"), index=True)
""",
    "titular": """\
class Cliente(Base):
    __tablename__ = "clientes"
    id: Mapped[int] = mapped_column(primary_key=True)
    titular: Mapped[str] = mapped_column(sa.String(50), index=True)
    credito: Mapped[int]
    apelido: Mapped[str] = mapped_column(sa.String(50))
    pais: Mapped[str] = mapped_column(sa.String(2))


class Pedido(Base):
    __tablename__ = "pedidos"
    id: Mapped[int] = mapped_column(primary_key=True)
    cliente: Mapped[int] = mapped_column(sa.ForeignKey("clientes.id"))
""",
}

STAGES: list[dict[str, Any]] = [
    {
        "name": "clientes",
        "message": "Clientes",
        "enable": ["clientes"],
        "rows": {"clientes": [{"nome": "Ana", "credito": "5"}, {"nome": "Rui", "credito": "6"}]},
    },
    {
        "name": "pedidos",
        "message": "Pedidos",
        "disable": ["clientes"],
        "enable": ["pedidos"],
        "fill": {"clientes.apelido": "nome"},
        "cast": {
            "clientes.credito": {
                "up": {"default": "CAST(credito AS INTEGER)", "mysql": "CAST(credito AS SIGNED)"},
                "down": {"default": "CAST(credito AS VARCHAR(20))", "mysql": "CAST(credito AS CHAR)"},
            }
        },
        "data": {
            "upgrade": ["UPDATE clientes SET credito = credito + 100"],
            "downgrade": ["UPDATE clientes SET credito = credito - 100"],
        },
    },
    {"name": "itens", "message": "Itens", "enable": ["itens"]},
    {
        "name": "titular",
        "message": "Titular",
        "disable": ["pedidos"],
        "enable": ["titular"],
        "rename": {"clientes.nome": "titular"},
        "fill": {"clientes.pais": "'BR'"},
        "data": {
            "upgrade": ["UPDATE clientes SET credito = credito * 2"],
            "downgrade": ["UPDATE clientes SET credito = credito / 2"],
        },
    },
]

# ------------------------------------------------------------------------------ schemas

_ID = {
    "sqlite": "id INTEGER NOT NULL",
    "postgresql": "id SERIAL NOT NULL",
    "mariadb": "id INTEGER NOT NULL AUTO_INCREMENT",
}
_CLIENTES = (
    "nome VARCHAR(50) NOT NULL, credito VARCHAR(20) NOT NULL",
    "nome VARCHAR(50) NOT NULL, credito INTEGER NOT NULL, apelido VARCHAR(50) NOT NULL",
    "titular VARCHAR(50) NOT NULL, credito INTEGER NOT NULL, apelido VARCHAR(50) NOT NULL, pais VARCHAR(2) NOT NULL",
)


def ddl(kind: str, stage: int) -> list[str]:
    """The statements that make the schema of a stage on an empty database."""
    if stage == 0:
        return []
    clientes = _CLIENTES[{1: 0, 2: 1, 3: 1, 4: 2}[stage]]
    found = [_table(kind, "clientes", clientes)]
    if stage > 1:
        name = "titular" if stage == LAST else "nome"
        found += [
            f"CREATE INDEX ix_clientes_{name} ON clientes ({name})",
            _child(kind, "pedidos", "cliente", "clientes"),
        ]
    if stage > 2:
        found += [_child(kind, "itens", "pedido", "pedidos"), "CREATE INDEX ix_itens_pedido ON itens (pedido)"]
    return found


def _table(kind: str, name: str, columns: str) -> str:
    return f"CREATE TABLE {name} ({_ID[kind]}, {columns}, CONSTRAINT pk_{name} PRIMARY KEY (id))"


def _child(kind: str, name: str, column: str, parent: str) -> str:
    key = f"CONSTRAINT fk_{name}_{column}_{parent} FOREIGN KEY({column}) REFERENCES {parent} (id)"
    return _table(kind, name, f"{column} INTEGER NOT NULL").removesuffix(")") + f", {key})"


def version(revision: str) -> list[str]:
    """The statements that make Alembic's own table."""
    return [
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
        f"INSERT INTO alembic_version VALUES ('{revision}')",
    ]


# --------------------------------------------------------------------------------- rows


def _each(change: Callable[[Row], Row]) -> Callable[[Rows], Rows]:
    return lambda rows: {**rows, "clientes": [change(row) for row in rows["clientes"]]}


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _up_pedidos(row: Row) -> Row:
    return {**row, "credito": int(row["credito"]) + 100, "apelido": row["nome"]}


def _down_pedidos(row: Row) -> Row:
    return {**_without(row, "apelido"), "credito": str(row["credito"] - 100)}


def _up_titular(row: Row) -> Row:
    return {**_without(row, "nome"), "titular": row["nome"], "credito": row["credito"] * 2, "pais": "BR"}


def _down_titular(row: Row) -> Row:
    return {**_without(row, "titular", "pais"), "nome": row["titular"], "credito": row["credito"] // 2}


UP: Mapping[int, Callable[[Rows], Rows]] = {
    1: lambda rows: {"clientes": []},
    2: lambda rows: {**_each(_up_pedidos)(rows), "pedidos": []},
    3: lambda rows: {**rows, "itens": []},
    4: _each(_up_titular),
}
"""What rows become when the stage of this number is applied."""

DOWN: Mapping[int, Callable[[Rows], Rows]] = {
    1: lambda rows: {},
    2: lambda rows: {"clientes": _each(_down_pedidos)(rows)["clientes"]},
    3: lambda rows: {name: each for name, each in rows.items() if name != "itens"},
    4: _each(_down_titular),
}
"""What rows become when the stage of this number is undone."""


def moved(rows: Rows, start: int, end: int) -> Rows:
    """The rows of a database that goes from one stage to another."""
    for stage in range(start + 1, end + 1):
        rows = UP[stage](rows)
    for stage in range(start, end, -1):
        rows = DOWN[stage](rows)
    return rows


def development(stage: int = LAST) -> Rows:
    """The rows that `onboard`, `rebuild` and `reset` give a new development database."""
    given = STAGES[0]["rows"]["clientes"]
    first: Rows = {"clientes": [{"id": number, **row} for number, row in enumerate(given, 1)]}
    return moved(first, 1, stage) if stage else {}
