"""The proof: every lie in a revision file is found, and what is true is proved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sqlstrata.commands.staging import staged
from sqlstrata.plan import Plan
from sqlstrata.proof.prove import prove
from sqlstrata.proof.verdict import NotProved
from sqlstrata.revisions.generate import Step, steps
from sqlstrata.revisions.revision import Revision
from tests.projects import write
from tests.servers import RELEASES, SERVERS, answering, family

AUTORES = """
class Autor(Base):
    __tablename__ = "autores"
    __table_args__ = (sa.CheckConstraint("ano > 0", name="ano"), {"comment": "Quem escreve"})
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50), unique=True, comment="Nome de capa")
    ano: Mapped[int | None] = mapped_column(server_default="1900", index=True)
    genero: Mapped[str | None] = mapped_column(sa.Enum("romance", "poesia", name="genero"))
"""

LIVROS = """
class Livro(Base):
    __tablename__ = "livros"
    __table_args__ = (sa.Index("ix_livros_titulo", "titulo", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    titulo: Mapped[str] = mapped_column(sa.String(80))
    preco: Mapped[int] = mapped_column(sa.Numeric(10, 2))
    dobro: Mapped[int] = mapped_column(sa.Numeric(10, 2), sa.Computed("preco * 2", persisted=True))
    autor_id: Mapped[int] = mapped_column(sa.ForeignKey("autores.id", ondelete="CASCADE"))
"""

PAGINAS = """
from modelos.livros import Livro

Livro.paginas = mapped_column(sa.Integer, nullable=True)
"""

REGRAS = """
from modelos.autores import Autor
from modelos.livros import Livro

Livro.__table__.c.titulo.type = sa.String(100)
Livro.__table__.append_constraint(sa.CheckConstraint("paginas > 0", name="paginas"))
Livro.estado = mapped_column(sa.String(10), nullable=False, server_default="novo")
Autor.__table__.c.ano.nullable = False
"""

RENOMES = """
class Autor(Base):
    __tablename__ = "autores"
    __table_args__ = (sa.CheckConstraint("ano > 0", name="ano"), {"comment": "Quem escreve"})
    id: Mapped[int] = mapped_column(primary_key=True)
    nome_de_capa: Mapped[str] = mapped_column(sa.String(50), comment="Nome de capa")
    ano: Mapped[int] = mapped_column(server_default="1900", index=True)
    genero: Mapped[str | None] = mapped_column(sa.Enum("romance", "poesia", name="genero"))
    sigla: Mapped[str] = mapped_column(sa.String(3))
"""

MODULES = {"autores": AUTORES, "livros": LIVROS, "paginas": PAGINAS, "regras": REGRAS, "renomes": RENOMES}
AUTHORS = [{"nome": "Clarice", "ano": 1920, "genero": "romance"}, {"nome": "Cecília", "ano": None, "genero": "poesia"}]
BOOKS = [{"titulo": "Laços", "preco": 10, "autor_id": 1}, {"titulo": "Viagem", "preco": 20, "autor_id": 2}]
STAGES: list[dict[str, Any]] = [
    {"name": "autores", "enable": ["autores"], "rows": {"autores": AUTHORS}},
    {"name": "livros", "enable": ["livros"], "rows": {"livros": BOOKS}},
    {"name": "paginas", "enable": ["paginas"]},
    {"name": "regras", "enable": ["regras"], "fill": {"autores.ano": "1900"}},
    {
        "name": "renomes",
        "disable": ["regras", "paginas", "livros", "autores"],
        "enable": ["renomes"],
        "rename": {"autores.nome": "nome_de_capa"},
        "fill": {"autores.sigla": "'ABC'"},
        "drop": ["livros"],
    },
]


@dataclass(frozen=True)
class Lie:
    """What is changed in one half of a stage's revision file, and what the proof must say about it."""

    name: str
    stage: str
    way: str
    old: str
    new: str
    direction: str
    table: str
    what: str
    servers: tuple[str, ...] = ("sqlite",)


ALL = ("sqlite", "postgresql", "mariadb")
ON_POSTGRESQL = ("postgresql",)
LIES = (
    # ------------------------------------------------ in a new table
    Lie(
        "a column forgotten", "paginas", "upgrade",
        'op.add_column("livros", sa.Column("paginas", sa.Integer(), nullable=True))', "pass",
        "up", "livros", "column paginas", ALL,
    ),
    Lie(
        "a column too many", "livros", "upgrade",
        'sa.Column("autor_id",', 'sa.Column("extra", sa.Integer()),\n        sa.Column("autor_id",',
        "up", "livros", "column extra",
    ),
    Lie(
        "a column under another name", "paginas", "upgrade",
        'sa.Column("paginas"', 'sa.Column("pagina"', "up", "livros", "column pagina",
    ),
    Lie("a length off by one", "autores", "upgrade", "length=50", "length=51",
        "up", "autores", "column nome: type", ALL),
    Lie("a scale off by one", "livros", "upgrade", "scale=2", "scale=3", "up", "livros", "column preco: type"),
    Lie(
        "another type", "paginas", "upgrade",
        "sa.Integer()", "sa.BigInteger()", "up", "livros", "column paginas: type",
    ),
    Lie(
        "NOT NULL forgotten", "autores", "upgrade",
        "length=50), nullable=False", "length=50), nullable=True", "up", "autores", "column nome: not null", ALL,
    ),
    Lie(
        "NOT NULL too many", "autores", "upgrade",
        '"ano", sa.Integer(), nullable=True', '"ano", sa.Integer(), nullable=False',
        "up", "autores", "column ano: not null",
    ),
    Lie(
        "another default", "autores", "upgrade",
        'server_default="1900"', 'server_default="1901"', "up", "autores", "column ano: default", ALL,
    ),
    Lie(
        "a default forgotten", "autores", "upgrade",
        ', server_default="1900"', "", "up", "autores", "column ano: default",
    ),
    Lie(
        "another computation", "livros", "upgrade",
        "preco * 2", "preco * 3", "up", "livros", "column dobro: generated", ALL,
    ),
    Lie(
        "a computed column that is not stored", "livros", "upgrade",
        "persisted=True", "persisted=False", "up", "livros", "column dobro",
    ),
    Lie(
        "a CHECK that says something else", "autores", "upgrade",
        '"ano > 0"', '"ano > 1"', "up", "autores", "check ck_autores_ano", ALL,
    ),
    Lie(
        "a CHECK forgotten", "autores", "upgrade",
        '        sa.CheckConstraint("ano > 0", name="ck_autores_ano"),\n', "", "up", "autores", "check ck_autores_ano",
    ),
    Lie(
        "a CHECK under another name", "autores", "upgrade",
        "ck_autores_ano", "ck_ano", "up", "autores", "check ano > 0: name",
    ),
    Lie(
        "an index forgotten", "autores", "upgrade",
        '        sa.Index("ix_autores_ano", "ano"),\n', "", "up", "autores", "index ix_autores_ano",
    ),
    Lie(
        "an index on another column", "autores", "upgrade",
        'ix_autores_ano", "ano"', 'ix_autores_ano", "nome"', "up", "autores", "index ix_autores_ano",
    ),
    Lie(
        "an index that became unique", "autores", "upgrade",
        'ix_autores_ano", "ano"', 'ix_autores_ano", "ano", unique=True', "up", "autores", "ix_autores_ano",
    ),
    Lie(
        "a unique index that is no more", "livros", "upgrade",
        ", unique=True", "", "up", "livros", "ix_livros_titulo", ALL,
    ),
    Lie(
        "an index with a condition", "autores", "upgrade",
        'ix_autores_ano", "ano"',
        'ix_autores_ano", "ano", sqlite_where=sa.text("ano > 1"), postgresql_where=sa.text("ano > 1")',
        "up", "autores", "index ix_autores_ano",
    ),
    Lie(
        "another ON DELETE", "livros", "upgrade",
        "CASCADE", "RESTRICT", "up", "livros", "foreign key fk_livros_autor_id_autores", ALL,
    ),
    Lie(
        "an ON UPDATE too many", "livros", "upgrade",
        'ondelete="CASCADE"', 'ondelete="CASCADE", onupdate="CASCADE"',
        "up", "livros", "foreign key fk_livros_autor_id_autores",
    ),
    Lie(
        "a foreign key that is deferrable", "livros", "upgrade",
        'ondelete="CASCADE"', 'ondelete="CASCADE", deferrable=True, initially="DEFERRED"',
        "up", "livros", "foreign key fk_livros_autor_id_autores",
    ),
    Lie(
        "a foreign key forgotten", "livros", "upgrade",
        """        sa.ForeignKeyConstraint(
            ["autor_id"],
            ["autores.id"],
            name="fk_livros_autor_id_autores",
            ondelete="CASCADE",
        ),
""", "", "up", "livros", "foreign key fk_livros_autor_id_autores",
    ),
    Lie(
        "a foreign key from another column", "livros", "upgrade",
        '["autor_id"]', '["id"]', "up", "livros", "foreign key fk_livros_autor_id_autores",
    ),
    Lie(
        "a primary key of two columns", "livros", "upgrade",
        'sa.PrimaryKeyConstraint("id",', 'sa.PrimaryKeyConstraint("id", "titulo",', "up", "livros", "primary key", ALL,
    ),
    Lie(
        "a primary key forgotten", "livros", "upgrade",
        '        sa.PrimaryKeyConstraint("id", name="pk_livros"),\n', "", "up", "livros", "primary key",
    ),
    Lie(
        "a unique constraint forgotten", "autores", "upgrade",
        '        sa.UniqueConstraint("nome", name="uq_autores_nome"),\n', "",
        "up", "autores", "unique uq_autores_nome", ALL,
    ),
    Lie(
        "a unique constraint on two columns", "autores", "upgrade",
        'UniqueConstraint("nome",', 'UniqueConstraint("nome", "ano",', "up", "autores", "unique uq_autores_nome",
    ),
    Lie(
        "another comment of a column", "autores", "upgrade",
        "Nome de capa", "Nome", "up", "autores", "column nome: comment", ("postgresql", "mariadb"),
    ),
    Lie(
        "another comment of a table", "autores", "upgrade",
        "Quem escreve", "Quem", "up", "autores", "comment", ("postgresql", "mariadb"),
    ),
    Lie(
        "an enum without one of its labels", "autores", "upgrade",
        'op.create_enum("genero", "romance", "poesia")', 'op.create_enum("genero", "romance")',
        "up", "genero", "labels", ON_POSTGRESQL,
    ),
    Lie(
        "an enum whose labels have another order", "autores", "upgrade",
        'op.create_enum("genero", "romance", "poesia")', 'op.create_enum("genero", "poesia", "romance")',
        "up", "genero", "labels", ON_POSTGRESQL,
    ),
    Lie(
        "a table forgotten", "autores", "upgrade",
        "    op.create_table(", "    return\n    op.create_table(", "up", "autores", "table",
    ),
    Lie(
        "a table too many", "paginas", "upgrade",
        "op.add_column", 'op.create_table("extra", sa.Column("id", sa.Integer()))\n    op.add_column',
        "up", "extra", "table",
    ),
    # ------------------------------------------------ in a table that changes
    Lie(
        "a change of length off by one", "regras", "upgrade",
        'sa.Column("titulo", sa.String(length=100)', 'sa.Column("titulo", sa.String(length=101)',
        "up", "livros", "column titulo: type",
    ),
    Lie(
        "a change of nullability forgotten", "regras", "upgrade",
        'sa.Column("ano", sa.Integer(), nullable=False,', 'sa.Column("ano", sa.Integer(), nullable=True,',
        "up", "autores", "column ano: not null",
    ),
    Lie(
        "an added CHECK forgotten", "regras", "upgrade",
        '        op.added(sa.CheckConstraint("paginas > 0", name="ck_livros_paginas")),\n', "",
        "up", "livros", "check ck_livros_paginas", ALL,
    ),
    Lie(
        "an added CHECK that says something else", "regras", "upgrade",
        'op.added(sa.CheckConstraint("paginas > 0"', 'op.added(sa.CheckConstraint("paginas >= 0"',
        "up", "livros", "check ck_livros_paginas",
    ),
    Lie(
        "an added column without its default", "regras", "upgrade",
        """
                nullable=False,
                server_default="novo",""", """
                nullable=True,""", "up", "livros", "column estado",
    ),
    Lie(
        "a foreign key that changes in a table built anew", "regras", "upgrade",
        "CASCADE", "SET NULL", "up", "livros", "foreign key fk_livros_autor_id_autores",
    ),
    Lie(
        "a unique constraint that stays", "renomes", "upgrade",
        'op.removed(sa.UniqueConstraint("nome_de_capa", name="uq_autores_nome")),',
        'sa.UniqueConstraint("nome_de_capa", name="uq_autores_nome"),', "up", "autores", "unique uq_autores_nome",
    ),
    Lie(
        "a rename to another name", "renomes", "upgrade",
        'op.drop_table("livros")',
        'op.drop_table("livros")\n    op.create_table("livros_2", sa.Column("id", sa.Integer()))',
        "up", "livros_2", "table",
    ),
    # ------------------------------------------------ in a downgrade
    Lie("a downgrade that does nothing", "paginas", "downgrade", 'op.drop_column("livros", "paginas")', "pass",
        "down", "livros", "column paginas", ALL),
    Lie("a downgrade that leaves a table", "autores", "downgrade", 'op.drop_table("autores")', "return",
        "down", "autores", "table"),
    Lie("a downgrade that leaves an enum", "autores", "downgrade", '    op.drop_enum("genero")\n', "",
        "down", "genero", "enum", ON_POSTGRESQL),
    Lie("a downgrade that renames what it should drop", "paginas", "downgrade",
        'drop_column("livros", "paginas")', 'rename_column("livros", "paginas", "velhas")',
        "down", "livros", "column velhas"),
    Lie("a downgrade to another length", "regras", "downgrade",
        'op.changed(\n            sa.Column("titulo", sa.String(length=80)',
        'op.changed(\n            sa.Column("titulo", sa.String(length=79)',
        "down", "livros", "column titulo: type"),
    Lie("a downgrade that forgets NULL", "regras", "downgrade",
        'sa.Column("ano", sa.Integer(), nullable=True', 'sa.Column("ano", sa.Integer(), nullable=False',
        "down", "autores", "column ano: not null", ALL),
    Lie("a downgrade that leaves a CHECK", "regras", "downgrade",
        '        op.removed(sa.CheckConstraint("paginas > 0", name="ck_livros_paginas")),\n',
        '        sa.CheckConstraint("paginas > 0", name="ck_livros_paginas"),\n',
        "down", "livros", "check ck_livros_paginas"),
    Lie("a downgrade that forgets an index", "renomes", "downgrade",
        '        sa.Index("ix_livros_titulo", "titulo", unique=True),\n', "",
        "down", "livros", "index ix_livros_titulo"),
    Lie("a downgrade that forgets a unique constraint", "renomes", "downgrade",
        '        op.added(sa.UniqueConstraint("nome", name="uq_autores_nome")),\n', "",
        "down", "autores", "unique uq_autores_nome"),
    Lie("a downgrade that forgets a foreign key", "renomes", "downgrade",
        "    op.add_foreign_key(", "    return\n    op.add_foreign_key(",
        "down", "livros", "foreign key", ("postgresql", "mariadb")),
    # ------------------------------------------------ in the rows
    Lie("a row lost on the way up", "paginas", "upgrade",
        "op.add_column", 'op.run_sql("DELETE FROM livros WHERE id = 1")\n    op.add_column',
        "up", "livros", "rows", ALL),
    Lie("all rows lost on the way up", "paginas", "upgrade",
        "op.add_column", 'op.run_sql("DELETE FROM livros")\n    op.add_column', "up", "livros", "rows"),
    Lie("a row lost in another table", "livros", "upgrade",
        "op.create_table", 'op.run_sql("DELETE FROM autores WHERE id = 2")\n    op.create_table',
        "up", "autores", "rows"),
    Lie("a row lost on the way down", "paginas", "downgrade",
        "op.drop_column", 'op.run_sql("DELETE FROM livros WHERE id = 2")\n    op.drop_column',
        "down", "livros", "rows", ALL),
    Lie("all rows lost on the way down", "paginas", "downgrade",
        "op.drop_column", 'op.run_sql("DELETE FROM livros")\n    op.drop_column', "down", "livros", "rows"),
    Lie("a value changed on the way up", "paginas", "upgrade",
        "op.add_column", """op.run_sql("UPDATE livros SET titulo = 'x' WHERE id = 1")\n    op.add_column""",
        "up", "livros", "rows", ALL),
    Lie("a value changed on the way down", "paginas", "downgrade",
        "op.drop_column", """op.run_sql("UPDATE autores SET nome = 'x' WHERE id = 1")\n    op.drop_column""",
        "down", "autores", "rows"),
    Lie("a value made NULL on the way up", "livros", "upgrade",
        "op.create_table", 'op.run_sql("UPDATE autores SET genero = NULL")\n    op.create_table',
        "up", "autores", "rows"),
    Lie("a value lost by a rename that is a drop", "renomes", "upgrade",
        'op.rename_column("autores", "nome", "nome_de_capa")',
        'op.rename_column("autores", "nome", "nome_de_capa")\n    op.run_sql("UPDATE autores SET nome_de_capa = id")',
        "up", "autores", "rows"),
    Lie("a value changed in a column that became longer", "regras", "upgrade",
        "op.require_no_rows_where",
        """op.run_sql("UPDATE livros SET titulo = 'x' || id")\n    op.require_no_rows_where""",
        "up", "livros", "rows"),
)  # fmt: skip

QUICK = [(lie, "sqlite") for lie in LIES if "sqlite" in lie.servers]
SLOW = [(lie, server) for server in RELEASES[1:] for lie in LIES if family(server) in lie.servers]


def called(case: object) -> str:
    return str(getattr(case, "name", case))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, tuple[Step, ...]]:
    plan = write(tmp_path_factory.mktemp("livraria") / "livraria", MODULES, STAGES, servers=tuple(SERVERS)).plan()
    return plan, steps(plan)


def proved(plan: Plan, made: tuple[Step, ...], server: str, lie: Lie | None = None) -> list[str]:
    """Prove the history with a lie in it on a server; give the stages that it heard of, each once."""
    heard: list[str] = []
    revisions = tuple(planted(step, lie) for step in made)
    with staged(plan, revisions) as folder:
        prove(server, folder, made, heard.append)
    return list(dict.fromkeys(filter(None, heard)))


def planted(step: Step, lie: Lie | None) -> Revision:
    revision = step.revision
    if lie is None or lie.stage != step.stage.name:
        return revision
    up, mark, down = revision.text.partition("def downgrade")
    halves = {"upgrade": up, "downgrade": down}
    assert lie.old in halves[lie.way], "the lie has nothing to replace: the text of the revision is another one now"
    halves[lie.way] = halves[lie.way].replace(lie.old, lie.new, 1)
    return replace(revision, text=halves["upgrade"] + mark + halves["downgrade"])


def test_the_history_without_a_lie_is_proved(project: tuple[Plan, tuple[Step, ...]], release: str) -> None:
    plan, made = project
    assert proved(plan, made, release) == ["autores", "livros", "paginas", "regras", "renomes"]


@pytest.mark.parametrize(("lie", "kind"), [*QUICK, *SLOW], ids=called)
def test_a_lie_in_a_revision_is_found(project: tuple[Plan, tuple[Step, ...]], lie: Lie, kind: str) -> None:
    plan, made = project
    with pytest.raises(NotProved) as caught:
        proved(plan, made, answering(kind), lie)
    told = caught.value.details["differences"]
    assert isinstance(told, list)
    found = [(each["stage"], each["direction"], each["table"]) for each in told]
    assert set(found) == {(lie.stage, lie.direction, lie.table)}, told
    assert any(lie.what in each["what"] for each in told), told


# ------------------------------------------------ revisions that stop


@dataclass(frozen=True)
class Stop:
    """What makes a stage's revision stop, and what the proof says then."""

    name: str
    stage: str
    way: str
    old: str
    new: str
    message: str


STOPS = (
    Stop("a statement that fails on the way up", "paginas", "upgrade", '"livros"', '"livro"',
         "Stage paginas does not go up on sqlite: The migration failed: no such table: livro."),
    Stop("a statement that fails on the way down", "paginas", "downgrade", '"paginas"', '"pagina"',
         "Stage paginas does not go down on sqlite: The migration failed: no such column"),
    Stop("a downgrade that refuses with and without rows", "paginas", "downgrade",
         "op.drop_column", 'op.irreversible("No.")  #',
         "Stage paginas does not go down, without rows on sqlite: No. Nothing was changed."),
    Stop("rows that lose their parents", "paginas", "upgrade",
         "op.add_column", 'op.run_sql("DELETE FROM autores")\n    op.add_column',
         "Stage paginas does not go up on sqlite: 2 rows would refer to a missing row"),
)  # fmt: skip


@pytest.mark.parametrize("stop", STOPS, ids=called)
def test_a_revision_that_stops_is_told_with_its_reason(project: tuple[Plan, tuple[Step, ...]], stop: Stop) -> None:
    plan, made = project
    lie = Lie(stop.name, stop.stage, stop.way, stop.old, stop.new, "", "", "")
    with pytest.raises(NotProved) as caught:
        proved(plan, made, "sqlite://", lie)
    assert stop.message in caught.value.message
    assert str(caught.value.hint).startswith("Fix ")
    assert str(caught.value.hint).endswith(". Nothing was written; only scratch databases were changed.")


# ------------------------------------------------ rows that are in the way down

PESSOAS = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
    apelido: Mapped[str] = mapped_column(sa.String(50))
"""

SEM_APELIDO = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
"""

PEOPLE = {"pessoas": [{"nome": "Alice", "apelido": "Lila"}, {"nome": "Bob", "apelido": "Bobo"}]}
DROPPED = {"name": "menos", "disable": ["pessoas"], "enable": ["menos"], "drop": ["pessoas.apelido"]}


def without_nickname(folder: Path, **more: object) -> tuple[Plan, tuple[Step, ...]]:
    """A history whose second stage drops a NOT NULL column."""
    stages: list[dict[str, Any]] = [{"name": "pessoas", "enable": ["pessoas"], "rows": PEOPLE}, {**DROPPED, **more}]
    plan = write(folder / "pessoas", {"pessoas": PESSOAS, "menos": SEM_APELIDO}, stages, servers=tuple(SERVERS)).plan()
    return plan, steps(plan)


def test_a_downgrade_that_its_rows_stop_is_proved_without_rows(tmp_path: Path, release: str) -> None:
    plan, made = without_nickname(tmp_path)
    assert "op.require_no_rows" in made[1].revision.text
    assert proved(plan, made, release) == ["pessoas", "menos"]


def test_a_downgrade_that_its_rows_stop_is_not_believed(tmp_path: Path) -> None:
    plan, made = without_nickname(tmp_path)
    lie = Lie(
        "", "menos", "downgrade", '"apelido", sa.String(length=50)', '"apelido", sa.String(length=49)', "", "", ""
    )
    with pytest.raises(NotProved) as caught:
        proved(plan, made, "sqlite://", lie)
    assert caught.value.details["differences"] == [
        {
            "stage": "menos",
            "direction": "down, without rows",
            "table": "pessoas",
            "what": "column apelido: type",
            "expected": "VARCHAR(50)",
            "found": "VARCHAR(49)",
        }
    ]


def test_a_downgrade_that_fills_what_it_brings_back_keeps_its_rows(tmp_path: Path, release: str) -> None:
    plan, made = without_nickname(tmp_path, fill={"pessoas.apelido": "lower(nome)"})
    assert "op.require_no_rows" not in made[1].revision.text
    assert proved(plan, made, release) == ["pessoas", "menos"]


def test_a_stage_that_cannot_be_undone_is_proved(tmp_path: Path, release: str) -> None:
    plan, made = without_nickname(tmp_path, downgrade=False)
    assert "op.irreversible(" in made[1].revision.text
    assert proved(plan, made, release) == ["pessoas", "menos"]


def test_a_stage_that_cannot_be_undone_is_not_believed_on_its_way_up(tmp_path: Path) -> None:
    plan, made = without_nickname(tmp_path, downgrade=False)
    lie = Lie("", "menos", "upgrade", 'op.drop_column("pessoas", "apelido")', "pass", "", "", "")
    with pytest.raises(NotProved, match="Stage menos is not proved: up, sqlite does not match its models"):
        proved(plan, made, "sqlite://", lie)


def with_data(folder: Path, sql: str) -> list[str]:
    """Prove two stages of which the second has SQL, and a revision that loses the rows of another table besides."""
    notas = """
    class Nota(Base):
        __tablename__ = "notas"
        id: Mapped[int] = mapped_column(primary_key=True)
    """
    stages = [
        {"name": "pessoas", "enable": ["pessoas", "notas"], "rows": {**PEOPLE, "notas": [{"id": 1}]}},
        {"name": "dados", "data": {"upgrade": sql}},
    ]
    plan = write(folder / "p", {"pessoas": PESSOAS, "notas": notas}, stages, servers=tuple(SERVERS)).plan()
    lie = Lie(
        "", "dados", "upgrade", "    op.run_sql(", '    op.run_sql("DELETE FROM notas")\n    op.run_sql(', "", "", ""
    )
    return proved(plan, steps(plan), "sqlite://", lie)


def test_of_a_stage_with_sql_the_rows_of_all_other_tables_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(NotProved) as caught:
        with_data(tmp_path, "UPDATE pessoas SET nome = upper(nome)")
    assert [(each["table"], each["what"]) for each in caught.value.details["differences"]] == [("notas", "rows")]


def test_rows_that_a_stage_says_it_changes_are_its_own_business(tmp_path: Path) -> None:
    assert with_data(tmp_path, "DELETE FROM Notas WHERE id = 7") == ["pessoas", "dados"]


def test_what_is_not_proved_is_told_as_a_short_table(tmp_path: Path) -> None:
    plan, made = without_nickname(tmp_path)
    lie = Lie("", "pessoas", "upgrade", "length=50", "length=49", "", "", "")
    with pytest.raises(NotProved) as caught:
        proved(plan, made, "sqlite://", lie)
    assert str(caught.value) == (
        "Stage pessoas is not proved: up, sqlite does not match its models.\n"
        "  stage    direction  table    what               expected     found\n"
        "  pessoas  up         pessoas  column nome: type  VARCHAR(50)  VARCHAR(49)\n\n"
        "Nothing was written; only scratch databases were changed."
    )
    assert caught.value.code == 9
