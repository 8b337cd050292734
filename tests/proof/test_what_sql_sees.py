"""What the SQL of a stage sees: each `fill` and `cast` the row as it was, `data` what is filled and what still goes.

Every pair of changes on one table, and on two, on each server; the values are worked out here, from dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import sqlstrata
from sqlstrata.databases import database
from sqlstrata.errors import SqlstrataError
from sqlstrata.scratch.bracket import scratch
from tests.projects import write
from tests.servers import SERVERS, answering

Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One kind of change to a table: its columns before and after, what the stage says, and the values."""

    before: str = ""
    after: str = ""
    constraints: str = ""
    stage: dict[str, Any] = field(default_factory=dict)
    value: Callable[[Row], Row] = lambda _: {}
    """The columns that the part gives a row, from the row as it was."""
    gone: tuple[str, ...] = ()


def both(text: str) -> dict[str, str]:
    """Text that joins with ||, which MariaDB writes as a function."""
    return {"default": " || ".join(text.split(" + ")), "mysql": f"concat({', '.join(text.split(' + '))})"}


def characters(text: str) -> dict[str, str]:
    """Text with lengths: MariaDB's are of bytes."""
    return {"default": text, "mysql": text.replace("length", "char_length")}


COLUMNS = """
    nome: Mapped[str] = mapped_column(sa.String(40))
    idade: Mapped[str] = mapped_column(sa.String(40))
    velho: Mapped[str] = mapped_column(sa.String(40))
    talvez: Mapped[str | None] = mapped_column(sa.String(40))
    n: Mapped[int]
"""
PARTS: dict[str, Part] = {
    "fill": Part(
        after="sigla: Mapped[str] = mapped_column(sa.String(200))",
        stage={"fill": {"{t}.sigla": both("nome + '/' + idade + '/' + velho + '/' + coalesce(talvez, '-')")}},
        value=lambda row: {"sigla": f"{row['nome']}/{row['idade']}/{row['velho']}/{row['talvez'] or '-'}"},
    ),
    "cast": Part(
        before="idade: Mapped[str] = mapped_column(sa.String(40))",
        after="idade: Mapped[int]",
        stage={
            "cast": {
                "{t}.idade": {
                    "up": characters("length(idade) + length(nome)"),
                    "down": {"default": "CAST(idade AS VARCHAR(40))", "mysql": "CAST(idade AS CHAR)"},
                }
            }
        },
        value=lambda row: {"idade": len(row["idade"]) + len(row["nome"])},
    ),
    "data": Part(
        after="nota: Mapped[str | None] = mapped_column(sa.String(200))",
        stage={"data": {"upgrade": "UPDATE {t} SET nota = velho"}},
        value=lambda row: {"nota": row["velho"]},
    ),
    "rename": Part(
        before="nome: Mapped[str] = mapped_column(sa.String(40))",
        after="nome_completo: Mapped[str] = mapped_column(sa.String(40))",
        stage={"rename": {"{t}.nome": "nome_completo"}},
        value=lambda row: {"nome_completo": row["nome"]},
        gone=("nome",),
    ),
    "drop": Part(
        before="velho: Mapped[str] = mapped_column(sa.String(40))",
        stage={"drop": ["{t}.velho"], "fill": {"{t}.velho": "'voltou'"}},
        gone=("velho",),
    ),
    "new key": Part(
        after="chave: Mapped[int]",
        constraints='sa.UniqueConstraint("chave")',
        stage={"fill": {"{t}.chave": characters("id + length(idade) * 100")}},
        value=lambda row: {"chave": row["id"] + len(row["idade"]) * 100},
    ),
    "new foreign key": Part(
        after='par_id: Mapped[int] = mapped_column(sa.ForeignKey("pares.id"))',
        stage={"fill": {"{t}.par_id": "(SELECT max(id) FROM pares WHERE length(idade) > 0)"}},
        value=lambda row: {"par_id": 2},
    ),
    "NOT NULL": Part(
        before="talvez: Mapped[str | None] = mapped_column(sa.String(40))",
        after="talvez: Mapped[str] = mapped_column(sa.String(40))",
        stage={"fill": {"{t}.talvez": "nome"}},
        value=lambda row: {"talvez": row["talvez"] or row["nome"]},
    ),
    "generated": Part(
        before="n: Mapped[int]",
        after='n: Mapped[int] = mapped_column(sa.BigInteger)\n    dobro: Mapped[int] = mapped_column(sa.Computed("n * 2", persisted=True))',
        value=lambda row: {"n": row["n"], "dobro": row["n"] * 2},
    ),
}
ROWS = [
    {"id": 1, "nome": "Ana", "idade": "trinta", "velho": "v1", "talvez": None, "n": 3},
    {"id": 2, "nome": "Bruno", "idade": "dez", "velho": "v22", "talvez": "sim", "n": 4},
    {"id": 3, "nome": "Zé", "idade": "um", "velho": "v333", "talvez": None, "n": 5},
]
Tables = dict[str, list[Part]]


def model(tables: Tables, *, after: bool) -> str:
    """The module of all tables, and of the one that a new key refers to."""
    lines = ["class Par(Base):", '    __tablename__ = "pares"', "    id: Mapped[int] = mapped_column(primary_key=True)"]
    for table, parts in tables.items():
        columns, constraints = COLUMNS, []
        for part in parts if after else ():
            columns = columns.replace(part.before, part.after) if part.before else f"{columns}    {part.after}\n"
            constraints += [part.constraints] if part.constraints else []
        lines += [f"class {table.title()}(Base):", f'    __tablename__ = "{table}"']
        lines += ["    id: Mapped[int] = mapped_column(primary_key=True)", columns.strip("\n")]
        lines += [f"    __table_args__ = ({', '.join(constraints)},)"] if constraints else []
    return "\n".join(lines)


