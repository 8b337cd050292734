"""Modules that take the place of others which said the same: each stage's schema is what its modules give afresh."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.mock import MockConnection

from project.db import imports, successors
from project.db.modules import metadata_of, turns
from project.errors import WrongUse
from project.migrations.generate import steps
from project.plan import Plan, read
from project.schema.describe import describe
from project.schema.values import Schema
from project.schema.watch import Watch

BASE = """\
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s"})

class Base(DeclarativeBase):
    metadata = metadata
"""
_HEAD = """\
import enum
from sqlalchemy import Boolean, Column, Enum, ForeignKey, Index, Integer, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship
from modelos.base import Base
"""

# What a module may say; {n} is a number that makes one text another.
TEXTS = {
    "comum": "from __future__ import annotations\n" + _HEAD + "\nclass Comum:\n    criado_por: Mapped[str | None] = mapped_column(String({n}))\n",
    "tipos": _HEAD + "\nclass Estado(enum.Enum):\n    NOVO = 1\n    VELHO_{n} = 2\n",
    "usuario": _HEAD + """
class Usuario(Base):
    __tablename__ = "usuarios"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(String({n}), index=True)
    ativo: Mapped[bool]
""",
    "produto": _HEAD + """
class Produto(Base):
    __tablename__ = "produtos"
    codigo: Mapped[str] = mapped_column(String({n}), primary_key=True)
    dono_id: Mapped[int | None] = mapped_column(ForeignKey("usuarios.id"))
    dono: Mapped["Usuario"] = relationship("Usuario")
""",
    "pedido": _HEAD + """
from .produto import Produto
from .usuario import Usuario

class Pedido(Base):
    __tablename__ = "pedidos"
    id: Mapped[int] = mapped_column(primary_key=True)
    produto = mapped_column(ForeignKey(Produto.codigo))
    usuario_id = mapped_column(ForeignKey(Usuario.id))
    texto: Mapped[str] = mapped_column(String({n}))

class Item(Base):
    __tablename__ = "itens"
    id: Mapped[int] = mapped_column(ForeignKey("pedidos.id"), primary_key=True)
""",
    "email": _HEAD + "from .usuario import Usuario\nUsuario.email = mapped_column(String({n}))\n",
    "marca": _HEAD + """
from .comum import Comum

class Marca(Comum, Base):
    __tablename__ = "marcas"
    id: Mapped[int] = mapped_column(primary_key=True)
    rank: Mapped[int] = mapped_column(Integer, default={n})
""",
    "estado": _HEAD + """
from .tipos import Estado

class Situacao(Base):
    __tablename__ = "situacoes"
    id: Mapped[int] = mapped_column(primary_key=True)
    estado: Mapped[Estado]
    nota: Mapped[str] = mapped_column(String({n}))
""",
    "gerente": "from __future__ import annotations\n" + _HEAD + """
from .usuario import Usuario

class Gerente(Usuario):
    __tablename__ = "gerentes"
    id: Mapped[int] = mapped_column(ForeignKey("usuarios.id"), primary_key=True)
    area: Mapped[str] = mapped_column(String({n}))
""",
    "ligacao": _HEAD + """
from modelos.base import metadata
a = Column("a", ForeignKey("usuarios.id"))
b = Column("b", String({n}), ForeignKey("produtos.codigo"))
ligacao = Table("ligacoes", metadata, a, b)
""",
    "estoque": _HEAD + """
class Estoque(Base):
    __tablename__ = "estoques"
    codigo = mapped_column(ForeignKey("produtos.codigo"), primary_key=True)

class Contagem(Base):
    __tablename__ = "contagens"
    codigo = mapped_column(ForeignKey("estoques.codigo"), primary_key=True)
""",
    "caixa": _HEAD + """
class Caixa(Base):
    __tablename__ = "caixas"
    id: Mapped[int] = mapped_column(primary_key=True)
    aberta: Mapped[bool] = mapped_column(Boolean(create_constraint=True, name="aberta"))
""",
    "outra": _HEAD + """
from sqlalchemy import MetaData
outra = Table("outras", MetaData(), Column("id", String({n}), primary_key=True))
""",
    "fatura": _HEAD + """
class Fatura(Base):
    __tablename__ = "faturas"
    id: Mapped[int] = mapped_column(primary_key=True)
    texto: Mapped[str] = mapped_column(String({n}))

from .usuario import Usuario
""",
    "cor": _HEAD + """
