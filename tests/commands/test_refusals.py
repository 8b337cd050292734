"""What a stage must allow, and hints that are wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from tests.commands.running import (
    MODULES,
    STAGES,
    Inv,
    execute,
    rows,
    tree,
)
from tests.projects import Project, write
from tests.servers import answering

ANTES = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str | None] = mapped_column(sa.String(50))
    idade: Mapped[str] = mapped_column(sa.String(50))


class Velha(Base):
    __tablename__ = "velhas"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

DEPOIS = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
    email: Mapped[str] = mapped_column(sa.String(50))
"""

MAIS = """
from modelos.depois import Pessoa

Pessoa.cidade = mapped_column(sa.String(20), nullable=False)
"""


@pytest.fixture
def refused(tmp_path: Path) -> Project:
    """A project whose stages do not allow what they need."""
    stages = [
        {"name": "antes", "enable": ["antes"], "rows": {"pessoas": [{"nome": None, "idade": "3"}]}},
        {"name": "depois", "disable": ["antes"], "enable": ["depois"]},
        {"name": "mais", "enable": ["mais"]},
    ]
    return write(tmp_path / "recusado", {"antes": ANTES, "depois": DEPOIS, "mais": MAIS}, stages)


def test_all_that_must_be_allowed_is_reported_in_one_go(inv: Inv, refused: Project) -> None:
    before = tree(refused.folder)
    ran = inv("rebuild", "--json", "--config", str(refused.config))
    assert ran.code == 6
    rename = {"key": "rename", "name": "pessoas.idade", "value": "email"}
    assert ran.error["needs"] == [
        {"stage": "depois", "key": "drop", "name": "velhas", "value": None},
        {"stage": "depois", "key": "drop", "name": "pessoas.idade", "value": None, "or": rename},
        {"stage": "depois", "key": "fill", "name": "pessoas.email", "value": "''", "or": rename},
        {"stage": "depois", "key": "fill", "name": "pessoas.nome", "value": "''"},
        {"stage": "mais", "key": "fill", "name": "pessoas.cidade", "value": "''"},
    ]
    assert tree(refused.folder) == before


@pytest.mark.parametrize("words", [["check"], ["stages"], ["rebuild", "--dry-run"]])
def test_every_command_that_makes_the_history_refuses(inv: Inv, refused: Project, words: Sequence[str]) -> None:
    ran = inv(*words, "--json", "--config", str(refused.config))
    assert ran.code == 6
    assert len(ran.error["needs"]) == 5


def test_pasting_the_needs_is_enough(inv: Inv, refused: Project) -> None:
    paste(inv, refused)
    assert inv("rebuild", "--config", str(refused.config)).code == 0
    assert rows(refused.url, "SELECT nome, email, cidade FROM pessoas") == [("", "", "")]


def paste(inv: Inv, project: Project) -> None:
    """Give the stages what the refusal asks for."""
    needs = inv("rebuild", "--json", "--config", str(project.config)).error["needs"]
    said = yaml.safe_load(project.config.read_text(encoding="utf-8"))
    for stage in said["stages"]:
        for need in needs:
            if need["stage"] == stage["name"] and need["key"] == "drop":
                stage.setdefault("drop", []).append(need["name"])
            elif need["stage"] == stage["name"]:
                stage.setdefault(need["key"], {})[need["name"]] = need["value"]
    project.configure(stages=said["stages"])


POUCO = """
class Lugar(Base):
    __tablename__ = "lugares"
    a: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    b: Mapped[str] = mapped_column(sa.String(5), primary_key=True)

class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

MUITO = """
from modelos.pouco import Pessoa

for type_ in (
    sa.Time, sa.Interval, sa.LargeBinary, sa.Uuid, sa.Uuid(native_uuid=False), sa.JSON, sa.Enum("x", "y", name="e"), sa.Boolean,
    sa.Numeric(5, 2), sa.DateTime(timezone=True), sa.CHAR(3), sa.SmallInteger, sa.Double, sa.Date, *OWN,
):
    setattr(Pessoa, f"c{len(Pessoa.__table__.columns)}", mapped_column(type_, nullable=False))