def stage(tables: Tables) -> dict[str, Any]:
    """What the stage says of all tables."""
    said: dict[str, Any] = {"name": "depois", "disable": ["antes"], "enable": ["depois"], "drop": [], "data": []}
    for table, parts in tables.items():
        for part in parts:
            for key, value in named(part.stage, table).items():
                if key == "data":
                    said["data"].append(value["upgrade"])
                elif isinstance(value, list):
                    said[key] += value
                else:
                    said[key] = {**said.get(key, {}), **value}
    return {**said, "data": {"upgrade": said["data"]}}


def named(value: Any, table: str) -> Any:
    """The same with the table's name in it."""
    if isinstance(value, dict):
        return {named(key, table): named(each, table) for key, each in value.items()}
    if isinstance(value, list):
        return [named(each, table) for each in value]
    return value.replace("{t}", table)


def expected(parts: list[Part], row: Row) -> Row:
    """The row after the stage, from the row before it."""
    made = dict(row)
    for part in parts:
        made |= part.value(row)
        made = {name: value for name, value in made.items() if name not in part.gone}
    return made


def reading(other: str) -> Part:
    """A column that is filled from another table, whatever happens to that."""
    names = ("nome", "idade", "velho", "talvez")
    text = " + '/' + ".join(f"coalesce((SELECT min({name}) FROM {other}), '-')" for name in names)
    fill = PARTS["fill"]
    return replace(fill, stage={"fill": {"{t}.sigla": both(text)}}, value=lambda _: {"sigla": "Ana/dez/v1/sim"})


def all_tables() -> Tables:
    """One table for each pair of changes, one with all, and two for each change of a table that another one reads."""
    tables = {f"par_{number}": [PARTS[one], PARTS[other]] for number, (one, other) in enumerate(combinations(PARTS, 2))}
    tables["todos"] = list(PARTS.values())
    for number, part in enumerate(PARTS.values()):
        tables |= {f"le_{number}": [reading(f"lido_{number}")], f"lido_{number}": [part]}
    return tables


def found(connection: sa.Connection, table: str) -> list[Row]:
    reflected = sa.Table(table, sa.MetaData(), autoload_with=connection)
    return [dict(row) for row in connection.execute(sa.select(reflected).order_by("id")).mappings()]


@pytest.mark.parametrize("kind", SERVERS)
def test_every_pair_of_changes_gives_the_values_that_are_computed_by_hand(kind: str, tmp_path: Path) -> None:
    """The whole is proved, too, so rows come through the way down, and up again."""
    tables, server = all_tables(), answering(kind)
    rows = {"pares": [{"id": 1}, {"id": 2}], **dict.fromkeys(tables, ROWS)}
    stages = [{"name": "antes", "enable": ["antes"], "rows": rows}, stage(tables)]
    modules = {"antes": model(tables, after=False), "depois": model(tables, after=True)}
    made = write(tmp_path / "p", modules, stages, servers=tuple(SERVERS), prove_on=[server])
    sqlstrata.rebuild(made.plan(), apply_it=False)
    with scratch(server) as empty:
        url = empty.url.render_as_string(hide_password=False)
        sqlstrata.up(made.plan(), to="antes", url=url)
        with database.connect(empty.engine) as connection:
            for table, given in rows.items():
                connection.execute(sa.Table(table, sa.MetaData(), autoload_with=connection).insert(), given)
            connection.commit()
        sqlstrata.up(made.plan(), url=url)
        with database.connect(empty.engine) as connection:
            values = {table: found(connection, table) for table in tables}
    assert values == {table: [expected(parts, row) for row in ROWS] for table, parts in tables.items()}


def test_bytes_that_do_not_fit_are_counted_on_mariadb(tmp_path: Path) -> None:
    """The question about them is SQL, and bytes have a form of their own there."""
    models = [
        f'class Item(Base):\n    __tablename__ = "item"\n    id: Mapped[int] = mapped_column(primary_key=True)\n'
        f"    mais = mapped_column(sa.LargeBinary({length}))\n"
        for length in (3000, 200)  # BLOB and TINYBLOB
    ]
    stages = [{"name": "antes", "enable": ["antes"]}, {"name": "depois", "disable": ["antes"], "enable": ["depois"]}]
    server = answering("mariadb")
    modules = dict(zip(("antes", "depois"), models, strict=True))
    made = write(tmp_path / "p", modules, stages, url=f"{server}loja", prove_on=[server])
    sqlstrata.rebuild(made.plan(), apply_it=False)
    with scratch(server) as empty:
        url = empty.url.render_as_string(hide_password=False)
        sqlstrata.up(made.plan(), to="antes", url=url)
        with database.connect(empty.engine) as connection:
            table = sa.Table("item", sa.MetaData(), autoload_with=connection)
            connection.execute(table.insert(), [{"mais": b"\x00'\\%" * 100}, {"mais": b"curto"}])
            connection.commit()
        with pytest.raises(SqlstrataError, match="1 row is in the way"):
            sqlstrata.up(made.plan(), url=url)
