"""A history is written for the servers that config.yaml names, and says nothing that only another would need."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

import sqlstrata
from sqlstrata.errors import Refused, SqlstrataError, WrongUse
from sqlstrata.revisions.generate import history
from tests.projects import Project, write

BEFORE = """
    import sqlalchemy.dialects.postgresql as pg
    import sqlalchemy.dialects.mysql as my
    class Pai(Base):
        __tablename__ = "pais"
        id: Mapped[int] = mapped_column(primary_key=True)
    class Item(Base):
        __tablename__ = "itens"
        id: Mapped[int] = mapped_column(primary_key=True)
        nome: Mapped[str | None] = mapped_column(sa.String(20))
        dados: Mapped[dict | None] = mapped_column(sa.JSON().with_variant(pg.JSONB(), "postgresql"))
        cor: Mapped[str | None] = mapped_column(sa.Enum("azul", "verde", name="cor"))
        pai_id: Mapped[int] = mapped_column(sa.ForeignKey("pais.id"))
        __table_args__ = (
            sa.Index("ix_nome", "nome", postgresql_where=sa.text("nome <> ''"), mysql_length=5),
            sa.CheckConstraint("nome <> 'x'", name="ck_nome").ddl_if(dialect="sqlite"),
            {"mysql_engine": "InnoDB", "sqlite_autoincrement": True},
        )
