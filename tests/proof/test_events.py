"""What events and libraries make beside tables: in the models' order, each once, and nobody's rows are lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import sqlstrata
from sqlstrata.databases import database
from sqlstrata.errors import Refused, WrongUse
from sqlstrata.revisions.generate import history
from sqlstrata.scratch.bracket import scratch
from tests.projects import Project, write
from tests.servers import answering

ITEM = """
    from sqlalchemy import DDL, event
    class Item(Base):
        __tablename__ = "itens"
        id: Mapped[int] = mapped_column(primary_key=True)
        nome: Mapped[str] = mapped_column(sa.String({length}))
"""
PARTED = """
    from sqlalchemy import DDL, event
    class Evento(Base):
        __tablename__ = "eventos"
        id: Mapped[int] = mapped_column(primary_key=True)
        tipo: Mapped[str] = mapped_column(sa.String({length}))
        __table_args__ = {{"postgresql_partition_by": "RANGE (id)"}}
    event.listen(Evento.__table__, "after_create",
        DDL("CREATE TABLE eventos_um PARTITION OF eventos FOR VALUES FROM (0) TO (100)"))
    event.listen(Evento.__table__, "before_drop", DDL("DROP TABLE IF EXISTS eventos_um"))
"""


def domain(check: str) -> str:
    return f"""
    from sqlalchemy import DDL, event
    from sqlalchemy.dialects import postgresql
    event.listen(Base.metadata, "before_create", DDL("CREATE DOMAIN positivo AS integer CHECK (VALUE {check})"))
    event.listen(Base.metadata, "after_drop", DDL("DROP DOMAIN positivo"))
    class Item(Base):
        __tablename__ = "itens"
        id: Mapped[int] = mapped_column(primary_key=True)
        n: Mapped[int] = mapped_column(postgresql.DOMAIN("positivo", sa.Integer, check="VALUE {check}", create_type=False))
"""


def listening(*events: tuple[str, str], length: int = 10) -> str:
    lines = [f'    event.listen(Base.metadata, "{when}", DDL("{text}"))' for when, text in events]
    return ITEM.format(length=length) + "\n".join(lines)


def view(limit: int, *, materialized: bool = False) -> str:
    select = f"sa.select(Item.id, Item.nome).where(Item.id < {limit})"
    made = (
        f'create_materialized_view("poucos", {select}, Base.metadata, indexes=[sa.Index("ix_poucos", "id", unique=True)])'
        if materialized
        else f'create_view("poucos", {select}, Base.metadata)'
    )
    return f"{ITEM.format(length=limit)}\n    from sqlalchemy_utils import create_view, create_materialized_view\n    POUCOS = {made}"


def enum_of_the_metadata(*labels: str, spare: bool) -> str:
    more = '\n    sobra = ENUM("x", "y", name="sobra", metadata=Base.metadata)' if spare else ""
    return f"""
    from sqlalchemy import DDL, event
    from sqlalchemy.dialects.postgresql import ENUM
    humor = ENUM({", ".join(map(repr, labels))}, name="humor", metadata=Base.metadata)
    nivel = ENUM("a", "b", name="nivel", create_type=False)
    event.listen(Base.metadata, "before_create", DDL("CREATE TYPE nivel AS ENUM ('a', 'b')"))
    event.listen(Base.metadata, "after_drop", DDL("DROP TYPE nivel")){more}
    class Item(Base):
        __tablename__ = "itens"
        id: Mapped[int] = mapped_column(primary_key=True)
        h = mapped_column(humor, nullable=False, server_default={labels[-1]!r})
        n = mapped_column(nivel)
