"""`import-alembic --tags`, and `--start` for a history that has no beginning."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from sqlstrata import commands
from sqlstrata.commands.import_alembic import Imported
from sqlstrata.databases import database
from sqlstrata.errors import MigrationFailed, WrongUse
from sqlstrata.migrate.alembic_files import Written, heads, written
from sqlstrata.replay.dump import play
from sqlstrata.replay.project import Project as Foreign
from sqlstrata.scratch.bracket import scratch
from tests.commands.test_import_git import Repo, repository
from tests.replay.test_import_alembic import ENV

REVISION = '''\
"""{message}"""
import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {parent!r}


def upgrade():
    {upgrade}
'''
MODELS = """
import sqlalchemy as sa
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Pessoa(Base):
    __tablename__ = "pessoas"
    id = sa.Column(sa.Integer, primary_key=True)
"""
NOME = "nome = sa.Column(sa.String(60))"
PESSOAS = 'op.create_table("pessoas", sa.Column("id", sa.Integer, primary_key=True))'
COM_NOME = 'op.add_column("pessoas", sa.Column("nome", sa.String(60)))'
INDICE = 'op.create_index("ix_nome", "pessoas", ["nome"])'


def revision(number: int, upgrade: str, parent: str | None, message: str = "") -> dict[str, str | None]:
    text = REVISION.format(message=message, id=f"{number}abc", parent=parent, upgrade=upgrade)
    return {f"alembic/versions/{number}.py": text}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository with a history whose env.py knows the models, and a config.yaml that is not committed."""
    made = repository(tmp_path / "projeto")
    env = ENV.format(url="sqlite:///nowhere.db", table="alembic_version")
    env = "from app.models import Base\n" + env.replace(
        "connection=connection,", "connection=connection, target_metadata=Base.metadata,"
    )
    files = {"alembic.ini": "[alembic]\nscript_location = alembic\n", "alembic/env.py": env,
             "app/__init__.py": "from app.models import Base\n", "app/models.py": MODELS}  # fmt: skip
    made.configure(base="models:Base")
    made.release("v0.9", files)
    return made


def run(repo: Repo, *at: str, tags: str | None = None, start: str | None = None) -> Imported:
    project = Foreign(repo.folder, repo.folder / "alembic.ini")
    return commands.import_alembic(repo.plan(), project, at, tags=tags, start=start)


def stages(repo: Repo) -> list[dict[str, object]]:
    found: list[dict[str, object]] = yaml.safe_load((repo.folder / "config.yaml").read_text())["stages"]
    return [{key: each.get(key) for key in ("name", "message", "revision")} for each in found[:-1]]


# ------------------------------------------------------------------------ tags


def released(repo: Repo) -> Repo:
    repo.release("v1.0", revision(1, PESSOAS, None, "The people"))
    repo.release("v1.1", {"app/more.py": ""})
    repo.release("v1.2", {**revision(2, COM_NOME, "1abc"), **revision(7, "pass", "1abc")})
    repo.release("v1.9", {**revision(8, "pass", "1abc"), "alembic/versions/7.py": None, "alembic/versions/2.py": None})
    repo.release("v1.10", {**revision(2, COM_NOME, "1abc"), "alembic/versions/8.py": None})
    repo.release("v1.11", {"alembic/versions/3.py": "print 'two'\n"})
    repo.release("v1.12", {"alembic/versions/3.py": None})
    return repo


def test_the_heads_at_tags_are_stages_named_after_them(repo: Repo) -> None:
    done = run(released(repo), tags="v*")
    assert stages(repo) == [
        {"name": "v1_0", "message": "v1.0", "revision": "1abc"},
        {"name": "v1_10", "message": "v1.10", "revision": "2abc"},
    ]
    reasons = {
        "v0.9": "it has no revision in alembic/versions",
        "v1.1": "its head is that of v1.0",
        "v1.2": "it has 2 heads: 2abc, 7abc",
        "v1.9": "its head 8abc is not in today's folder",
        "v1.11": "alembic/versions/3.py cannot be read by Python: Missing parentheses in call to 'print'. Did you mean "
        "print(...)?",
        "v1.12": "its head is that of v1.10",
    }
    assert {each.ref: each.why.partition(": Missing")[0] for each in done.skipped} == {
        tag: why.partition(": Missing")[0] for tag, why in reasons.items()
    }
    assert next(iter(done.lines())) == "Skipped: v0.9, it has no revision in alembic/versions."
    assert not run(repo, tags="v*").stages, "what is there stays"