from .usuario import Usuario
Usuario.__table__.append_column(Column("cor", String({n}), ForeignKey("lugares.id")))
lugares = Table("lugares", Base.metadata, Column("id", String({n}0), primary_key=True))
""",
    "indice": _HEAD + "from .produto import Produto\nIndex('ix_dono_{n}', Produto.dono_id)\n",
}  # fmt: skip
NEEDS = {
    "pedido": ("produto", "usuario"), "produto": ("usuario",), "email": ("usuario",), "gerente": ("usuario",),
    "marca": ("comum",), "estado": ("tipos",), "ligacao": ("produto", "usuario"), "indice": ("produto", "usuario"),
    "cor": ("usuario",),
    "estoque": ("produto", "usuario"), "fatura": ("usuario",),
}  # fmt: skip
FIXED = {"estoque", "caixa"}
"""Modules that are on under the same name in each stage that has them."""
_LENGTHS = st.sampled_from((10, 20))


def written(folder: Path, stages: Sequence[Mapping[str, int]]) -> Plan:
    """A project whose stages have these modules on, each in a folder of the stage's own but for the FIXED ones."""
    package = folder / "modelos"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "base.py").write_text(BASE, encoding="utf-8")
    lines, before = [], list[str]()
    for number, stage in enumerate(stages):
        place = package / f"v{number}"
        place.mkdir()
        (place / "__init__.py").touch()
        for name, length in stage.items():
            text = TEXTS[name].replace("{n}", str(length))
            ((package if name in FIXED else place) / f"{name}.py").write_text(text, encoding="utf-8")
        on = [name if name in FIXED else f"v{number}.{name}" for name in stage]
        off, new = ([each for each in one if each not in two] for one, two in ((before, on), (on, before)))
        lines.append(f"  - {{name: s{number}, disable: [{', '.join(off)}], enable: [{', '.join(new)}]}}\n")
        before = on
    head = "database: {url: 'sqlite://'}\nmodels: {package: modelos, base: 'base:Base'}\nstages:\n"
    (folder / "config.yaml").write_text(head + "".join(lines), encoding="utf-8")
    return read(folder / "config.yaml")


def said(metadata: sa.MetaData) -> list[str]:
    """All that create_all says on PostgreSQL, table after table; keys lead to tables that are there."""
    for table in metadata.tables.values():
        assert table.metadata is metadata
        assert all(key.column.table is metadata.tables[key.column.table.key] for key in table.foreign_keys)
    heard: list[str] = []
    dialect = postgresql.dialect()

    def hear(ddl: sa.schema.ExecutableDDLElement, *_: object, **__: object) -> None:
        heard.append(str(ddl.compile(dialect=dialect)))

    metadata.create_all(MockConnection(dialect, hear), checkfirst=False)
    return [*metadata.tables, *heard]


@st.composite
def stages(draw: st.DrawFn) -> list[dict[str, int]]:
    """Some modules, a stage's with a few changes to those before, in any order."""
    made: list[dict[str, int]] = []
    for _ in range(draw(st.integers(2, 4))):
        stage = dict(made[-1]) if made else {}
        for name in draw(
            st.lists(st.sampled_from(sorted(TEXTS)), min_size=0 if made else 1, max_size=3 if made else 8)
        ):
            stage[name] = draw(_LENGTHS)
            for need in NEEDS.get(name, ()):
                stage.setdefault(need, 10)
        for name in draw(st.lists(st.sampled_from(sorted(stage)), max_size=1)) if made and len(stage) > 1 else ():
            if not any(name in NEEDS.get(each, ()) for each in stage):
                del stage[name]
        if not made or set(stage) - FIXED or set(stage) != set(made[-1]):  # else it turns nothing on or off
            made.append({name: stage[name] for name in draw(st.permutations(sorted(stage)))})
    return made