Pessoa.publico = mapped_column(sa.Uuid, nullable=False, unique=True)
Pessoa.apelido = mapped_column(sa.String(9), nullable=False, unique=True)
Pessoa.x = mapped_column(sa.Integer, nullable=False)
Pessoa.y = mapped_column(sa.String(5), nullable=False)
Pessoa.chefe = mapped_column(sa.ForeignKey("pessoas.id"), nullable=False)
Pessoa.la = mapped_column(sa.Uuid, nullable=False)
Pessoa.lb = mapped_column(sa.String(5), nullable=False)
Pessoa.__table__.append_constraint(sa.UniqueConstraint("x", "y"))
Pessoa.__table__.append_constraint(sa.ForeignKeyConstraint(["la", "lb"], ["lugares.a", "lugares.b"]))
"""

OWN = {
    "sqlite": "",
    "postgresql": """postgresql.INET, postgresql.CIDR, postgresql.MACADDR, postgresql.MACADDR8, postgresql.MONEY,
        postgresql.OID, postgresql.REGCLASS, postgresql.BIT(3), postgresql.BIT(3, varying=True), postgresql.INT4RANGE,
        postgresql.INT4MULTIRANGE, postgresql.TSVECTOR, postgresql.TSQUERY, postgresql.JSONPATH, postgresql.ARRAY(sa.Text),
        postgresql.ARRAY(postgresql.ENUM("a", "b", name="f"))""",
    "mariadb": 'mysql.YEAR, mysql.SET("a", "b"), mysql.BIT(4), mysql.ENUM("q", "r"), sa.BINARY(3), mysql.LONGTEXT',
}
"""Types that only one server has."""


@pytest.mark.parametrize("kind", list(OWN))
def test_what_is_offered_to_paste_is_a_value_of_its_type(inv: Inv, tmp_path: Path, kind: str) -> None:
    """It is unique where that is asked, and refers to a row that is there."""
    places = [{"a": f"00000000-0000-4000-8000-00000000000{n}", "b": f"{5 - n}"} for n in (1, 2)]
    stages = [
        {"name": "pouco", "enable": ["pouco"], "rows": {"lugares": places, "pessoas": [{"id": 1}, {"id": 2}]}},
        {"name": "muito", "enable": ["muito"]},
    ]
    modules = {
        "pouco": "import uuid\n" + POUCO,
        "muito": "from sqlalchemy.dialects import mysql, postgresql\n" + MUITO.replace("OWN", f"[{OWN[kind]}]"),
    }
    server = answering(kind)
    url = sa.make_url(server).set(database="strata_offered.db").render_as_string(hide_password=False)
    project = write(tmp_path, modules, stages, url=url, prove_on=[server])
    paste(inv, project)
    ran = inv("rebuild", "--no-apply", "--config", str(project.config))
    assert (ran.code, ran.err) == (0, "")


def pasted_under(hint: str) -> dict[str, dict[str, Any]]:
    """The lines to paste, by stage."""
    blocks = hint.split("    # under stage ")[1:]
    return {block.partition(":\n")[0]: yaml.safe_load(block.partition(":\n")[2]) for block in blocks}


def test_pasting_the_lines_of_the_message_is_enough(inv: Inv, refused: Project) -> None:
    hint = inv("rebuild", "--json", "--config", str(refused.config)).error["hint"]
    pasted = pasted_under(hint)
    said = yaml.safe_load(refused.config.read_text(encoding="utf-8"))
    refused.configure(stages=[{**stage, **pasted.get(stage["name"], {})} for stage in said["stages"]])
    assert inv("rebuild", "--config", str(refused.config)).code == 0


def test_the_lines_to_paste_hold_what_the_stage_says_already(inv: Inv, refused: Project) -> None:
    """So they take the place of its keys, whatever SQL stands in them."""
    said = yaml.safe_load(refused.config.read_text(encoding="utf-8"))
    email = {"default": "'\\n\"' ||\nlower(nome)", "mysql": "nome"}
    said["stages"][1] |= {"drop": ["velhas"], "fill": {"pessoas.email": email}}
    refused.configure(stages=said["stages"])
    refused.module("mais", MAIS.replace("sa.String(20)", "sa.Boolean"))
    hint = inv("rebuild", "--json", "--config", str(refused.config)).error["hint"]
    assert "    drop: [velhas, pessoas.idade]  # replaces the stage's own\n" in hint
    assert pasted_under(hint) == {
        "depois": {"drop": ["velhas", "pessoas.idade"], "fill": {"pessoas.email": email, "pessoas.nome": "''"}},
        "mais": {"fill": {"pessoas.cidade": "false"}},
    }


ONE = """
import datetime as dt

class T(Base):
    __tablename__ = "t"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

