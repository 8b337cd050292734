"""A module's text tells which tables it can have touched, or it is not believed."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from project.bench.projects import growing, replaced
from project.db.modules import turns
from project.db.plain import plain
from project.migrations.generate import steps
from project.plan import read

if TYPE_CHECKING:
    from project.plan import Plan

IMPORTS = """
from __future__ import annotations
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, MetaData, String, Table, func
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship, validates
from lojas.base import Base
from .usuario import Usuario, tipos
"""

PLAIN = {
    "a class": "class A(Base):\n    __tablename__ = 'a'\n    id: Mapped[int] = mapped_column(primary_key=True)",
    "a base": "class Outra(DeclarativeBase):\n    metadata = MetaData(naming_convention={'pk': 'pk_%(table_name)s'})",
    "another column": "Usuario.email = mapped_column(String(40))",
    "columns of others": "class A(Usuario):\n    __table_args__ = (Index('ix', Usuario.nome, Usuario.__table__.c.id),)",
    "an index": "Index('ix', Usuario.nome, postgresql_where=Usuario.idade > 3)",
    "names in modules": "class A(Base):\n    nome = sa.Column(sa.String(3), server_default=sa.text('x'))",
    "types of a server": "TIPO = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')",
    "functions of SQL": "class A(Base):\n    hora = Column(sa.DateTime, server_default=func.now(), onupdate=sa.func.now())",
    "what Python puts in": "class A(Base):\n    hora = Column(sa.DateTime, default=lambda: datetime.now(UTC))",
    "an enum": "class Cor(Enum):\n    AZUL = 'azul'",
    "an annotated type": "Chave = Annotated[int, mapped_column(primary_key=True)]",
    "a table": "ligados = Table('ligados', MetaData(), Column('id', ForeignKey('usuarios.id')))",
    "a table in the base's MetaData": "ligados = Table('ligados', Base.metadata, Column('id', String(9)))",
    "a table's method": "Usuario.__table__.append_column(Column('email', String))",
    "a name that is made of another": "import re\nGROSS = re.compile('(?<!^)([A-Z])')\n"
    "class Outra(DeclarativeBase):\n"
    "    @declared_attr.directive\n"
    "    def __tablename__(cls) -> str:\n        return re.sub('(?<!^)([A-Z])', r'_\\1', cls.__name__).lower()",
    "other properties": "from sqlalchemy.orm import backref, deferred, synonym\n"
    "class A(Base):\n    nome = deferred(Column(String))\n    nick = synonym('nome')\n"
    "    donos = relationship(Usuario, backref=backref('donos', uselist=False))",
    "what only a checker reads": "if TYPE_CHECKING:\n    import os",
    "methods": """
        class A(Base):
            outros: Mapped[list[Usuario]] = relationship(order_by=Usuario.nome)

            @validates("nome")
            def valida(self, chave: str, valor: str) -> str:
                return valor.strip()

            @declared_attr.directive
            def __tablename__(cls) -> str:
                return cls.__name__.lower()

            def __repr__(self) -> str:
                return f"<{self.__class__.__name__} {self.nome}>"
        """,
}

NOT_PLAIN = {
    "a MetaData's tables": "Base.metadata.tables['usuarios'].c.nome.nullable = True",
    "a column of one": "Index('ix', Base.metadata.tables['usuarios'].c.nome)",
    "a column's attribute": "Usuario.nome.nullable = True",
    "a column in another's place": "Usuario.__table__.append_column(Column('email', String), replace_existing=True)",
    "a column's type, which keys may go by": "Usuario.__table__.c.idade.type = sa.BigInteger()",
    "a method of a MetaData": "Base.metadata.remove(tipos)",
    "a MetaData that is given to something else": "Column('x', Base.metadata)",
    "the MetaData itself": "Base.metadata = MetaData()",
    "a loop": "for cada in Base.__subclasses__():\n    cada.email = mapped_column(String)",
    "a comprehension": "[setattr(cada, 'x', 1) for cada in tipos]",
    "a call of the models' own": "tipos(Usuario)",
    "one by another name": "Column = tipos\nColumn(Usuario)",
    "one by another name in a class": "class A(Base):\n    Column = tipos\n    x = Column(Usuario)",
    "a builtin": "x = setattr(Usuario.nome, 'nullable', True)",
    "a decorator": "@tipos\nclass A(Base):\n    pass",
    "a metaclass": "class A(metaclass=tipos):\n    pass",
    "an event": "from sqlalchemy import event\nevent.listen(Base.metadata, 'before_create', tipos)",
    "an event of a module": "sa.event.listen(Base.metadata, 'before_create', tipos)",
    "an import of anything": "import gc",
    "an import with a star": "from .usuario import *",
    "an import of something else": "from sqlalchemy_utils import EmailType",
    "a table that is there": "Table('usuarios', Base.metadata, comment='x', extend_existing=True)",
    "keywords that nobody knows": "Table('usuarios', MetaData(), **tipos)",
    "a function": "def junta():\n    Usuario.x = mapped_column()",
    "a method that reaches a class": "class A(Base):\n    def __init_subclass__(cls):\n        Usuario.x = mapped_column()",
    "a method that reaches the MetaData": "class A(Base):\n    def m(self):\n        self.metadata.tables.clear()",
    "a method that imports": "class A(Base):\n    def m(self):\n        from .usuario import Usuario as u",
    "a method's default": "class A(Base):\n    def m(self, x=tipos(3)):\n        pass",
    "a name for constraints that is computed": "m = MetaData(naming_convention={'ix': lambda c, t: t})",
    "an annotation that does something": "class A(Base):\n    x: tipos(3)",
    "an attribute that is none of a column": "Usuario.__table__ = tipos",
    "several names": "a = b = Usuario",
    "an addition": "tipos += (Usuario,)",
    "a condition": "if tipos:\n    Usuario.x = mapped_column()",
    "a deletion": "del Usuario.nome",
}


def own(node: ast.ImportFrom) -> bool:
    return bool(node.level) or str(node.module).startswith("lojas.")


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_what_is_plain(text: str) -> None:
    assert plain(ast.parse(IMPORTS + dedent(text)), own) is not None


@pytest.mark.parametrize("text", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not(text: str) -> None:
    assert plain(ast.parse(IMPORTS + dedent(text)), own) is None


# ------------------------------------------------ stage after stage

BASE = "from sqlalchemy.orm import DeclarativeBase\n\nclass Base(DeclarativeBase):\n    pass\n"
TABLE = """
from sqlalchemy.orm import Mapped, mapped_column
from lojas.base import Base

