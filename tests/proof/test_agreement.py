"""Two servers must make the same values of the same row; what their types make by themselves is no difference."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import sqlstrata
from sqlstrata.databases import addresses
from sqlstrata.proof.agreement import require_agreement
from sqlstrata.proof.likeness import likeness
from sqlstrata.proof.verdict import NotProved
from tests.projects import write
from tests.servers import answering

ANTES = """
class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(30))
    n: Mapped[int]
    preco: Mapped[object] = mapped_column(sa.Numeric(8, 2))
"""
DEPOIS = (
    ANTES
    + """
    letras: Mapped[int]
    agora: Mapped[object] = mapped_column(sa.DateTime)
    texto: Mapped[str] = mapped_column(sa.String(60))
"""
)
KEYLESS = """
sa.Table(
    "item",
    Base.metadata,
    sa.Column("nome", sa.String(30), nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    *MORE,
)
"""
COLUMN = '[sa.Column("letras", sa.Integer, nullable=False)]'
SAME = {
    "item.letras": {"mysql": "char_length(nome)", "default": "length(nome)"},
    "item.agora": "CURRENT_TIMESTAMP",
    "item.texto": {"mysql": "concat(nome, n)", "default": "nome || n"},
}
OTHER = {**SAME, "item.letras": "length(nome)"}


def plan(folder: Path, fill: dict[str, Any], models: tuple[str, str] = (ANTES, DEPOIS), **said: Any) -> sqlstrata.Plan:
    stages = [
        {"name": "antes", "enable": ["antes"]},
        {"name": "depois", "disable": ["antes"], "enable": ["depois"], "fill": fill, **said},
    ]
    servers = [answering(kind) for kind in ("sqlite", "mariadb")]
    return write(folder / "p", dict(zip(("antes", "depois"), models, strict=True)), stages, prove_on=servers).plan()


def test_sql_that_means_something_else_on_another_server_is_found(tmp_path: Path) -> None:
    """MariaDB's length counts bytes."""
    with pytest.raises(NotProved) as caught:
        sqlstrata.rebuild(plan(tmp_path, OTHER), apply_it=False)
    there = addresses.address(sa.make_url(answering("mariadb")))
    assert caught.value.message.startswith(
        f"Stage depois is not proved: up, with generated rows, SQLite in memory and {there} "
        "make different values of the same row.\n"
    )
    (found,) = caught.value.details["differences"]
    assert found["table"] == "item"
    assert found["what"].startswith("column letras where ")
    assert found["expected"].endswith(" on SQLite in memory")


def test_rows_without_a_key_are_found_again_by_what_stays(tmp_path: Path) -> None:
    models = KEYLESS.replace("*MORE,", ""), KEYLESS.replace("MORE", COLUMN)
    with pytest.raises(NotProved) as caught:
        sqlstrata.rebuild(plan(tmp_path, {"item.letras": OTHER["item.letras"]}, models), apply_it=False)
    assert caught.value.details["differences"][0]["what"].startswith("column letras where ")


def test_what_means_the_same_is_proved(tmp_path: Path) -> None:
    sqlstrata.rebuild(plan(tmp_path, SAME, data={"upgrade": "UPDATE item SET n = letras"}), apply_it=False)


def test_verify_compares_its_servers(tmp_path: Path) -> None:
    made = plan(tmp_path, OTHER)
    sqlstrata.rebuild(made, apply_it=False, proof=False)
    with pytest.raises(sqlstrata.SqlstrataError, match="make different values of the same row"):
        sqlstrata.verify(made)


def test_what_depends_on_chance_is_not_compared() -> None:
    row = {"nome": "'a'"}
    chance = {"s": {"up": {"t": [(row, {"x": "1"}), (row, {"x": "2"})]}}}
    other = {"s": {"up": {"t": [(row, {"x": "3"})]}}}
    require_agreement({"one": chance, "other": other})
    require_agreement({"one": other, "other": chance})
    with pytest.raises(NotProved):
        require_agreement({"one": other, "other": {"s": {"up": {"t": [(row, {"x": "4"})]}}}})


ALIKE: list[tuple[object, object]] = [
    (True, 1),
    (decimal.Decimal("1.50"), 1.5),
    (0.1 + 0.2, 0.3),
    (1e-30, decimal.Decimal("1e-30")),
    ("10.00", "10.0"),
    ("trailing  ", "trailing"),
    ("SÇ", "Sç"),
    ('{"a": 1, "b": [2]}', '{"b":[2.0],"a":1}'),
    ({"a": None}, {"a": None}),
    (dt.datetime(2024, 1, 1, 10, 0, 0, 999999), dt.datetime(2024, 1, 1, 10)),  # noqa: DTZ001
    (dt.datetime(2024, 1, 1, 10, tzinfo=dt.timezone(dt.timedelta(hours=3))), dt.datetime(2024, 1, 1, 7)),  # noqa: DTZ001
    (dt.datetime.now(dt.UTC), dt.datetime.now(dt.UTC) - dt.timedelta(hours=3)),
    ("2024-01-01 00:00:00", dt.date(2024, 1, 1)),
    (b"ab", b"ab\0\0"),
    (dt.timedelta(hours=1, microseconds=1), dt.timedelta(hours=1)),
]
UNLIKE: list[tuple[object, object]] = [
    (None, ""),
    (None, "NULL"),
    (0, None),
    ("a", "A"),
    (" a", "a"),
    (decimal.Decimal("1.50"), decimal.Decimal("1.51")),
    (2**63 - 1, 2**63 - 2),
    ("x" * 3000, "x" * 2999),
    (dt.date(2024, 2, 28), dt.date(2024, 2, 29)),
    (b"a", b"b"),
    ({"a": 1}, {"a": 2}),
    (uuid.UUID(int=1), uuid.UUID(int=2)),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_types_make_by_themselves_is_alike(one: object, other: object) -> None:
    assert likeness(one) == likeness(other)


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_other_values_are_not(one: object, other: object) -> None:
    assert likeness(one) != likeness(other)