# A type of `y` before and after, what the stage says of it for SQLite alone, and all that it must say.
FOR_ONE_SERVER: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "a column that comes": (
        "", "int", {"fill": {"t.y": {"sqlite": "7"}}}, {"sqlite": "7", "mysql": "0"}
    ),
    "a column that comes back": (
        "int", "", {"drop": ["t.y"], "fill": {"t.y": {"sqlite": "7"}}}, {"sqlite": "7", "mysql": "0"}
    ),
    "a column that becomes NOT NULL": (
        "int | None", "int", {"fill": {"t.y": {"sqlite": "7"}}}, {"sqlite": "7", "mysql": "0"}
    ),
    "a column of another type": (
        "int", "dt.date", {"cast": {"t.y": {"sqlite": "date(y)"}}}, {"sqlite": "date(y)", "mysql": "y"}
    ),
    "a column of another type, each way": (
        "int", "dt.date", {"cast": {"t.y": {"up": {"sqlite": "date(y)"}, "down": {"sqlite": "0"}}}},
        {"up": {"sqlite": "date(y)", "mysql": "y"}, "down": {"sqlite": "0", "mysql": "y"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("was", "now", "said", "whole"), FOR_ONE_SERVER.values(), ids=FOR_ONE_SERVER)
def test_what_one_server_allows_is_not_allowed_for_another(
    inv: Inv, tmp_path: Path, was: str, now: str, said: dict[str, Any], whole: dict[str, Any]
) -> None:
    """Those count that the plan names, wherever it does; with what is asked for the stage may go on."""
    stages = [
        {"name": "antes", "enable": ["antes"]},
        {"name": "depois", "disable": ["antes"], "enable": ["depois"], **said},
    ]
    modules = {name: ONE + (f"    y: Mapped[{of}]" if of else "") for name, of in (("antes", was), ("depois", now))}
    project = write(tmp_path / "um", modules, stages)
    words = ("stages", "--json", "--config", str(project.config))
    assert inv(*words).code == 0
    project.configure(prove_on=["sqlite://", "mariadb+pymysql://server/"])
    ran = inv(*words)
    assert ran.code == 6
    assert all(need["value"] == whole for need in ran.error["needs"])
    key = ran.error["needs"][0]["key"]
    project.configure(stages=[stages[0], {**stages[1], key: {"t.y": whole}}])
    assert inv(*words).code == 0


def test_a_drop_that_may_be_a_rename_offers_the_line(inv: Inv, refused: Project) -> None:
    ran = inv("rebuild", "--config", str(refused.config))
    line = "# if it is a rename, this line in place of the others: rename: {pessoas.idade: email}"
    assert line in ran.err
    assert "\nCheck each one, and add the right lines to config.yaml:\n" in ran.err


def test_going_down_past_what_cannot_be_undone_is_refused(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES[:2], {**STAGES[2], "downgrade": False}])
    given("rebuild")
    ran = given("down", "--json")
    assert ran.code == 6
    assert ran.error["message"] == (
        "This stage cannot be undone (downgrade: false). Nothing was changed. The database is at stage email."
    )
    assert given("status").code == 0
    ran = given("sql", "--from-stage", "email", "--to", "base", "--json")
    assert ran.code == 6
    assert ran.error["message"] == "This stage cannot be undone (downgrade: false). Nothing was changed."
    assert ran.error["where"] == "0003_email.py"


HINTS = (
    ("rename", {"pessoas.nomes": "x"}, "`rename` names `pessoas.nomes`, which exists neither in this stage nor before it.",
     "Did you mean `pessoas.nome`?"),
    ("rename", {"pessoas.nome": "x"}, "`rename: pessoas.nome` has no effect in stage email.", "Remove the line."),
    ("rename", {"pessoas.nome": "nome"}, "`pessoas.nome` is renamed to itself.", "Remove it, or write its new name."),
    ("rename", {"pessoas.id": "email", "pessoas.nome": "email"},
     "`pessoas.id` and `pessoas.nome` cannot both be renamed to `email`.", "Give one of them another name."),
    ("rename", {"cidades": "lugares", "pessoas": "lugares"},
     "`cidades` and `pessoas` cannot both be renamed to `lugares`.", "Give one of them another name."),
    ("drop", ["cidade"], "`drop` names `cidade`, which exists neither in this stage nor before it.",
     "Did you mean `cidades`?"),
    ("drop", ["cidades"], "`drop: cidades` has no effect in stage email.", "Remove the line."),
    ("fill", {"pessoas.emial": "''"}, "`fill` names `pessoas.emial`, which exists neither in this stage nor before it.",
     "Did you mean `pessoas.email`?"),
    ("fill", {"cidades.nome": "''"}, "`fill: cidades.nome` has no effect in stage email.", "Remove the line."),
    ("cast", {"pessoas.nome": "nome"}, "`cast: pessoas.nome` has no effect in stage email.", "Remove the line."),
)  # fmt: skip

# What a stage says that makes `itens` (id, nome_completo, z) of `t` (id, nome, y), and the names that it means.
MEANT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"rename": {"t": "itens", "t.y": "z", "t.nome": "nome_complet"}}, "Did you mean `nome_completo`?"),
    ({"rename": {"t": "item"}}, "Did you mean `itens`?"),
    ({"rename": {"t": "itens", "t.y": "z"}, "fill": {"itens.nome_completo": "''"}},
     "Did you mean `t.nome_completo`? Names are those from before the stage."),
    ({"rename": {"t": "itens", "t.y": "z"}, "fill": {"t.z": "0"}},
     "Did you mean `t.y`? Names are those from before the stage."),
    ({"rename": {"t": "itens", "t.y": "z"}, "drop": ["itens.nome"]},
     "Did you mean `t.nome`? Names are those from before the stage."),
    ({"rename": {"t": "itens", "t.y": "z"}, "fill": {"itens.nome_complet": "''"}},
     "Did you mean `t.nome_completo`?"),
)  # fmt: skip