class {name}(Base):
    __tablename__ = "{table}"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str]
"""


def shop(folder: Path, **modules: str) -> Plan:
    """Two tables, then these modules, each a stage."""
    (folder / "lojas").mkdir()
    texts = {"__init__": "", "base": BASE, **modules}
    for name, table in (("Usuario", "usuarios"), ("Produto", "produtos")):
        texts[name.lower()] = TABLE.format(name=name, table=table)
    for name, text in texts.items():
        (folder / "lojas" / f"{name}.py").write_text(text, encoding="utf-8")
    stages = "".join(f"  - {{name: {n}, message: {n}, enable: [{n}]}}\n" for n in ("usuario", "produto", *modules))
    (folder / "config.yaml").write_text(
        "database: {url: 'sqlite://'}\nmodels: {package: lojas, base: 'base:Base'}\nmigrations: migrations\n"
        f"prove_on: ['sqlite://']\nstages:\n{stages}",
        encoding="utf-8",
    )
    return read(folder / "config.yaml")


def touched(plan: Plan) -> list[set[str] | None]:
    return [None if turn.touched is None else set(turn.touched) for turn in turns(plan)]


MAPPED = "from sqlalchemy.orm import mapped_column\nfrom sqlalchemy import String, Index\n"


def test_a_plain_stage_touches_what_it_makes_and_what_it_names(tmp_path: Path) -> None:
    plan = shop(
        tmp_path,
        email=f"{MAPPED}from .usuario import Usuario\nUsuario.email = mapped_column(String(40))",
        indice=f"{MAPPED}from lojas.produto import Produto\nIndex('ix', Produto.nome)",
        filha=f"{MAPPED}from .usuario import Usuario\nclass Filha(Usuario):\n    cor = mapped_column(String(3))",
    )
    assert touched(plan) == [None, {"usuarios", "produtos"}, {"usuarios"}, {"produtos"}, {"usuarios"}]


def test_what_is_done_to_a_table_by_its_class_touches_that(tmp_path: Path) -> None:
    plan = shop(
        tmp_path,
        coluna="import sqlalchemy as sa\nfrom .produto import Produto\n"
        "Produto.__table__.append_column(sa.Column('cor', sa.String(3)))",
        filha=f"{MAPPED}from .usuario import Usuario\nclass Filha(Usuario):\n    cor = mapped_column(String(3))",
        neta="import sqlalchemy as sa\nfrom .filha import Filha\n"
        "Filha.__table__.append_constraint(sa.CheckConstraint('cor > 3', name='maior'))",
    )
    assert touched(plan)[2:] == [{"produtos"}, {"usuarios"}, {"usuarios"}]
    assert [step.revision.changes for step in steps(plan)[2:]] == [
        ("produtos: + cor",),
        ("usuarios: + cor",),
        ("usuarios: + check maior",),
    ]


@pytest.mark.parametrize(
    "init",
    [
        "from .base import Base\n__all__ = ['Base']",
        "from .usuario import Usuario\nfrom lojas.produto import Produto\nfrom . import email",
        "'Os modelos.'\nfrom .usuario import *",
        "VERSION = '1'",
    ],
)
def test_an_init_that_passes_names_on_touches_nothing(tmp_path: Path, init: str) -> None:
    plan = shop(tmp_path, email=f"{MAPPED}from .usuario import Usuario\nUsuario.email = mapped_column(String(40))")
    (tmp_path / "lojas" / "__init__.py").write_text(init, encoding="utf-8")
    assert touched(plan) == [None, {"usuarios", "produtos"}, {"usuarios"}]


@pytest.mark.parametrize(
    "init",
    [
        "from .base import Base\nBase.metadata.schema = 'x'",
        "from .usuario import Usuario\nUsuario.x = 'x'",
        "import os",
        "for x in ():\n    pass",
    ],
)
def test_an_init_that_does_more_may_touch_anything(tmp_path: Path, init: str) -> None:
    plan = shop(tmp_path, email=f"{MAPPED}from .usuario import Usuario\nUsuario.email = mapped_column(String(40))")
    (tmp_path / "lojas" / "__init__.py").write_text(init, encoding="utf-8")
    assert touched(plan) == [None, None, None]


def test_a_package_in_another_is_as_plain(tmp_path: Path) -> None:
    plan = read(growing(tmp_path / "project", 12) / "config.yaml")
    folder = plan.folder / "app" / "modelos"
    folder.parent.mkdir()
    (plan.folder / "modelos").rename(folder)
    for path in folder.glob("*.py"):
        path.write_text(path.read_text(encoding="utf-8").replace("modelos.", "app.modelos."), encoding="utf-8")
    said = plan.path.read_text(encoding="utf-8")
    plan.path.write_text(said.replace("package: modelos", "package: app.modelos"), encoding="utf-8")
    sizes = []
    for init in (None, "", "__version__ = '1'", "import os"):
        if init is not None:
            (folder.parent / "__init__.py").write_text(init, encoding="utf-8")
        sizes.append([len(each or ()) for each in touched(read(plan.path))][2:])
    assert sizes == [[1] * 10] * 3 + [[0] * 10]


def test_a_pattern_belongs_to_nobody(tmp_path: Path) -> None:
    plan = shop(tmp_path, nomes=f"import re\n{MAPPED}GROSS = re.compile('[A-Z]')\nclass Nada:\n    pass")
    assert touched(plan)[-1] == set()


def test_after_a_module_that_is_not_plain_every_stage_may_touch_anything(tmp_path: Path) -> None:
    plan = shop(tmp_path, laco="for x in ():\n    pass", email=f"{MAPPED}class Nada:\n    pass")
    assert touched(plan) == [None, {"usuarios", "produtos"}, None, None]


@pytest.mark.parametrize(
    ("shared", "text"),
    [
        ("from sqlalchemy import String\nNome = String(9)", "from .comum import Nome\nNome.length = 10"),
        ("from .usuario import Usuario\nnome = Usuario.nome", f"{MAPPED}from .comum import nome\nIndex('ix', nome)"),
        ("x = 1", "from . import comum, usuario\nclass A(usuario.Usuario):\n    pass"),
    ],
    ids=["a type that tables share", "a column", "a module"],
)
def test_what_may_belong_to_other_tables_may_touch_anything(tmp_path: Path, shared: str, text: str) -> None:
    assert touched(shop(tmp_path, comum=shared, outro=text))[-1] is None


def test_a_stage_that_replaces_modules_touches_what_has_gone(tmp_path: Path) -> None:
    plan = read(replaced(tmp_path / "project", 3, tables=3) / "config.yaml")
    assert touched(plan) == [None, {"tabela_1"}, {"tabela_2"}]


def test_a_change_that_the_next_stage_takes_back_is_seen(tmp_path: Path) -> None:
    comment = "from lojas.base import Base\nBase.metadata.tables['usuarios'].comment = {}"
    made = steps(shop(tmp_path, diz=comment.format("'quem'"), cala=comment.format("None")))
    assert [step.revision.changes for step in made[2:]] == [("usuarios: comment",), ("usuarios: comment",)]


def test_what_was_overlooked_is_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = shop(tmp_path, outro="from lojas.base import Base\nBase.metadata.tables['usuarios'].c.nome.nullable = True")
    monkeypatch.setattr("project.db.plain._Text.is_plain", lambda *_: True)
    with pytest.raises(AssertionError, match="Table usuarios has been changed by a stage"):
        steps(plan)


def test_the_projects_that_are_measured_are_plain(tmp_path: Path) -> None:
    sizes = [len(each or ()) for each in touched(read(growing(tmp_path / "project", 12) / "config.yaml"))]
    assert sizes[2:] == [1] * 10
