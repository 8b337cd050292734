"""Generated rows: what they hold, what only they can find, and what may stop because of them."""

from __future__ import annotations

import decimal
import enum
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

import sqlstrata
from sqlstrata.commands.staging import staged
from sqlstrata.plan import Plan
from sqlstrata.proof.candidates import candidates
from sqlstrata.proof.filling import ROWS, Filling
from sqlstrata.proof.mirror import Mirror
from sqlstrata.proof.prove import once, prove
from sqlstrata.proof.verdict import NotProved
from sqlstrata.revisions.generate import Step, steps
from sqlstrata.revisions.revision import Revision
from sqlstrata.scratch.bracket import scratch
from sqlstrata.servers import KINDS
from tests.projects import Project, write
from tests.servers import SERVERS, answering

# ---------------------------------------------------------------------------- what they hold


class Cor(enum.Enum):
    AZUL = 1
    ROSA = 2


class Picky(sa.TypeDecorator[str]):
    """A type that takes no value at all."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, _: sa.Dialect) -> str | None:
        if value is not None:
            raise ValueError(value)
        return value


def models() -> sa.MetaData:
    """Tables with every kind of key and rule."""
    made = sa.MetaData()

    def table(name: str, *elements: sa.schema.SchemaItem) -> None:
        sa.Table(name, made, sa.Column("id", sa.Integer, primary_key=True), *elements)

    table(
        "pessoas",
        sa.Column("nome", sa.String(30), nullable=False, unique=True),
        sa.Column("idade", sa.Integer, sa.CheckConstraint("idade >= 18 AND idade < 150"), nullable=False),
        sa.Column("email", sa.String(80), sa.CheckConstraint("email LIKE '%@%'"), nullable=False),
        sa.Column("desde", sa.Integer, nullable=False),
        sa.Column("ate", sa.Integer, nullable=False),
        sa.Column("chefe_id", sa.ForeignKey("pessoas.id")),
        sa.CheckConstraint("desde < ate"),
    )
    table(
        "valores",
        sa.Column("texto", sa.String(30)),
        sa.Column("numero", sa.Integer),
        sa.Column("preco", sa.Numeric(8, 2)),
        sa.Column("dobro", sa.Numeric(8, 2), sa.Computed("preco * 2", persisted=True)),
        sa.Column("dia", sa.Date),
        sa.Column("hora", sa.DateTime),
        sa.Column("cor", sa.Enum(Cor)),
        sa.Column("dados", sa.JSON),
        sa.Column("octetos", sa.LargeBinary),
        sa.Column("exigente", Picky(10)),
    )
    table("presa", sa.Column("de", sa.ForeignKey("presa.id"), nullable=False))
    table("ovo", sa.Column("galinha_id", sa.ForeignKey("galinha.id", use_alter=True, name="fk_ovo")))
    table("galinha", sa.Column("ovo_id", sa.ForeignKey("ovo.id"), nullable=False))
    sa.Table("locais", made, *(sa.Column(name, sa.String(5), primary_key=True) for name in ("pais", "cidade")))
    table(
        "viagens",
        *(sa.Column(name, sa.String(5)) for name in ("pais", "de", "para")),
        sa.ForeignKeyConstraint(["pais", "de"], ["locais.pais", "locais.cidade"]),
        sa.ForeignKeyConstraint(["pais", "para"], ["locais.pais", "locais.cidade"]),
    )
    sa.Table("visitas", made, *(sa.Column(name, sa.ForeignKey(f"{name}.id"), primary_key=True)
                                for name in ("pessoas", "viagens")))  # fmt: skip
    table("detalhes", sa.Column("pessoa_id", sa.ForeignKey("pessoas.id"), nullable=False, unique=True))
    return made


@contextmanager
def filled(kind: str, made: sa.MetaData) -> Iterator[tuple[sa.Connection, Filling]]:
    with scratch(answering(kind)) as empty, empty.engine.connect() as connection:
        made.create_all(connection)
        filling = Filling(connection, made.tables, lambda _: None)
        filling.fill(made.tables, ())
        connection.commit()
        yield connection, filling


@pytest.mark.parametrize("kind", SERVERS)
def test_every_table_is_filled_with_rows_that_keep_its_rules(kind: str) -> None:
    with filled(kind, models()) as (connection, filling):
        assert {key: number for key, number in filling.counts.items() if number < ROWS} == {}
        assert filling.reasons == {}
        if kind == "sqlite":  # the others have looked
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        pointing = connection.execute(sa.text("SELECT count(chefe_id), count(*) FROM pessoas")).one()
        assert 0 < pointing[0] < pointing[1]


@pytest.mark.parametrize("kind", SERVERS)
def test_the_borders_of_each_type_are_there(kind: str) -> None:
    made = models()
    with filled(kind, made) as (connection, _):
        table = made.tables["valores"].c

        def held(name: str) -> list[Any]:
            column: Any = table[name] if name != "preco" else sa.cast(table[name], sa.String(20))
            return list(connection.execute(sa.select(column)).scalars())

        texts = held("texto")
        assert {None, "", "x" * 30, "trailing  ", 'it\'s "q" `b`', "back\\slash \\n", "100% %s :x"} <= set(texts)
        assert any(max(text) > "\uffff" for text in texts if text)
        assert {None, 0, -1, 2**31 - 1, -(2**31)} <= set(held("numero"))
        assert decimal.Decimal("0.01") in {decimal.Decimal(each) for each in held("preco") if each is not None}
        assert {"0001-01-01" if kind != "mariadb" else "1000-01-01", "2024-02-29"} <= {str(day) for day in held("dia")}
        assert set(held("cor")) == {None, *Cor}
        assert [12345678901234567890] in held("dados")
        assert {None, b""} <= set(held("octetos"))
        assert set(held("exigente")) == {None}
        nulls = connection.execute(sa.select(sa.func.count()).where(table.dados.is_(sa.null()))).scalar()
        assert nulls, "SQL's NULL is there, and not only that of JSON"


def test_a_table_that_nothing_fits_is_left_out_with_the_reason() -> None:
    made = sa.MetaData()
    sa.Table("nada", made, sa.Column("id", sa.Integer, sa.CheckConstraint("id <> id"), primary_key=True))
    with filled("sqlite", made) as (_, filling):
        assert filling.counts == {"nada": 0}
        assert filling.reasons == {"nada": "CHECK constraint failed: id <> id"}


_PRINTED = """
from sqlstrata.snapshot import rows
from tests.proof.test_generated import *
made = models()
with filled(sys.argv[1], made) as (connection, _):
    print(repr(rows(connection, sorted(made.tables))))