@pytest.mark.parametrize(("said", "hint"), MEANT, ids=[hint for _, hint in MEANT])
def test_a_hint_with_a_name_that_the_database_does_not_have_yet_is_told_the_one_it_has(
    inv: Inv, tmp_path: Path, said: dict[str, Any], hint: str
) -> None:
    new = ONE.replace('"t"', '"itens"') + "    nome_completo: Mapped[str]\n    z: Mapped[int]"
    stages = [{"name": "um", "enable": ["um"]}, {"name": "dois", "disable": ["um"], "enable": ["dois"], **said}]
    modules = {"um": ONE + "    nome: Mapped[str]\n    y: Mapped[int | None]", "dois": new}
    ran = inv("stages", "--json", "--config", str(write(tmp_path / "dois", modules, stages).config))
    assert (ran.code, ran.error["hint"]) == (2, hint)


MORE = """
class U(Base):
    __tablename__ = "u"
    id: Mapped[int] = mapped_column(primary_key=True)
"""


def test_a_drop_may_name_what_going_down_drops(inv: Inv, tmp_path: Path) -> None:
    """A column or table that the stage adds: its values go with the way down."""
    modules = {"um": ONE, "dois": f"{ONE}    y: Mapped[int | None]\n{MORE}"}
    stages = [{"name": "um", "enable": ["um"]},
              {"name": "dois", "disable": ["um"], "enable": ["dois"], "drop": ["t.y", "u"]}]  # fmt: skip
    assert inv("stages", "--config", str(write(tmp_path / "dois", modules, stages).config)).code == 0


def test_a_drop_says_which_data_names_what_goes(inv: Inv, tmp_path: Path) -> None:
    """That of the stage itself, which still sees it, and of a later one, which will not."""
    modules = {"um": f"{ONE}    y: Mapped[int | None]\n    z: Mapped[int | None]\n{MORE}", "dois": ONE}
    stages = [{"name": "um", "enable": ["um"], "data": "UPDATE t SET y = 1"},
              {"name": "dois", "disable": ["um"], "enable": ["dois"], "data": "UPDATE t SET id = id WHERE y > 1"},
              {"name": "mais", "data": {"upgrade": "DELETE FROM t", "downgrade": "SELECT count(*) FROM u, t"}}]  # fmt: skip
    project = write(tmp_path / "dois", modules, stages)
    ran = inv("stages", "--json", "--config", str(project.config))
    assert ran.error["message"].splitlines()[1:] == [
        "  dois: table u is dropped, with its rows; the `data` of mais names it.",
        "  dois: column t.y is dropped, with its values; the `data` of dois names it.",
        "  dois: column t.z is dropped, with its values.",
    ]


TO_NOWHERE = """
class Morador(Base):
    __tablename__ = "moradores"
    id: Mapped[int] = mapped_column(primary_key=True)
    casa_id: Mapped[int] = mapped_column(sa.ForeignKey("casas.id"))
"""

TWO_NAMES = """
class Morador(Base):
    __tablename__ = "moradores"
    id: Mapped[int] = mapped_column(primary_key=True)
    __table_args__ = (sa.Index("i", "id"), sa.Index("i", "id"))
"""