"""
AFTER = (
    BEFORE.replace("mapped_column(sa.String(20))", 'mapped_column(sa.String(40), comment="de todos")')
    .replace("pai_id: Mapped[int]", "pai_id: Mapped[int | None]")
    .replace("cor:", 'outro_id: Mapped[int | None] = mapped_column(sa.ForeignKey("pais.id"))\n        cor:')
)
URLS = {
    "sqlite": "sqlite:///dev.db",
    "postgresql": "postgresql+psycopg://nobody@127.0.0.1:1/x",
    "mariadb": "mariadb+pymysql://nobody@127.0.0.1:1/x",
}
STAGES = [{"name": "antes", "enable": ["antes"]}, {"name": "depois", "disable": ["antes"], "enable": ["depois"]}]


def project(tmp_path: Path, kind: str, before: str = BEFORE, after: str = AFTER) -> Project:
    return write(tmp_path / "p", {"antes": before, "depois": after}, STAGES, url=URLS[kind], prove_on=[URLS[kind]])


def texts(made: Project) -> list[str]:
    return [revision.text for revision in history(made.plan())]


def upgrade(text: str) -> str:
    return textwrap.dedent(text.split("def upgrade() -> None:\n")[1].split("\n\ndef downgrade", maxsplit=1)[0]).strip()


WORDS_OF_OTHERS = {
    "sqlite": ("postgresql", "mysql", "with_variant", "create_enum", "create_type", "foreign_key(", "ddl_if", "op.sql"),
    "postgresql": ("sqlite", "mysql", "with_variant", "ck_nome", "op.sql", "keeps_index"),
    "mariadb": ("sqlite", "postgresql", "with_variant", "create_enum", "create_type", "ck_nome", "op.sql"),
}


@pytest.mark.parametrize("kind", WORDS_OF_OTHERS)
def test_a_history_for_one_server_has_no_word_for_another(kind: str, tmp_path: Path) -> None:
    for text in texts(project(tmp_path, kind)):
        assert [word for word in WORDS_OF_OTHERS[kind] if word in text] == []


def test_several_servers_have_a_word_for_each(tmp_path: Path) -> None:
    made = project(tmp_path, "sqlite")
    made.configure(servers=["sqlite", "postgresql", "mariadb"])
    first, second = texts(made)
    for word in ("with_variant", "create_enum", ".ddl_if(", "postgresql_where", "mysql_length"):
        assert word in first
    assert "op.add_foreign_key" in second


def test_postgresql_gets_the_plain_operations(tmp_path: Path) -> None:
    made = project(tmp_path, "postgresql")
    assert upgrade(texts(made)[1]) == textwrap.dedent("""\
        op.add_column("itens", sa.Column("outro_id", sa.Integer(), nullable=True))
        op.alter_column(
            "itens",
            "nome",
            existing_type=sa.String(length=20),
            type_=sa.String(length=40),
            comment="de todos",
            existing_comment=None,
        )
        op.alter_column("itens", "pai_id", existing_type=sa.Integer(), nullable=True)
        op.add_foreign_key(
            "itens",
            sa.ForeignKeyConstraint(
                ["outro_id"],
                ["pais.id"],
                name="fk_itens_outro_id_pais",
            ),
        )""")


def test_no_server_that_nobody_uses_refuses_anything(tmp_path: Path) -> None:
    """MariaDB has no DOUBLE(53), and no VARCHAR without a length."""
    columns = "peso: Mapped[float] = mapped_column(sa.Double(53))\n        nota: Mapped[str]"
    model = BEFORE.replace("nome: Mapped[str | None]", f"{columns}\n        nome: Mapped[str | None]")
    made = project(tmp_path, "postgresql", model, model)
    assert "sa.Double(precision=53)" in texts(made)[0]
    made.configure(servers=["postgresql", "mariadb"])
    with pytest.raises(
        SqlstrataError, match=r"table itens cannot be created on MariaDB: .*remove mariadb from `servers`"
    ):
        texts(made)


def test_changes_are_in_the_words_of_the_server(tmp_path: Path) -> None:
    after = BEFORE.replace('sa.JSON().with_variant(pg.JSONB(), "postgresql")', "sa.LargeBinary")
    stage = {"name": "depois", "disable": ["antes"], "enable": ["depois"]}
    made = project(tmp_path, "postgresql", BEFORE, after)
    hints = {"cast": {"itens.dados": {"up": "dados::text::bytea", "down": "convert_from(dados, 'UTF8')::jsonb"}}}
    made.configure(stages=[STAGES[0], {**stage, **hints}])
    assert history(made.plan())[1].changes == ("itens: dados JSONB → BYTEA",)


def test_the_sql_of_a_stage_is_for_the_servers_of_the_plan(tmp_path: Path) -> None:
    data = {"upgrade": {"postgresql": "SELECT 1", "default": "SELECT 2"}}
    made = project(tmp_path, "postgresql")
    made.configure(stages=[STAGES[0], {**STAGES[1], "data": data, "downgrade": False}])
    assert 'op.run_sql("SELECT 1")' in texts(made)[1]


WRONG = [
    (["mysql"], r"config.yaml:\d+:\d+: `mysql` is not a kind of server. Write `mariadb`."),
    (["postgres"], r"`postgres` is not a kind of server. The nearest kind of server is `postgresql`."),
    ([], r"`servers` is empty. Name the kinds of servers"),
    (["mariadb"], r"`url` is for PostgreSQL, which `servers` does not name. Write `servers: \[postgresql, mariadb\]`."),
]


@pytest.mark.parametrize(("servers", "message"), WRONG)
def test_what_servers_cannot_say_is_an_error_with_its_place(servers: list[str], message: str, tmp_path: Path) -> None:
    made = project(tmp_path, "postgresql")
    made.configure(servers=servers)
    with pytest.raises(SqlstrataError, match=message):
        made.plan()


def test_without_the_key_the_servers_are_those_of_the_urls(tmp_path: Path) -> None:
    made = project(tmp_path, "postgresql")
    assert made.plan().servers == ("postgresql",)
    made.configure(prove_on=["sqlite://", URLS["postgresql"]])
    assert made.plan().servers == ("sqlite", "postgresql")


def test_without_prove_on_the_server_of_the_database_proves(tmp_path: Path) -> None:
    made = project(tmp_path, "postgresql")
    said = made.config.read_text(encoding="utf-8").replace(f"prove_on:\n- {URLS['postgresql']}\n", "")
    made.config.write_text(said, encoding="utf-8")
    assert made.plan().prove_on == (URLS["postgresql"],)
    made.configure(database={"url": "sqlite:///dev.db"})
    assert made.plan().prove_on == ("sqlite://",)


COMMANDS = {
    "sql": lambda plan: sqlstrata.sql(plan, dialect="postgresql"),
    "up": lambda plan: sqlstrata.up(plan, url=URLS["postgresql"]),
    "down": lambda plan: sqlstrata.down(plan, url=URLS["postgresql"]),
    "adopt": lambda plan: sqlstrata.adopt(plan, url=URLS["postgresql"]),
    "verify": lambda plan: sqlstrata.verify(plan, [URLS["postgresql"]]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_on_another_kind_of_server_a_command_names_the_line_to_add(command: str, tmp_path: Path) -> None:
    made = project(tmp_path, "sqlite")
    sqlstrata.rebuild(made.plan(), apply_it=False)
    line = r"This history is not written for PostgreSQL: .* Write `servers: \[sqlite, postgresql\]` in config.yaml"
    with pytest.raises(WrongUse, match=line):
        COMMANDS[command](made.plan())


OFFERS = {
    "n: Mapped[int] = mapped_column(default=7)": "7",
    'n: Mapped[str] = mapped_column(sa.String(9), default="d\'oro")': "'d''oro'",
    "n: Mapped[bool] = mapped_column(default=False)": "false",
    "n: Mapped[str] = mapped_column(sa.Enum('a', 'b', name='ab'), default='b')": "'b'",
    "n: Mapped[int] = mapped_column(default=lambda: 3)": "0",
}


@pytest.mark.parametrize("column", OFFERS)
def test_the_value_that_python_puts_into_new_rows_is_offered(column: str, tmp_path: Path) -> None:
    made = project(tmp_path, "postgresql", BEFORE, BEFORE.replace("nome: Mapped", f"{column}\n        nome: Mapped"))
    with pytest.raises(Refused) as error:
        texts(made)
    assert [need["value"] for need in error.value.details["needs"]] == [OFFERS[column]]


def test_postgresql_drops_what_is_computed_before_what_it_reads(tmp_path: Path) -> None:
    columns = (
        'zero: Mapped[int | None]\n        um: Mapped[int] = mapped_column(sa.Computed("zero + 1", persisted=True))'
    )
    before = BEFORE.replace("nome: Mapped", f"{columns}\n        nome: Mapped")
    made = project(tmp_path, "postgresql", before, BEFORE)
    made.configure(stages=[STAGES[0], {**STAGES[1], "drop": ["itens.zero"]}])
    assert upgrade(texts(made)[1]) == 'op.drop_column("itens", "um")\nop.drop_column("itens", "zero")'


def test_the_columns_that_a_constraint_included_are_known_when_it_goes(tmp_path: Path) -> None:
    before = BEFORE.replace(
        'sa.CheckConstraint("nome', 'sa.UniqueConstraint("cor"),\n            sa.CheckConstraint("nome'
    )
    after = before.replace('UniqueConstraint("cor")', 'UniqueConstraint("cor", postgresql_include=["nome"])')
    text = texts(project(tmp_path, "postgresql", before, after))[1].partition("def downgrade")[2]
    assert 'sa.Column("nome"' in text