"""


@pytest.mark.parametrize("kind", SERVERS)
def test_the_rows_are_the_same_in_every_run(kind: str) -> None:
    answering(kind)
    printed = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-c", _PRINTED, kind], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert printed[0].count("texto") >= ROWS


# -------------------------------------------------------------------- what only they can find

LOJA = """
class Produto(Base):
    __tablename__ = "produtos"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String({length}))
    sigla: Mapped[str | None] = mapped_column(sa.String(20))
"""
CODIGO = """
class Produto(Base):
    __tablename__ = "produtos"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
    sigla: Mapped[str | None] = mapped_column(sa.String(20))
    codigo: Mapped[int] = mapped_column(unique=True)
"""
MODULES = {
    "loja": LOJA.format(length=50),
    "longa": LOJA.format(length=80),
    "curta": LOJA.format(length=4),
    "codigo": CODIGO,
}


def project(folder: Path, after: str, **said: object) -> Project:
    """Two stages, and no rows in the plan."""
    stages = [
        {"name": "loja", "enable": ["loja"]},
        {"name": "depois", "disable": ["loja"], "enable": [after], **said},
    ]
    return write(folder / "p", MODULES, stages, servers=tuple(KINDS))


def proved(
    plan: Plan, kind: str, *, copies: bool = True, way: str = "upgrade", lie: tuple[str, str] | None = None
) -> None:
    """Prove with a lie in the second stage; without `copies`, without generated rows."""
    server = answering(kind)
    with Mirror(server, copies=copies) as mirror:
        made = steps(plan, mirror.show)
        revisions = tuple(planted(step, way, lie) if step is made[1] else step.revision for step in made)
        with staged(plan, revisions) as folder:
            prove(server, folder, made, lambda _: None, mirror)


def planted(step: Step, way: str, lie: tuple[str, str] | None) -> Revision:
    revision = step.revision
    if lie is None:
        return revision
    up, mark, down = revision.text.partition("def downgrade")
    halves = {"upgrade": up, "downgrade": down}
    assert lie[0] in halves[way], revision.text
    halves[way] = halves[way].replace(lie[0], lie[1], 1)
    return replace(revision, text=halves["upgrade"] + mark + halves["downgrade"])


_SQL = 'def {}() -> None:\n    op.run_sql("{}")\n'
LIES = {
    "text is cut off": "UPDATE produtos SET nome = substr(nome, 1, 20)",
    "trailing blanks are lost": "UPDATE produtos SET nome = rtrim(nome)",
    "NULL becomes empty": "UPDATE produtos SET sigla = '' WHERE sigla IS NULL",
    "a quote is lost": "UPDATE produtos SET nome = replace(nome, '''', '')",
}  # fmt: skip


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("way", ["upgrade", "downgrade"])
def test_a_lie_that_no_row_of_the_plan_shows_is_found(kind: str, lie: str, way: str, tmp_path: Path) -> None:
    plan = project(tmp_path, "longa").plan()
    text = (f"def {way}() -> None:\n", _SQL.format(way, LIES[lie]))
    if way == "downgrade":
        text = (text[0].removeprefix("def downgrade"), text[1].removeprefix("def downgrade"))
    proved(plan, kind, copies=False, way=way, lie=text)
    with pytest.raises(NotProved, match="with generated rows") as caught:
        proved(plan, kind, way=way, lie=text)
    found = caught.value.details["differences"]
    direction = {"upgrade": "up", "downgrade": "down"}[way]
    assert [(each["stage"], each["direction"], each["table"], each["what"]) for each in found] == [
        ("depois", f"{direction}, with generated rows", "produtos", "rows")
    ]


# --------------------------------------------------------------------- what they may stop


@pytest.mark.parametrize("kind", SERVERS)
def test_a_stage_that_stops_for_generated_values_is_proved_without_these(kind: str, tmp_path: Path) -> None:
    plan = project(tmp_path, "curta").plan()
    assert "op.require_convertible(" in sqlstrata.history(plan)[1].text
    proved(plan, kind)
    with pytest.raises(NotProved) as caught:  # and with those that fit
        proved(
            plan,
            kind,
            lie=("def upgrade() -> None:\n", _SQL.format("upgrade", "UPDATE produtos SET nome = 'a' WHERE nome = ''")),
        )
    assert "rows" in str(caught.value) or "match its models" in str(caught.value)


def test_a_stage_that_stops_must_have_changed_nothing(tmp_path: Path) -> None:
    """MariaDB takes nothing back once a statement has committed."""
    plan = project(tmp_path, "curta").plan()
    sql = ["UPDATE produtos SET sigla = 'x'", "ALTER TABLE produtos COMMENT = ''"]
    text = "def upgrade() -> None:\n"
    with pytest.raises(NotProved, match="up, with generated rows, refused"):
        proved(plan, "mariadb", lie=(text, text + "".join(f'    op.run_sql("{each}")\n' for each in sql)))


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_question_that_is_not_asked_is_missed(kind: str, tmp_path: Path) -> None:
    plan = project(tmp_path, "curta").plan()
    with pytest.raises(NotProved, match="with generated rows"):
        proved(plan, kind, lie=("op.require_convertible(", "(lambda *_: None)("))


@pytest.mark.parametrize("kind", SERVERS)
def test_sql_of_the_stage_that_cannot_convert_a_generated_value_is_no_failure(kind: str, tmp_path: Path) -> None:
    """The stage is proved with plain rows, or without any."""
    sql = {
        "sqlite": "UPDATE produtos SET sigla = json_extract(nome, '$.a')",
        "postgresql": "UPDATE produtos SET sigla = (nome::integer)::text",
        "mysql": "UPDATE produtos SET sigla = CAST(nome AS INTEGER)",
    }
    proved(project(tmp_path, "longa", data={"upgrade": sql}).plan(), kind)


# ------------------------------------------------------------------------------ the commands

NADA = """
class Nada(Base):
    __tablename__ = "nada"
    __table_args__ = (sa.CheckConstraint("n <> n", name="nunca"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
"""
MAIS = """
from modelos.nada import Nada

Nada.mais = mapped_column(sa.Integer, nullable=True)
"""
SENTENCE = (
    "Table nada takes no generated rows: CHECK constraint failed: ck_nada_nunca. "
    "It is proved with the `rows` of the plan alone."
)


def impossible(folder: Path) -> Plan:
    stages = [{"name": name, "enable": [name]} for name in ("nada", "mais")]
    return write(folder / "p", {"nada": NADA, "mais": MAIS}, stages, prove_on=["sqlite://", "sqlite://"]).plan()


def test_a_table_that_cannot_be_filled_is_reported_once(tmp_path: Path) -> None:
    heard: list[str] = []
    plan = impossible(tmp_path)
    sqlstrata.rebuild(plan, generated_rows=False, notify=lambda what, _: heard.append(what))
    assert SENTENCE not in heard
    sqlstrata.rebuild(plan, notify=lambda what, _: heard.append(what))
    assert heard.count(SENTENCE) == 1


def test_once_is_once_for_each_table() -> None:
    heard: list[str] = []
    note = once(heard.append)
    for table in ("a", "b", "a"):
        note(table, f"{table}!")
    assert heard == ["a!", "b!"]


class Unknown(sa.types.UserDefinedType[object]):
    """A type of which no value is known."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "UNKNOWN"


def test_a_column_of_which_only_null_is_known_is_null_in_plain_rows_as_well() -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("x", Unknown()))
    found = candidates(table, postgresql.dialect())
    assert [found.row(0, attempt, plainly=attempt > 0)["x"] for attempt in (0, 1)] == [None, None]