def test_a_foreign_key_to_no_table_is_reported_with_its_stage_and_place(inv: Inv, tmp_path: Path) -> None:
    stages = [STAGES[0], {"name": "moradores", "enable": ["moradores"]}]
    project = write(tmp_path / "projeto", {**MODULES, "moradores": TO_NOWHERE}, stages)
    ran = inv("check", "--json", "--config", str(project.config))
    assert ran.code == 2
    assert ran.error["message"].startswith("Stage moradores: Table moradores has a foreign key to a table or column ")
    assert ran.error["where"] == str(project.plan().where("stages", 1))


def test_models_that_a_server_does_not_make_are_reported_with_their_stage(inv: Inv, tmp_path: Path) -> None:
    stages = [STAGES[0], {"name": "moradores", "enable": ["moradores"]}]
    project = write(tmp_path / "projeto", {**MODULES, "moradores": TWO_NAMES}, stages)
    ran = inv("rebuild", "--json", "--config", str(project.config))
    assert ran.code == 2
    assert ran.error["message"].startswith("The models of stage moradores cannot be created on sqlite: ")


def test_a_difference_that_cannot_be_expressed_is_reported_with_its_stage_and_place(inv: Inv, tmp_path: Path) -> None:
    new = ONE + "    z: Mapped[int]\n    y: Mapped[int]"
    stages = [
        {"name": "um", "enable": ["um"]},
        {"name": "dois", "disable": ["um"], "enable": ["dois"], "rename": {"t.y": "z"}},
    ]
    project = write(tmp_path / "dois", {"um": ONE + "    y: Mapped[int | None]", "dois": new}, stages)
    ran = inv("stages", "--json", "--config", str(project.config))
    line = project.config.read_text(encoding="utf-8").splitlines().index("- name: dois") + 1
    assert ran.code == 2
    assert ran.error["message"].startswith("Stage dois: A column called t.y is renamed and a new one takes its name")
    assert ran.error["where"] == f"{project.config}:{line}:3"


@pytest.mark.parametrize(("key", "value", "message", "hint"), HINTS, ids=[f"{key} {of}" for key, of, *_ in HINTS])
def test_a_hint_that_names_nothing_or_is_of_no_use_is_an_error_at_its_place(
    given: Inv, project: Project, key: str, value: object, message: str, hint: str
) -> None:
    project.configure(stages=[*STAGES[:2], {**STAGES[2], key: value}])
    lines = project.config.read_text(encoding="utf-8").splitlines()
    name = list(value)[-1]  # type: ignore[call-overload]
    line, text = [(n, text) for n, text in enumerate(lines, 1) if re.match(rf"\s+(- )?{name}(:|$)", text)][-1]
    ran = given("rebuild", "--json")
    assert ran.code == 2
    assert (ran.error["message"], ran.error["hint"]) == (message, hint)
    assert ran.error["where"] == f"{project.config}:{line}:{text.index(name) + 1}"
    assert project.files() == {}


def test_rows_of_a_table_that_is_not_there_are_an_error_at_their_place(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES[:2], {**STAGES[2], "rows": {"cidade": [{"nome": "x"}]}}])
    ran = given("rebuild", "--json")
    assert ran.code == 2
    assert re.fullmatch(rf"{re.escape(str(project.config))}:\d+:\d+", ran.error["where"])
    assert "cidade" in ran.error["message"]
    assert project.files() == {}


def test_rows_of_a_column_that_is_not_there_are_an_error_at_their_place(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES[:2], {**STAGES[2], "rows": {"cidades": [{"nomes": "x"}]}}])
    ran = given("rebuild", "--json")
    assert ran.code == 2
    assert re.fullmatch(rf"{re.escape(str(project.config))}:\d+:\d+", ran.error["where"])
    assert "nomes" in ran.error["message"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sa.Integer", 10**25),
        ("sa.String(50)", ["x"]),
        ("sa.String(50)", {"x": 1}),
        ("sa.Uuid", "x"),
        ("sa.Date", "x"),
        ("sa.Date", 5),
        ("sa.DateTime", "x"),
        ("sa.Time", "x"),
        ("sa.Numeric", "x"),
    ],
)
def test_a_value_that_its_column_cannot_take_is_an_error_at_its_place(
    given: Inv, project: Project, column: str, value: object
) -> None:
    project.module("valores", f'valores = sa.Table("valores", Base.metadata, sa.Column("valor", {column}))')
    project.configure(stages=[{"name": "valores", "enable": ["valores"], "rows": {"valores": [{"valor": value}]}}])
    ran = given("rebuild", "--json")
    assert ran.code == 2
    line, text = next(
        (number, line)
        for number, line in enumerate(project.config.read_text(encoding="utf-8").splitlines(), start=1)
        if "valor:" in line
    )
    assert ran.error["where"] == f"{project.config}:{line}:{text.index('valor:') + 1}"
    assert project.files() == {}