"""


TYPE = ("after_create", "CREATE TYPE estado AS (palavra text, n int)")
FUNCTION = ("after_create", "CREATE FUNCTION contado(e estado) RETURNS int LANGUAGE sql AS 'SELECT (e).n'")
DROPS = (("before_drop", "DROP FUNCTION contado(estado)"), ("before_drop", "DROP TYPE estado"))
TRIGRAMS = ("before_create", "CREATE EXTENSION IF NOT EXISTS pg_trgm")
INDEX = ("after_create", "CREATE INDEX ix_nome ON itens USING gin (nome gin_trgm_ops)")
ROWS = {"itens": [{"id": 1, "nome": "um"}, {"id": 2, "nome": "dois"}]}

CASES: dict[str, tuple[str, str, str, dict[str, Any], tuple[str, ...]]] = {
    "a composite type and a function of it come": (
        "postgresql", ITEM.format(length=10), listening(TYPE, FUNCTION, *DROPS), {},
        ("+ type estado", "+ function contado"),
    ),
    "an extension comes before the tables, and an index after them, each once": (
        "postgresql", ITEM.format(length=10), listening(TRIGRAMS, INDEX, ("before_drop", "DROP INDEX ix_nome")), {},
        ("+ extension pg_trgm", "+ index ix_nome"),
    ),
    "a domain changes under a column that has it": (
        "postgresql", domain("> 0"), domain(">= 0"), {"itens": [{"n": 1}, {"n": 2}]}, ("~ domain positivo",),
    ),
    "a partition stays when its table changes": (
        "postgresql", PARTED.format(length=10), PARTED.format(length=30), {"eventos": [{"id": 5, "tipo": "a"}]},
        ("eventos: tipo VARCHAR(10) → VARCHAR(30)",),
    ),
    "a view of SQLAlchemy-Utils over mapped classes": (
        "sqlite", view(10), view(20), ROWS, ("~ view poucos", "itens: nome VARCHAR(10) → VARCHAR(20)"),
    ),
    "a materialized view of SQLAlchemy-Utils, with its index": (
        "postgresql", view(10, materialized=True), view(20, materialized=True), ROWS,
        ("~ materialized view poucos", "itens: nome VARCHAR(10) → VARCHAR(20)"),
    ),
    "enum types of the metadata, and one that an event makes": (
        "postgresql", enum_of_the_metadata("mau", "bom", spare=False), enum_of_the_metadata("mau", "bom", "bem", spare=True),
        {"itens": [{"h": "mau", "n": "a"}]}, ("itens: h mau, bom → mau, bom, bem, default",),
    ),
}  # fmt: skip


def project(tmp_path: Path, kind: str, before: str, after: str, rows: dict[str, Any]) -> Project:
    url = "sqlite:///dev.db" if kind == "sqlite" else answering(kind)
    stages = [
        {"name": "antes", "enable": ["antes"], "rows": rows},
        {"name": "depois", "disable": ["antes"], "enable": ["depois"]},
    ]
    prove_on = ["sqlite://" if kind == "sqlite" else url]
    return write(tmp_path / "p", {"antes": before, "depois": after}, stages, url=url, prove_on=prove_on)


@pytest.mark.parametrize("case", CASES)
def test_it_is_proved(case: str, tmp_path: Path) -> None:
    kind, before, after, rows, changes = CASES[case]
    made = sqlstrata.rebuild(project(tmp_path, kind, before, after, rows).plan(), apply_it=False)
    assert made.revisions[1].changes == changes


def test_rows_of_a_partition_are_there_after_the_way_up_and_down(tmp_path: Path) -> None:
    made = project(tmp_path, "postgresql", PARTED.format(length=10), PARTED.format(length=30), {})
    sqlstrata.rebuild(made.plan(), apply_it=False)
    with scratch(answering("postgresql")) as empty:
        url = empty.url.render_as_string(hide_password=False)
        sqlstrata.up(made.plan(), to="antes", url=url)
        with database.connect(empty.engine) as connection:
            connection.execute(sa.text("INSERT INTO eventos VALUES (7, 'meu')"))
            connection.commit()
        for way in (sqlstrata.up, sqlstrata.down):
            way(made.plan(), url=url)
            with database.connect(empty.engine) as connection:
                assert list(connection.execute(sa.text("SELECT * FROM eventos_um"))) == [(7, "meu")]


def test_a_partition_goes_only_where_the_stage_drops_it(tmp_path: Path) -> None:
    without = PARTED.format(length=10).split("event.listen")[0].rstrip()
    made = project(tmp_path, "postgresql", PARTED.format(length=10), without, {})
    with pytest.raises(
        Refused, match="table eventos_um, which an event of the models creates, is dropped, with its rows"
    ):
        history(made.plan())
    stages = [{"name": "antes", "enable": ["antes"]}]
    made.configure(
        stages=[*stages, {"name": "depois", "disable": ["antes"], "enable": ["depois"], "drop": ["eventos_um"]}]
    )
    assert "DROP TABLE IF EXISTS eventos_um" in history(made.plan())[1].text


@pytest.mark.parametrize("statement", ["INSERT INTO itens VALUES (1, 'x')", "delete from itens", "TRUNCATE itens"])
def test_an_event_that_changes_rows_is_refused(statement: str, tmp_path: Path) -> None:
    model = listening(("after_create", statement))
    with pytest.raises(
        WrongUse, match="An event of the models changes rows on SQLite: .*write it as the stage's `data`"
    ):
        history(project(tmp_path, "sqlite", model, model, {}).plan())