def test_tags_without_a_stage_and_refs_besides_are_refused(repo: Repo) -> None:
    repo.release("v1.0", revision(1, PESSOAS, None))
    with pytest.raises(WrongUse, match=r"No tag that matches `v0\*` gives a stage\. v0\.9: it has no revision in"):
        run(repo, tags="v0*")
    with pytest.raises(WrongUse, match="`--at` and `--tags` exclude each other"):
        run(repo, "1abc", tags="v*")
    assert stages(repo) == []


def test_a_stage_is_named_after_its_message_or_else_its_revision(repo: Repo) -> None:
    repo.release("v1", {**revision(1, PESSOAS, None, "The people"), **revision(2, COM_NOME, "1abc")})
    run(repo, "1abc", "2abc")
    assert [each["name"] for each in stages(repo)] == ["the_people", "revision_2abc"]


def test_revisions_are_read_from_the_text_of_their_files() -> None:
    texts = {
        'revision: str = "b"\ndown_revision: str | None = "a"\ndepends_on = None\n': Written("b", ("a",)),
        'revision = "m"\ndown_revision = ("b", "c")\ndepends_on = ["z"]\n': Written("m", ("b", "c"), ("z",)),
        'revision = "a"\ndown_revision = None\n': Written("a", ()),
        "x = 1\n": None,
    }
    for text, found in texts.items():
        assert written(text) == found
    known = {each.id: each for each in texts.values() if each is not None}
    assert heads(known) == ("m",)


# ------------------------------------------------------------------------ start


def begun(repo: Repo) -> Repo:
    """A history whose first revision adds a column to a table that only create_all makes."""
    repo.release("v1.0", {**revision(2, COM_NOME, None), "app/models.py": MODELS + f"    {NOME}\n"})
    repo.release(
        "v1.1",
        {**revision(3, INDICE, "2abc"), "app/models.py": MODELS + f"    {NOME.replace('))', '), index=True)')}\n"},
    )
    return repo


def test_without_a_start_the_error_names_it(repo: Repo) -> None:
    with pytest.raises(MigrationFailed, match="no such table: pessoas") as error:
        run(begun(repo), "2abc")
    assert error.value.hint is not None
    assert "`--start` says what comes before its revisions" in error.value.hint


def test_a_failure_of_a_later_revision_is_no_reason_to_name_it(repo: Repo) -> None:
    repo.release("v1", {**revision(1, PESSOAS, None), **revision(2, 'op.drop_table("nada")', "1abc")})
    with pytest.raises(MigrationFailed, match="no such table: nada") as error:
        run(repo)
    assert "--start" not in str(error.value.hint)
    assert error.value.details["applied"] == ["1abc"]


DUMP = """\
BEGIN TRANSACTION;
CREATE TABLE pessoas (id INTEGER NOT NULL, PRIMARY KEY (id));
INSERT INTO pessoas VALUES (7);
{stamp}COMMIT;
"""
STAMP = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);\nINSERT INTO alembic_version VALUES ('2abc');\n"
)


