"""The work of a stage is what the stage changes, however many stages and tables there are: counted, not timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from bench.projects import Models, growing, replaced
from sqlstrata import commands
from sqlstrata.commands.staging import staged
from sqlstrata.modules import finder
from sqlstrata.plan import Plan, Stage, read
from sqlstrata.proof.mirror import Mirror
from sqlstrata.proof.prove import prove
from sqlstrata.revisions import generate
from sqlstrata.revisions.generate import steps
from sqlstrata.schema import columns, describe
from sqlstrata.schema.watch import Watch
from tests.versions import needs_2_1

PLAIN_BASE = """\
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
"""
PLAIN_IMPORTS = """\
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from modelos.base import Base
"""
PLAIN_TABLE = """

class Tabela{number}(Base):
    __tablename__ = "tabela_{number}"

    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(String({length}), index=True)
    descricao: Mapped[str | None] = mapped_column(String(200))
    preco: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    quantidade: Mapped[int] = mapped_column(server_default="0")
    ativo: Mapped[bool]
    criado_em: Mapped[datetime]
    outra_id: Mapped[int | None]{key}
"""
PLAIN_COLUMN = """\
from sqlalchemy import String
from sqlalchemy.orm import mapped_column

from modelos.{module} import Tabela{table}

Tabela{table}.extra_{number} = mapped_column(String(40))
"""
PLAIN = Models(PLAIN_BASE, PLAIN_IMPORTS, PLAIN_TABLE, PLAIN_COLUMN)
"""Models whose columns are alike whichever import they come from."""

STAGES = 24


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Two stages of three make a table, the third adds a column to an earlier one."""
    return read(growing(tmp_path_factory.mktemp("growing") / "project", STAGES, models=PLAIN) / "config.yaml")


def counted(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, noted: Callable[..., object]) -> list[object]:
    """Record every call of a function: what `noted` gives for its arguments."""
    heard: list[object] = []
    function = getattr(where, name)

    def call(*arguments: Any, **keywords: Any) -> Any:
        heard.append(noted(*arguments))
        return function(*arguments, **keywords)

    monkeypatch.setattr(where, name, call)
    return heard


# ------------------------------------------------ making a history


