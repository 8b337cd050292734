"""Projects of the tests' own making: a package of models and a config.yaml, written from plain dictionaries."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sqlstrata.plan import Plan, read
from sqlstrata.servers import KINDS

BASE = """\
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
"""

HEAD = """\
from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from {package}.base import Base
"""


@dataclass(frozen=True)
class Project:
    """A folder with a config.yaml and the package of its models."""

    folder: Path
    package: str

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def versions(self) -> Path:
        return self.folder / "migrations" / "versions"

    @property
    def url(self) -> str:
        """The development database."""
        return self.plan().database.url

    def plan(self) -> Plan:
        return read(self.config)

    def files(self) -> dict[str, bytes]:
        """The revision files by name."""
        return {path.name: path.read_bytes() for path in sorted(self.versions.glob("*.py"))}

    def module(self, name: str, text: str) -> None:
        """Write a module of models; the head of imports is added."""
        path = self.folder.joinpath(self.package, *name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            HEAD.format(package=self.package) + "\n" + textwrap.dedent(text).strip() + "\n", encoding="utf-8"
        )

    def configure(self, **changes: object) -> None:
        """Change keys at the top of config.yaml."""
        said = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        self.config.write_text(
            yaml.safe_dump({**said, **changes}, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )


def write(
    folder: Path,
    modules: Mapping[str, str],
    stages: Sequence[Mapping[str, Any]],
    *,
    url: str = "sqlite:///dev.db",
    servers: Sequence[str] | None = None,
    prove_on: Sequence[str] = ("sqlite://",),
    package: str = "modelos",
) -> Project:
    """Write a project into a folder and give it."""
    made = Project(folder, package)
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    (folder / package / "base.py").write_text(BASE, encoding="utf-8")
    for name, text in modules.items():
        made.module(name, text)
    made.config.write_text("{}", encoding="utf-8")
    made.configure(
        database={"url": url},
        models={"package": package, "base": "base:Base"},
        migrations="migrations",
        **({} if servers is None else {"servers": list(servers)}),
        prove_on=list(prove_on),
        stages=[dict(stage) for stage in stages],
    )
    return made


# ------------------------------------------------ ten stages with every hint

NOTE = 'It\'s 100% "done": a:b, :name, %s and %(x)s;\n\tsecond line'
"""A text with all that SQL, drivers and YAML might trip over."""

SHOP = {
    "clientes": """
        class Cliente(Base):
            __tablename__ = "clientes"
            id: Mapped[int] = mapped_column(primary_key=True)
            nome: Mapped[str] = mapped_column(sa.String(60))
            idade: Mapped[str | None] = mapped_column(sa.String(10))
            fone: Mapped[str] = mapped_column(sa.String(20))
    """,
    "pedidos": """
        class Pedido(Base):
            __tablename__ = "pedidos"
            id: Mapped[int] = mapped_column(primary_key=True)
            cliente_id: Mapped[int] = mapped_column(sa.ForeignKey("clientes.id"), index=True)
            valor: Mapped[int] = mapped_column(sa.Numeric(10, 2))
    """,
    "avisos": """
        avisos = sa.Table(
            "avisos",
            Base.metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("texto", sa.String(200), nullable=False),
        )
    """,
    "idade": """
        from loja.clientes import Cliente

        Cliente.__table__.c.idade.type = sa.Integer()
    """,
    "apelido": """
        from loja.clientes import Cliente

        Cliente.apelido = mapped_column(sa.String(80), nullable=False)
        Cliente.pais = mapped_column(sa.String(2), nullable=False)
    """,
    "cadastro.clientes": """
        class Cliente(Base):
            __tablename__ = "clientes"
            id: Mapped[int] = mapped_column(primary_key=True)
            nome_completo: Mapped[str] = mapped_column(sa.String(60))
            idade: Mapped[int | None]
            fone: Mapped[str] = mapped_column(sa.String(20))
            apelido: Mapped[str] = mapped_column(sa.String(80))
            pais: Mapped[str] = mapped_column(sa.String(2))
    """,
    "cadastro.encomendas": """
        class Encomenda(Base):
            __tablename__ = "encomendas"
            id: Mapped[int] = mapped_column(primary_key=True)
            cliente_id: Mapped[int] = mapped_column(sa.ForeignKey("clientes.id"), index=True)
            valor: Mapped[int] = mapped_column(sa.Numeric(10, 2))
    """,
    "cadastro.sem_fone": """
        class Cliente(Base):
            __tablename__ = "clientes"
            id: Mapped[int] = mapped_column(primary_key=True)
            nome_completo: Mapped[str] = mapped_column(sa.String(60))
            idade: Mapped[int | None]
            apelido: Mapped[str] = mapped_column(sa.String(80))
            pais: Mapped[str] = mapped_column(sa.String(2))
    """,
    "inteiro": """
        from loja.cadastro.encomendas import Encomenda

        Encomenda.__table__.c.valor.type = sa.Integer()
    """,
    "etiquetas": """
        class Etiqueta(Base):
            __tablename__ = "etiquetas"
            cliente_id: Mapped[int] = mapped_column(sa.ForeignKey("clientes.id"), primary_key=True)
            nome: Mapped[str] = mapped_column(sa.String(30), primary_key=True)
    """,
}

SHOP_STAGES: tuple[Mapping[str, Any], ...] = (
    {
        "name": "clientes",
        "enable": ["clientes"],
        "rows": {"clientes": [{"nome": "Alice", "idade": "30", "fone": "1"}, {"nome": "Bob", "fone": "2"}]},
    },
    {
        "name": "pedidos",
        "enable": ["pedidos", "avisos"],
        "rows": {
            "clientes": [{"nome": "Célia", "idade": "41", "fone": "3"}],
            "pedidos": [{"cliente_id": 1, "valor": 10}, {"cliente_id": 3, "valor": 20.5}],
        },
    },
    {
        "name": "idade",
        "enable": ["idade"],
        "cast": {
            "clientes.idade": {
                "up": "CAST(idade AS INTEGER)",
                "down": {"mysql": "CAST(idade AS CHAR)", "default": "CAST(idade AS VARCHAR(10))"},
            }
        },
    },
    {
        "name": "apelido",
        "enable": ["apelido"],
        "fill": {
            "clientes.apelido": {"mysql": "concat(lower(nome), '%:')", "default": "lower(nome) || '%:'"},
            "clientes.pais": "'br'",
        },
    },
    {
        "name": "nomes",
        "disable": ["apelido", "idade", "clientes", "pedidos"],
        "enable": ["cadastro.clientes", "cadastro.encomendas"],
        "rename": {"clientes.nome": "nome_completo", "pedidos": "encomendas"},
        "rows": {"clientes": [{"nome_completo": "Davi", "idade": 7, "fone": "4", "apelido": "davi", "pais": "pt"}]},
    },
    {
        "name": "avisos",
        "data": {
            "upgrade": [
                "INSERT INTO avisos (texto) VALUES ('{}')".format(NOTE.replace("'", "''")),
                "INSERT INTO avisos (texto) VALUES ('second')",
            ],
            "downgrade": "DELETE FROM avisos",
        },
    },
    {
        "name": "servidores",
        "data": {
            "upgrade": {
                "sqlite": "INSERT INTO avisos (texto) SELECT 'on ' || 'sqlite'",
                "postgresql": ["INSERT INTO avisos (texto) SELECT 'on '::text || 'postgresql'::text"],
                "mysql": "INSERT INTO avisos (texto) SELECT concat('on ', 'mysql')",
            },
            "downgrade": {"default": ["DELETE FROM avisos WHERE texto LIKE 'on %'"]},
        },
    },
    {
        "name": "sem_fone",
        "disable": ["cadastro.clientes", "avisos"],
        "enable": ["cadastro.sem_fone"],
        "drop": ["clientes.fone", "avisos"],
        "fill": {"clientes.fone": "'?'"},
    },
    {
        "name": "inteiro",
        "enable": ["inteiro"],
        "cast": {"encomendas.valor": "CAST(round(valor) AS INTEGER)"},
        "data": "UPDATE clientes SET pais = upper(pais)",
        "downgrade": False,
    },
    {
        "name": "etiquetas",
        "enable": ["etiquetas"],
        "rows": {"etiquetas": [{"cliente_id": 1, "nome": "vip"}, {"cliente_id": 4, "nome": "vip"}]},
    },
)


def shop(folder: Path, *, url: str = "sqlite:///dev.db", prove_on: Sequence[str] = ("sqlite://",)) -> Project:
    """Write a project of ten stages that uses every key that a stage has."""
    made = write(folder, SHOP, SHOP_STAGES, url=url, servers=tuple(KINDS), prove_on=prove_on, package="loja")
    (folder / "loja" / "cadastro" / "__init__.py").touch()
    return made


def clone(folder: Path) -> Path:
    """Copy what a clone of the repository has, the package and the example, before any command; give the folder."""
    root = Path(__file__).parents[1]
    for name in ("tasks.py", "config.yaml", "alembic.ini"):
        shutil.copy(root / name, folder / name)
    for name in ("sqlstrata", "project", "migrations"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