@pytest.mark.parametrize(
    ("start", "text", "revisions"),
    [
        ("create_all", "The history begins with create_all of the project's MetaData, stamped with its head 3abc; no "
                       "revision was run.", ["3abc"]),
        ("v0.9", "The history begins with the models at v0.9, before the first revision.", ["2abc", "3abc"]),
        ("v1.0", "The history begins with the models at v1.0, stamped with 2abc.", ["2abc", "3abc"]),
        ("dump.sql", "The history begins with the dump dump.sql; of the revisions, only those after it were run.",
         ["2abc", "3abc"]),
    ],
)  # fmt: skip
def test_a_history_begins_with_what_start_says(
    repo: Repo, start: str, text: str, revisions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(begun(repo).folder)
    Path("dump.sql").write_text(DUMP.format(stamp=""))
    done = run(repo, *revisions, start=start)
    assert done.start == text
    assert text in done.lines()
    assert [revision for _, revision in done.stages] == revisions
    last = repo.stage(done.stages[-1][0])
    assert "ix_" in last
    if start == "create_all":
        assert "ix_pessoas_nome" in last, "the index of the models"
        commands.rebuild(repo.plan())


def test_a_dump_goes_on_from_the_revision_that_it_stamps(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(begun(repo).folder)
    stamped = DUMP.format(stamp=STAMP).replace("id INTEGER NOT NULL,", "id INTEGER NOT NULL, nome VARCHAR(60),")
    Path("dump.sql").write_text(stamped.replace("(7)", "(7, 'Ana')"))
    done = run(repo, "3abc", start="dump.sql")
    (stage,) = yaml.safe_load(Path("config.yaml").read_text())["stages"][:-1]
    assert stage["data"] == {"upgrade": ["INSERT INTO pessoas (id, nome) VALUES (7, 'Ana')"]}
    assert done.stages == (("revision_3abc", "3abc"),)
    repo.release("v2", revision(1, "pass", None))
    repo.release("v2.1", revision(2, COM_NOME, "1abc"))
    repo.configure(base="models:Base")
    with pytest.raises(WrongUse, match="The database is at 2abc, and cannot go to 1abc"):
        run(repo, "1abc", start="dump.sql")


WRONG = {
    "nada": (WrongUse, "There is no `nada` in the repository"),
    "nada.sql": (WrongUse, "nada.sql cannot be read: "),
    "elsewhere.sql": (WrongUse, "elsewhere.sql:2: The dump leads out of its database: ATTACH"),
    "fails.sql": (MigrationFailed, "fails.sql: The dump fails on a scratch database: no such table: nada"),
    "v1.2": (WrongUse, "The revision of a database made from the models at v1.2 cannot be known: it has 2 heads: "),
    "without": (WrongUse, "There are no models at without: no app"),
}


@pytest.mark.parametrize("start", WRONG)
def test_a_start_that_is_wrong_is_refused(repo: Repo, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(begun(repo).folder)
    if start == "v1.2":
        repo.release("v1.2", revision(4, "pass", "2abc"))
        repo.release("v1.3", {"alembic/versions/4.py": None})
    if start == "without":
        repo.release("without", {"app/models.py": None, "app/__init__.py": None})
        repo.release("again", {"app/models.py": MODELS, "app/__init__.py": "from app.models import Base\n"})
    Path("elsewhere.sql").write_text("SELECT 1;\nATTACH 'dev.db' AS x;\n")
    Path("fails.sql").write_text("INSERT INTO nada VALUES (1);\n")
    kind, message = WRONG[start]
    before = repo.state()
    with pytest.raises(kind) as error:
        run(repo, "3abc", start=start)
    assert message in str(error.value)
    assert repo.state() == before


DUMPS = {
    "postgresql": """\
\\restrict abc
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.pessoas (id integer NOT NULL, nome text);
COPY public.pessoas (id, nome) FROM stdin;
1\tAna; e Bia
2\t\\N
\\.
ALTER TABLE ONLY public.pessoas ADD CONSTRAINT pessoas_pkey PRIMARY KEY (id);
\\unrestrict abc
""",
    "mariadb": """\
/*M!999999\\- enable the sandbox mode */
-- MariaDB dump;
/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `pessoas` (
  `id` int NOT NULL,
  `nome` varchar(60)
);
INSERT INTO `pessoas` VALUES (1,'Ana; e Bia'),(2,NULL);
DELIMITER ;;
CREATE TRIGGER sim BEFORE INSERT ON pessoas FOR EACH ROW BEGIN
  SET NEW.nome = 'x';
END ;;
DELIMITER ;
""",
    "sqlite": DUMP.format(stamp="")
    .replace("PRIMARY KEY (id)", "nome TEXT")
    .replace("(7)", "(1, 'Ana; e Bia'), (2, NULL)"),
}


def test_dumps_are_read_as_the_servers_write_them(server: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.sql"
    path.write_text(DUMPS[sa.make_url(server).get_backend_name()])
    with scratch(server) as empty:
        play(empty.engine, path)
        with database.connect(empty.engine) as connection:
            found = connection.execute(sa.text("SELECT id, nome FROM pessoas ORDER BY id")).all()
    assert [tuple(row) for row in found] == [(1, "Ana; e Bia"), (2, None)]