def test_each_module_is_executed_once(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = counted(monkeypatch, finder.Loader, "exec_module", lambda _, module: module.__name__)
    steps(plan)
    times = Counter(heard)
    assert {name: times.pop(name) for name in ("modelos", "modelos.base")} == {"modelos": 2, "modelos.base": 2}
    assert set(times.values()) == {1}
    assert len(times) == STAGES


def test_each_stage_describes_the_one_table_that_it_changes(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = counted(monkeypatch, describe, "describe_table", lambda table, _: table.name)
    steps(plan)
    assert len(heard) == STAGES


def test_columns_that_are_alike_are_described_once(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    called = counted(monkeypatch, columns, "_described", lambda _, column, __: column.name)
    steps(plan)
    heard = Counter(map(str, called))
    own = [name for name in heard if name.startswith("extra_")]
    assert len(own) == STAGES // 3
    # The key to another table is in all tables but the first.
    assert heard - Counter(own) == Counter(
        ["id", "nome", "descricao", "preco", "quantidade", "ativo", "criado_em", "outra_id", "outra_id"]
    )


def test_each_stage_compares_what_it_changes_and_its_neighbours(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = counted(monkeypatch, generate, "diff", lambda before, after, _: len({*before.tables, *after.tables}))
    made = steps(plan)
    neighbours = [_neighbours(step) for step in made for _ in ("up", "down")]
    assert heard == neighbours
    assert max(neighbours) < len(made[-1].schema.tables)


def _neighbours(step: generate.Step) -> int:
    changed, ahead, behind = _tables_of(step)
    return len({changed} | ahead | behind)


def _tables_of(step: generate.Step) -> tuple[str, set[str], set[str]]:
    """The table that a stage changes, those that it points at, and those that point at it."""
    name = step.revision.changes[0].replace(":", " ").split()
    changed = next(word for word in name if word.startswith("tabela_"))
    tables = step.schema.tables
    ahead = {str(key.target) for key in tables[changed].foreign_keys()}
    behind = {key for key, table in tables.items() if any(each.target == changed for each in table.foreign_keys())}
    return changed, ahead, behind


def test_tables_that_no_stage_touches_are_the_same_values(plan: Plan) -> None:
    first, last = steps(plan)[STAGES - 2 :]
    shared = [key for key, table in last.schema.tables.items() if first.schema.tables.get(key) is table]
    assert len(shared) == len(last.schema.tables) - 1


def test_tables_made_the_same_again_are_not_described_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = replaced(tmp_path / "project", stages=4, tables=6, models=PLAIN)
    heard = counted(monkeypatch, describe, "describe_table", lambda table, _: table.name)
    made = steps(read(project / "config.yaml"))
    assert len(heard) == 6 + 3
    assert [step.revision.changes for step in made[1:]] == [
        (f"tabela_{number}: nome VARCHAR(50) → VARCHAR(60)",) for number in (1, 2, 3)
    ]


# ------------------------------------------------ proving it


def test_each_stage_is_proved_with_the_same_number_of_statements(plan: Plan) -> None:
    """But for the stages after which everything is compared: the first, second, fourth, eighth… and the last."""
    counts: Counter[str] = Counter()
    now = ["making"]

    def hear(*_: object) -> None:
        counts[now[0]] += 1

    with Mirror("sqlite://") as mirror:
        made = steps(plan, mirror.show)
        with staged(plan, tuple(step.revision for step in made)) as folder:
            sa.event.listen(sa.Engine, "before_cursor_execute", hear)
            try:
                prove("sqlite://", folder, made, lambda stage: now.__setitem__(0, stage), mirror)
            finally:
                sa.event.remove(sa.Engine, "before_cursor_execute", hear)
    tables = [
        step for number, step in enumerate(made) if number % 3 == 1 and number not in {0, 1, 3, 7, 15, STAGES - 1}
    ]
    assert len({counts[step.stage.name] for step in tables}) == 1, counts


def test_a_mirror_makes_only_what_a_stage_changes_and_what_points_at_that(plan: Plan) -> None:
    made: list[int] = []

    def hear(_: object, __: object, statement: str, *___: object) -> None:
        made[-1] += statement.lstrip().startswith("CREATE TABLE tabela")

    with Mirror("sqlite://") as mirror:
        sa.event.listen(sa.Engine, "before_cursor_execute", hear)
        try:
            found = steps(plan, lambda *heard: (made.append(0), mirror.show(*heard)))
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", hear)
    assert made == [1 + len(_tables_of(step)[2]) for step in found]


@needs_2_1
def test_a_mirror_makes_all_only_twice_where_there_are_views_and_types(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first stage, and of the last to be sure: not for each stage that comes after a view or an enum."""
    project = growing(tmp_path / "project", 12, models=PLAIN)
    for name in ("m0001", "m0004"):
        path = project / "modelos" / f"{name}.py"
        table = f"Tabela{int(name[1:])}"
        text = path.read_text(encoding="utf-8").replace(
            "    ativo: Mapped[bool]\n", "    ativo: Mapped[bool]\n" + _MORE
        )
        view = f"CreateView(select({table}.__table__.c.id), 'vista_{name}', metadata=Base.metadata)\n"
        path.write_text(f"{_IMPORTS}{text}\n\n{view}".replace("NAME", name), encoding="utf-8")
    made = counted(monkeypatch, Mirror, "_create_all", lambda *_: None)
    with Mirror(server) as mirror:
        steps(read(project / "config.yaml"), mirror.show)
        last = mirror.expected()[-1].snapshot
    assert len(made) == 2
    assert {"vista_m0001", "vista_m0004"} <= last.things.keys()


def test_what_a_mirror_looks_at_is_not_taken_for_changed_later(tmp_path: Path) -> None:
    """Making a table looks at those that its keys lead to, making a view at any: each is given once."""
    project = growing(tmp_path / "project", 12, models=PLAIN)
    path = project / "modelos" / "m0001.py"
    view = "CreateView(select(Tabela1.__table__.c.id), 'vista', metadata=Base.metadata)\n"
    path.write_text(f"{_IMPORTS}{path.read_text(encoding='utf-8')}\n\n{view}", encoding="utf-8")
    given: list[frozenset[str]] = []

    def hear(stage: Stage, metadata: sa.MetaData, changed: frozenset[str]) -> None:
        given.append(changed)
        mirror.show(stage, metadata, changed)

    with Mirror("sqlite://") as mirror:
        steps(read(project / "config.yaml"), hear)
    assert sum(map(len, given)) == 12 + len({"vista"})


_IMPORTS = "from sqlalchemy import CreateView, Enum, select\n"
_MORE = "    estado: Mapped[str] = mapped_column(Enum('a', 'b', name='estado_NAME'))\n"


# ------------------------------------------------ finding a stage


def test_a_stage_is_found_by_its_names_where_no_other_has_them(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'dev.db'}"
    commands.rebuild(plan, proof=False, apply_it=False)
    commands.up(plan, plan.stages[7].name, url)
    described = counted(monkeypatch, describe, "describe_table", lambda table, _: table.name)
    assert commands.identify(plan, url).stage == plan.stages[7].name
    assert described == []


# ------------------------------------------------ applying it


def test_on_sqlite_a_run_waits_for_the_disk_as_often_however_many_stages_it_has(tmp_path: Path) -> None:
    plan = read(growing(tmp_path / "project", 12, models=PLAIN) / "config.yaml")
    commands.rebuild(plan, proof=False, apply_it=False)
    commits: Counter[str] = Counter()
    now = [""]

    def hear(_: object) -> None:
        commits[now[0]] += 1

    sa.event.listen(sa.Engine, "commit", hear)
    try:
        for now[0] in (plan.stages[3].name, plan.stages[-1].name):
            commands.up(plan, now[0], f"sqlite:///{tmp_path / now[0]}.db")
    finally:
        sa.event.remove(sa.Engine, "commit", hear)
    assert len(set(commits.values())) == 1
    assert len(commits) == 2


# ------------------------------------------------ nothing that changes is overlooked


class Wort(sa.String):
    """A type of the models' own."""


def schema() -> sa.MetaData:
    metadata = sa.MetaData()
    usuarios = sa.Table(
        "usuarios",
        metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("nome", sa.String(50), server_default="?"),
        sa.Column("cor", sa.Enum("azul", name="cores")),
        sa.Column("lema", Wort(9)),
        sa.CheckConstraint(sa.text("id > 0"), name="ck_id"),
    )
    sa.Index("ix_nome", usuarios.c.nome, sqlite_where=sa.text("id > 1"))
    sa.Table("outros", metadata, sa.Column("usuario", sa.ForeignKey("usuarios.id")))
    return metadata


def column(metadata: sa.MetaData, name: str) -> Any:
    return metadata.tables["usuarios"].columns[name]


def part(found: Any) -> Any:
    return next(iter(found))


def compiled_otherwise(metadata: sa.MetaData) -> None:
    compiles(Wort, "sqlite")(lambda *_, **__: "WORT")


CHANGES: dict[str, Callable[[sa.MetaData], object]] = {
    "a column comes": lambda m: m.tables["usuarios"].append_column(sa.Column("email", sa.String())),
    "a column goes": lambda m: m.tables["usuarios"]._columns.remove(column(m, "nome")),
    "a column may be NULL": lambda m: setattr(column(m, "nome"), "nullable", False),
    "a type takes another's place": lambda m: setattr(column(m, "nome"), "type", sa.Text()),
    "a type gets another length": lambda m: setattr(column(m, "nome").type, "length", 60),
    "a default takes another's place": lambda m: setattr(column(m, "nome"), "server_default", None),
    "a default says something else": lambda m: setattr(column(m, "nome").server_default, "arg", "!"),
    "an enum gets a label": lambda m: column(m, "cor").type.enums.append("verde"),
    "an index comes": lambda m: sa.Index("ix_cor", column(m, "cor")),
    "an index goes": lambda m: m.tables["usuarios"].indexes.clear(),
    "an index becomes unique": lambda m: setattr(part(m.tables["usuarios"].indexes), "unique", True),
    "an index loses its condition": lambda m: part(m.tables["usuarios"].indexes).dialect_options["sqlite"].clear(),
    "a constraint comes": lambda m: m.tables["usuarios"].append_constraint(sa.UniqueConstraint("nome")),
    "a constraint goes": lambda m: m.tables["usuarios"].constraints.pop(),
    "a check says something else": lambda m: [
        setattr(each.sqltext, "text", "id > 1")
        for each in m.tables["usuarios"].constraints
        if isinstance(each, sa.CheckConstraint)
    ],
    "a comment comes": lambda m: setattr(m.tables["usuarios"], "comment", "Quem"),
    "an option of one server comes": lambda m: m.tables["usuarios"].dialect_options["sqlite"].update(strict=True),
    "a prefix comes": lambda m: m.tables["usuarios"]._prefixes.append("TEMPORARY"),
    "somebody listens": lambda m: sa.event.listen(m.tables["usuarios"], "after_create", sa.DDL("SELECT 1")),
    "names get a convention": lambda m: setattr(m, "naming_convention", {"pk": "pk_%(table_name)s"}),
    "a type is compiled otherwise": compiled_otherwise,
    "the table goes": lambda m: m.remove(m.tables["usuarios"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_whoever_makes_it(change: str) -> None:
    metadata, watch = schema(), Watch()
    watch.changed(metadata)
    assert watch.changed(metadata) == frozenset()
    CHANGES[change](metadata)
    assert "usuarios" in watch.changed(metadata)
    assert watch.changed(metadata) == frozenset()


def test_a_table_that_is_made_the_same_again_is_the_same() -> None:
    watch = Watch()
    watch.changed(schema())
    assert watch.changed(schema()) == frozenset()


@pytest.mark.parametrize("change", [each for each in CHANGES if each != "a type is compiled otherwise"])
def test_a_table_that_is_made_otherwise_again_is_another(change: str) -> None:
    watch, other = Watch(), schema()
    watch.changed(schema())
    CHANGES[change](other)
    assert "usuarios" in watch.changed(other)


def test_what_looking_leaves_behind_is_no_change() -> None:
    metadata, watch = schema(), Watch()
    watch.changed(metadata)
    metadata.create_all(sa.create_engine("sqlite://"))
    sa.select(metadata.tables["usuarios"]).compile()
    watch.restore(frozenset(metadata.tables))
    assert watch.changed(metadata) == frozenset()


@needs_2_1
def test_a_view_of_another_table_is_another_view() -> None:
    """Though the column that it takes from there has the same name."""
    watch = Watch()
    for table in ("usuarios", "outros"):
        metadata = sa.MetaData()
        for name in ("usuarios", "outros"):
            sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True))
        sa.CreateView(sa.select(metadata.tables[table].c.id), "vista", metadata=metadata)
        assert "vista" in watch.changed(metadata)