@pytest.mark.filterwarnings("error")
@example([{"comum": 10, "marca": 10}, {"comum": 20, "marca": 10}])  # the same text inherits from another
@example([{"tipos": 10, "estado": 10, "caixa": 10}, {"caixa": 10}])  # the type goes, too
@example([{"tipos": 10, "estado": 10, "usuario": 10}, {"tipos": 10, "estado": 10, "usuario": 20}])  # it stays
@example([{"usuario": 10, "produto": 10, "estoque": 10}, {"usuario": 10, "produto": 20, "estoque": 10}])  # a key's type
@example([{"fatura": 10, "usuario": 10}, {"fatura": 10, "usuario": 20}])  # a table is made before the import
@example([{"outra": 10, "caixa": 10}, {"outra": 20, "caixa": 10}])  # its table is in another MetaData
@example([{"usuario": 10, "cor": 10}, {"usuario": 20, "cor": 10}, {"usuario": 20}])  # a table is made beside a column
@example([{"usuario": 10, "cor": 10, "email": 10}, {"email": 10, "usuario": 10, "cor": 10}])  # columns in another order
@settings(max_examples=60, deadline=None)
@given(stages())
def test_a_stage_is_what_its_modules_give_afresh(made: list[dict[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        plan = written(Path(place), made)
        watch, seen = Watch(), Schema()
        for number, turn in enumerate(turns(plan)):
            afresh = metadata_of(plan, number)
            assert said(turn.metadata) == said(afresh)
            changed = watch.changed(turn.metadata, turn.touched)
            seen = describe(turn.metadata, seen, changed)
            watch.restore(changed)
            assert seen.tables == describe(afresh).tables


def test_what_says_the_same_is_not_executed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = dict.fromkeys(("comum", "marca", "usuario", "produto", "estoque", "caixa", "email"), 10)
    plan = written(tmp_path, [stage, stage | {"email": 20}, stage | {"email": 20, "usuario": 20}, stage])
    heard: list[str] = []
    execute = imports._Loader.exec_module

    def exec_module(loader: imports._Loader, module: ModuleType) -> None:
        heard.append(module.__name__)
        execute(loader, module)

    monkeypatch.setattr(imports._Loader, "exec_module", exec_module)
    found = []
    for turn in turns(plan):
        found.append({name.removeprefix("modelos.") for name in heard if name.count(".") > 1 or name[8:] in FIXED})
        heard.clear()
        assert turn.succeeded == (turn.stage.name != "s0")
    # A column goes with its table; what has a key to that stays, and gets the new table's column.
    assert found == [
        {*(f"v0.{name}" for name in stage if name not in FIXED), *FIXED},
        {"v1.email", "v1.usuario"},
        {"v2.email", "v2.usuario"},
        {"v3.email", "v3.usuario"},
    ]


@pytest.mark.parametrize(
    ("init", "succeeded"),
    [
        ("from .base import Base, metadata", True),
        ("from . import base", False),
        ("from .estoque import Estoque", False),
    ],
    ids=["the base", "a module", "a model"],
)
def test_an_init_that_passes_on_what_always_stays_stays_too(tmp_path: Path, init: str, *, succeeded: bool) -> None:
    stage = {"usuario": 10, "produto": 10, "estoque": 10}
    plan = written(tmp_path, [stage, stage | {"usuario": 20}])
    (tmp_path / "modelos" / "__init__.py").write_text(init, encoding="utf-8")
    for number, turn in enumerate(turns(plan)):
        assert said(turn.metadata) == said(metadata_of(plan, number))
    assert turn.succeeded == succeeded


def test_a_key_s_column_that_has_another_type_has_all_executed_again(tmp_path: Path) -> None:
    """A column without a type has that of the one that it refers to, and keeps it."""
    stage = {"usuario": 10, "produto": 10, "estoque": 10}
    plan = written(tmp_path, [stage, stage | {"produto": 20}])
    assert [(turn.succeeded, str(turn.metadata.tables["contagens"].c.codigo.type)) for turn in turns(plan)] == [
        (False, "VARCHAR(10)"),
        (False, "VARCHAR(20)"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v1/email", "from modelos.v0.usuario import Usuario\nUsuario.email = None"),
        ("caixa", "from modelos.v0.usuario import Usuario"),
        ("caixa", "from modelos.v0.usuario import Mapped"),
        ("caixa", "from modelos.v0 import usuario"),
    ],
    ids=["by a new module", "by one that stays", "for another name", "as a module"],
)
def test_what_a_stage_leaves_off_is_as_far_away_as_ever(tmp_path: Path, name: str, text: str) -> None:
    """A module that another succeeds cannot be imported any more, any more than others that are off."""
    plan = written(tmp_path, [{"usuario": 10, "caixa": 10}, {"usuario": 10, "caixa": 10, "email": 10}])
    (tmp_path / "modelos" / f"{name}.py").write_text(text, encoding="utf-8")
    with pytest.raises(WrongUse) as afresh:
        metadata_of(plan, 1)
    with pytest.raises(WrongUse) as caught:
        list(turns(plan))
    assert caught.value.to_json() == afresh.value.to_json()


def test_at_the_end_all_is_looked_at_as_it_is_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = written(tmp_path, [{"comum": 10, "marca": 10}, {"comum": 20, "marca": 10}])
    monkeypatch.setattr(successors._Executed, "_asks_alike", lambda *_: True)
    with pytest.raises(AssertionError, match="Table marcas has been changed by a stage"):
        steps(plan)