def test_a_wrong_plan_is_reported_with_its_place(given: Inv, project: Project) -> None:
    project.configure(stages=[{**STAGES[0], "enabel": []}])
    ran = given("stages")
    assert ran.code == 2
    assert re.match(rf"{re.escape(str(project.config))}:\d+:\d+: `enabel` is not a key of .+ `enable`", ran.err)
    assert ran.out == ""


@pytest.mark.parametrize("server_url", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_a_value_that_an_enum_does_not_have_is_named_with_those_it_has(
    inv: Inv, server_url: tuple[str, str], tmp_path: Path
) -> None:
    server, url = server_url
    post = """
        class Post(Base):
            __tablename__ = "posts"
            id: Mapped[int] = mapped_column(primary_key=True)
            status: Mapped[str] = mapped_column({type})
    """
    modules = {"texto": post.format(type="sa.String(20)"),
               "lista": post.format(type='sa.Enum("published", "archived", name="estado")')}  # fmt: skip
    stages = [{"name": "texto", "enable": ["texto"]},
              {"name": "lista", "disable": ["texto"], "enable": ["lista"]}]  # fmt: skip
    project = write(tmp_path / "p", modules, stages, url=url, prove_on=[server])
    config = ["--config", str(project.config)]
    assert inv("rebuild", *config).code == 0
    assert inv("down", *config).code == 0
    execute(url, "INSERT INTO posts (id, status) VALUES (1, 'draft'), (2, 'archived')")
    ran = inv("up", *config, "--json")
    assert ran.code == 6
    assert "1 row is in the way, for example 'draft'" in ran.error["message"]
    assert "status must be one of 'published', 'archived'" in ran.error["message"]
    cast = re.search("as in `(.*?)`", ran.error["message"])
    assert cast is not None
    project.configure(stages=[stages[0], {**stages[1], "cast": {"posts.status": cast[1]}}])
    ran = inv("rebuild", *config)
    assert ran.code == 0, ran.err
    assert rows(url, "SELECT status FROM posts ORDER BY id") == [("published",), ("archived",)]


def test_rows_of_the_plan_in_the_way_are_a_refusal_with_the_place_of_the_stage(inv: Inv, tmp_path: Path) -> None:
    post = ONE + '    y: Mapped[str] = mapped_column(sa.Enum({}, name="cor"))\n'
    modules = {"antes": post.format("'azul', 'rosa'"), "depois": post.format("'azul', 'verde'")}
    stages = [{"name": "antes", "enable": ["antes"], "rows": {"t": [{"y": "rosa"}]}},
              {"name": "depois", "disable": ["antes"], "enable": ["depois"]}]  # fmt: skip
    project = write(tmp_path / "p", modules, stages)
    ran = inv("rebuild", "--json", "--config", str(project.config))
    assert ran.code == 6
    assert (ran.error["stage"], "config.yaml:" in ran.error["where"]) == ("depois", True)
    assert "as in `CASE WHEN y IN ('azul', 'verde') THEN y ELSE 'azul' END`" in ran.error["message"]


@pytest.mark.parametrize(
    ("type_", "value", "fits"),
    [
        ("sa.Integer", "trinta", False),
        ("sa.Integer", "30", True),
        ("sa.Numeric(8, 2)", "1,5", False),
        ("sa.Float", "1.5", True),
        ("sa.String(9)", "trinta", True),
    ],
)
def test_a_text_in_the_rows_of_a_number_is_named_on_sqlite_too(
    inv: Inv, tmp_path: Path, type_: str, value: str, *, fits: bool
) -> None:
    """SQLite itself takes any text, and only the next server would refuse it."""
    stages = [{"name": "um", "enable": ["um"], "rows": {"t": [{"y": value}]}}]
    project = write(tmp_path / "p", {"um": ONE + f"    y: Mapped[str] = mapped_column({type_})\n"}, stages)
    ran = inv("stages", "--config", str(project.config))
    assert ran.code == (0 if fits else 2)
    assert (f"`rows` gives t.y `{value}`, and its type" in " ".join(ran.err.split())) != fits
