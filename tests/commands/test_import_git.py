"""import-git: frozen stages from the models at git refs, for repositories of many kinds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sqlstrata import commands
from sqlstrata.command import variables
from sqlstrata.commands.import_git import Imported
from sqlstrata.errors import HistoryDiffers, Refused, WrongUse
from sqlstrata.modules.turning import turns
from sqlstrata.past import models
from sqlstrata.past.git import _version
from sqlstrata.past.models import Importing, importing
from sqlstrata.past.place import Options
from sqlstrata.past.refs import named
from sqlstrata.plan import Plan, read
from sqlstrata.revisions.frozen import differing
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described

BASE = """
    import sqlalchemy as sa
    from sqlalchemy.orm import declarative_base

    Base = declarative_base()
"""
HEAD = "import sqlalchemy as sa\nfrom app.base import Base\n"
PESSOA = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id = sa.Column(sa.Integer, primary_key=True)
    nome = sa.Column(sa.String(60))
"""
CIDADE = """
class Cidade(Base):
    __tablename__ = "cidades"
    id = sa.Column(sa.Integer, primary_key=True)
    nome = sa.Column(sa.String(60), nullable=False)
"""


@dataclass(frozen=True)
class Repo:
    """A git repository with a config.yaml, which is not committed."""

    folder: Path

    def git(self, *words: str) -> str:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        who = ("-c", "user.name=n", "-c", "user.email=n@localhost", "-c", "protocol.file.allow=always")
        done = subprocess.run(
            ["git", "-C", str(self.folder), *who, *words], env=env, check=True, capture_output=True, text=True
        )
        return done.stdout

    def release(self, tag: str, files: Mapping[str, str | None]) -> None:
        """Write files, or remove them, commit, and tag."""
        for name, text in files.items():
            path = self.folder / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        self.git("add", "--", *files)
        self.git("commit", "-q", "--allow-empty", "-m", tag)
        self.git("tag", tag)

    def configure(self, stages: list[dict[str, Any]] | None = None, **given: object) -> None:
        models = {"package": "app", "base": "base:Base", **{key: given.pop(key) for key in ("package", "base", "modules")
                                                          if key in given}}  # fmt: skip
        stages = stages or [{"name": "agora", "live": True}]
        said = {"database": {"url": "sqlite:///dev.db"}, "models": models, **given, "stages": stages}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(said, sort_keys=False))

    def plan(self) -> Plan:
        return read(self.folder / "config.yaml")

    def stage(self, name: str) -> str:
        return (self.folder / "stages" / f"{name}.py").read_text()

    def state(self) -> dict[str, bytes]:
        """Every file of the work tree that git does not have, and the refs and the index of git."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and ".sqlstrata" not in path.parts)
        kept = {"index", "HEAD", "packed-refs", "refs", "logs", "worktrees"}
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in files
            if (parts := path.relative_to(self.folder).parts)[0] != ".git" or parts[1] in kept
        }

    def schemas(self) -> dict[str, list[str]]:
        """The tables of each frozen stage."""
        plan = self.plan()
        frozen = replace(plan, stages=tuple(stage for stage in plan.stages if stage.frozen))
        return {turn.stage.name: sorted(turn.metadata.tables) for turn in turns(frozen)}


def repository(folder: Path) -> Repo:
    """An empty repository, with a config.yaml that is not committed."""
    made = Repo(folder)
    made.folder.mkdir()
    made.git("init", "-q")
    made.configure()
    return made


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return repository(tmp_path / "projeto")


@pytest.fixture
def released(repo: Repo) -> Repo:
    """Three releases of one package, the second of which changes no schema."""
    repo.release("v1.0", {"app/__init__.py": "", "app/base.py": BASE, "app/pessoa.py": HEAD + PESSOA})
    repo.release("v1.0.1", {"app/ajuda.py": "x = 1\n"})
    repo.release("v1.10", {"app/cidade.py": HEAD + CIDADE})
    return repo


def run(repo: Repo, *at: str, importing: Importing | None = None, **more: Any) -> Imported:
    return commands.import_git(repo.plan(), at, importing=importing or Importing(sys.executable), **more)


def refusal(repo: Repo, *at: str, **more: Any) -> str:
    """The error, and nothing may have been written."""
    before = repo.state()
    with pytest.raises(WrongUse) as error:
        run(repo, *at, **more)
    assert repo.state() == before
    return str(error.value)


# ------------------------------------------------------------------- what is written


def test_each_ref_whose_schema_differs_is_a_frozen_stage_before_the_live_one(released: Repo) -> None:
    before = released.state()
    done = run(released, tags="v*")
    assert [(each.stage, each.ref, each.tables) for each in done.made] == [("v1_0", "v1.0", 1), ("v1_10", "v1.10", 2)]
    assert [(each.ref, each.why) for each in done.skipped] == [("v1.0.1", "its schema is that of v1.0")]
    assert [(each.name, each.frozen, each.live) for each in released.plan().stages] == [
        ("v1_0", True, False),
        ("v1_10", True, False),
        ("agora", False, True),
    ]
    assert released.schemas() == {"v1_0": ["pessoas"], "v1_10": ["cidades", "pessoas"]}
    assert "pessoas" not in released.stage("v1_10"), "a file has what its stage changes"
    written = {"config.yaml", "stages/v1_0.py", "stages/v1_10.py"}
    assert {name for name, text in released.state().items() if before.get(name) != text} == written
    assert (
        list(done.lines())[-1] == "Next: `inv rebuild`, which lists the renames, drops and fills that the stages need."
    )
    commands.rebuild(released.plan())
    commands.check(released.plan())


def test_what_it_reports_as_json(released: Repo) -> None:
    done = run(released, "v1.0", "v1.0.1")
    tree = released.git("rev-parse", "v1.0^{tree}").strip()
    file = released.folder / "stages" / "v1_0.py"
    assert done.to_json() == {
        "stages": [{"name": "v1_0", "ref": "v1.0", "tree": tree, "tables": 1, "file": str(file)}],
        "kept": [],
        "skipped": [{"ref": "v1.0.1", "why": "its schema is that of v1.0"}],
        "notes": [],
        "written": [str(file), str(released.folder / "config.yaml")],
    }


def test_run_again_it_adds_what_is_new_and_changes_no_byte_of_what_is_there(released: Repo) -> None:
    run(released, tags="v*")
    before = released.state()
    again = run(released, tags="v*")
    assert (again.made, again.kept) == ((), ("v1_0", "v1_10"))
    assert released.state() == before
    released.git("commit", "-q", "--amend", "-m", "rebased")
    released.git("tag", "-f", "v1.10", "v1.0")  # a tag that moved
    released.release("v2.0", {"app/pessoa.py": HEAD + PESSOA.replace("60", "80")})
    run(released, tags="v*")
    assert [stage.name for stage in released.plan().stages] == ["v1_0", "v1_10", "v2_0", "agora"]
    for name in ("stages/v1_0.py", "stages/v1_10.py"):
        assert released.state()[name] == before[name]


def test_a_ref_between_two_stages_is_refused_unless_its_schema_is_that_of_the_one_before(released: Repo) -> None:
    run(released, "v1.0", "v1.10")
    released.git("checkout", "-q", "v1.0")
    released.release("v1.5", {"app/pessoa.py": HEAD + PESSOA.replace("60", "70")})
    assert refusal(released, tags="v*") == (
        "v1.5 comes before v1.10, which is a stage already, and its schema is another. "
        "A stage is added after the frozen ones only; leave this ref out."
    )
    done = run(released, "v1.0", "v1.0.1", "v1.10")
    assert [each.ref for each in done.skipped] == ["v1.0.1"]


def test_frozen_stages_that_are_there_stay_before_the_new_ones(released: Repo) -> None:
    released.git("checkout", "-q", "v1.0")
    commands.rebuild(released.plan())
    commands.new_stage(released.plan(), "depois")
    run(released, "v1.0.1", "v1.10")
    assert [stage.name for stage in released.plan().stages] == ["agora", "v1_10", "depois"]


def test_what_the_stages_must_allow_is_asked_for_by_rebuild(released: Repo) -> None:
    released.release("v2.0", {"app/pessoa.py": HEAD + PESSOA.replace("nome", "nome_completo")})
    run(released, tags="v*")
    with pytest.raises(Refused, match="pessoas.nome"):
        commands.rebuild(released.plan())


def test_stages_of_modules_come_after_the_frozen_ones(released: Repo) -> None:
    released.configure([{"name": "pessoa", "enable": ["pessoa"]}, {"name": "cidade", "enable": ["cidade"]}])
    run(released, "v1.0")
    assert [stage.name for stage in released.plan().stages] == ["v1_0", "pessoa", "cidade"]
    commands.rebuild(released.plan())


def test_comments_and_layout_of_the_configuration_are_kept(released: Repo) -> None:
    path = released.folder / "config.yaml"
    head = (
        'database: {url: "sqlite:///dev.db"}  # desenvolvimento\nmodels: {package: app, base: "base:Base"}\nstages:\n'
    )
    live = "  # o que vale agora\n  - name: agora   # hoje\n    live: true"
    path.write_text(head + live)
    run(released, "v1.0")
    first = "  - name: v1_0\n    message: v1.0\n    frozen: true\n\n"
    assert path.read_text() == head + first + live
    run(released, "v1.0", "v1.10")
    second = "  - name: v1_10\n    message: v1.10\n    frozen: true\n\n"
    assert path.read_text() == head + first + second + live


@pytest.mark.parametrize("stages", ["[{name: agora, live: true}]", "\n- {name: agora, live: true}"])
def test_stages_may_be_written_in_any_way_that_yaml_has(released: Repo, stages: str) -> None:
    path = released.folder / "config.yaml"
    path.write_text(
        f'database: {{url: "sqlite:///dev.db"}}\nmodels: {{package: app, base: "base:Base"}}\nstages: {stages}'
    )
    run(released, "v1.0")
    run(released, "v1.10")
    assert [stage.name for stage in released.plan().stages] == ["v1_0", "v1_10", "agora"]


def test_the_command_line_takes_every_option_and_reports_as_json(released: Repo, tmp_path: Path) -> None:
    (tmp_path / "no_lugar").mkdir()
    released.release("v2.0", {"app/cidade.py": "import falta\n" + HEAD + CIDADE})
    options = "--models app --root . --base app.base:Base --env A=1 --env B=2 --repository . --json".split()
    more = ["--python", sys.executable, "--stand-ins", str(tmp_path / "no_lugar")]
    words = [sys.executable, "-m", "sqlstrata", "import-git", "--tags", "v*", *options, *more]
    env = {**os.environ, "PYTHONPATH": str(Path(commands.__file__).parents[2])}
    done = subprocess.run(words, cwd=released.folder, env=env, check=False, capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["error"]["missing"]) == (2, ["falta"])
    words += ["--stub", "falta"]
    done = subprocess.run(words, cwd=released.folder, env=env, check=False, capture_output=True, text=True)
    assert (done.returncode, [each["ref"] for each in json.loads(done.stdout)["stages"]]) == (0, ["v1.0", "v1.10"])


# --------------------------------------------------------------- where the models are


LAYOUTS: Mapping[str, tuple[dict[str, str], dict[str, object], Options]] = {
    "one module": (
        {"models.py": textwrap.dedent(BASE) + PESSOA},
        {"package": "models", "base": "__init__:Base"},
        Options(),
    ),
    "one package that imports its modules": (
        {
            "app/__init__.py": "from app.base import Base\nfrom app import pessoa\n",
            "app/base.py": BASE,
            "app/pessoa.py": HEAD + PESSOA,
        },
        {},
        Options(),
    ),
    "many packages": (
        {
            "app/base.py": BASE,
            "app/a/models.py": HEAD + PESSOA,
            "app/b/views.py": "raise RuntimeError('not a model')\n",
            "app/b/models.py": HEAD + CIDADE,
        },
        {"modules": ["*.models"]},
        Options(),
    ),
    "the base elsewhere": (
        {"nucleo/db.py": BASE, "app/models.py": "import sqlalchemy as sa\nfrom nucleo.db import Base\n" + PESSOA},
        {"base": "nucleo.db:Base"},
        Options(),
    ),
    "the base elsewhere then": (
        {"nucleo/db.py": BASE, "app/models.py": "import sqlalchemy as sa\nfrom nucleo.db import Base\n" + PESSOA},
        {},
        Options(bases=("app.base:Base", "nucleo.db:Base")),
    ),
    "below src": ({"src/app/base.py": BASE, "src/app/models.py": HEAD + PESSOA}, {}, Options()),
    "below any folder": ({"a/b/app/base.py": BASE, "a/b/app/models.py": HEAD + PESSOA}, {}, Options()),
    "in another folder then": (
        {"server/__init__.py": "", "server/app/__init__.py": "", "server/app/base.py": BASE,
         "server/app/models.py": (HEAD + PESSOA).replace("app.base", "server.app.base")},
        {},
        Options(models=("backend/app", "server/app")),
    ),
    "in another folder with its root": (
        {"old/server/base.py": BASE, "old/server/models.py": (HEAD + PESSOA).replace("app.base", "server.base")},
        {},
        Options(models=("old/server",), roots=("old",)),
    ),
    "a base as Flask-SQLAlchemy's": (
        {
            "flask_like.py": (
                "import sqlalchemy as sa\nfrom sqlalchemy.orm import declarative_base\n\n\nclass SQLAlchemy:\n"
                "    def __init__(self):\n        self.Model = declarative_base()\n        self.Column = sa.Column\n"
                "        self.Integer = sa.Integer\n        self.metadatas = {None: self.Model.metadata}\n\n"
                "    @property\n    def metadata(self):\n        return self.metadatas[None]\n"
            ),
            "app/__init__.py": "from flask_like import SQLAlchemy\n\ndb = SQLAlchemy()\n",
            "app/models.py": (
                "from app import db\n\n\nclass Pessoa(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
                "    __tablename__ = 'pessoas'\n"
            ),
        },
        {"base": "__init__:db"},
        Options(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_models_are_found_where_they_were(repo: Repo, layout: str) -> None:
    files, config, options = LAYOUTS[layout]
    repo.configure(**config)
    repo.release("v1", files)
    run(repo, "v1", options=options)
    assert "pessoas" in repo.schemas()["v1"]


def test_a_base_that_is_not_there_is_refused_with_those_that_are(repo: Repo) -> None:
    repo.release("v1", {"app/db.py": BASE, "app/pessoa.py": (HEAD + PESSOA).replace("app.base", "app.db")})
    assert refusal(repo, "v1") == (
        "The models at v1 cannot be read: there is no app.base:Base or base:Base. "
        "There is app.db:Base, with 1 tables: `--base app.db:Base`."
    )


def test_tables_of_another_base_are_reported(repo: Repo) -> None:
    other = textwrap.dedent(BASE) + 'sa.Table("avisos", Base.metadata, sa.Column("id", sa.Integer))\n'
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": HEAD + PESSOA, "app/avisos.py": other})
    assert run(repo, "v1").notes == ("v1: app.avisos:Base has 1 more table, which are in no base.",)
    repo.release("v2", {"app/pessoa.py": HEAD + PESSOA + CIDADE})
    repo.configure([{"name": "v1", "frozen": True}], base=["base:Base", "avisos:Base"])
    run(repo, "v2")
    assert repo.schemas()["v2"] == ["avisos", "cidades", "pessoas"]


def test_tags_without_models_are_skipped_and_refs_without_them_refused(repo: Repo) -> None:
    repo.release("v0.1", {"LEIAME": "nada\n"})
    repo.release("v0.2", {"app/base.py": BASE})
    repo.release("v1.0", {"app/pessoa.py": HEAD + PESSOA})
    assert refusal(repo, "v0.1") == (
        "There are no models at v0.1: no app. `--models PATH` is where they lie in the repository, "
        "`--root PATH` where they are imported."
    )
    done = run(repo, tags="v*")
    skipped = [(each.ref, each.why) for each in done.skipped]
    assert skipped == [("v0.1", "it has no models"), ("v0.2", "its models have no tables")]
    assert [each.stage for each in done.made] == ["v1_0"]


# --------------------------------------------------------------------- repositories


def test_shallow_clones_say_how_to_get_the_rest(released: Repo, tmp_path: Path) -> None:
    clone = Repo(tmp_path / "rasa")
    released.git("clone", "-q", "--depth", "1", f"file://{released.folder}", str(clone.folder))
    clone.configure()
    clone.git("tag", "raso")
    run(clone, "raso")
    assert refusal(clone, "v1.0") == (
        f"There is no `v1.0` in the repository {clone.folder}. It is a shallow clone: "
        "`git fetch --unshallow --tags` gets the rest."
    )


def test_a_bare_repository_elsewhere_may_have_the_models(released: Repo, tmp_path: Path) -> None:
    released.git("clone", "-q", "--bare", str(released.folder), str(tmp_path / "nua.git"))
    project = Repo(tmp_path / "outro")
    project.folder.mkdir()
    project.configure()
    done = run(project, tags="v*", repository=tmp_path / "nua.git")
    assert [each.stage for each in done.made] == ["v1_0", "v1_10"]
    assert "fatal: not a git repository" in refusal(project, "v1.0")


def test_files_of_submodules_are_reported_as_not_read(released: Repo, tmp_path: Path) -> None:
    released.git("submodule", "-q", "add", str(released.folder), "app/vendor")
    released.git("commit", "-q", "-m", "vendor")
    assert run(released, "HEAD").notes == ("HEAD: The files of submodules are not read: app/vendor.",)


def test_a_clone_that_lacks_a_module_is_refused_and_one_that_lacks_another_file_is_not(repo: Repo) -> None:
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": HEAD + PESSOA, "dados.csv": "1\n", "app/x.py": "x = 1\n"})
    for name in ("dados.csv", "app/x.py"):
        blob = repo.git("rev-parse", f"v1:{name}").strip()
        (repo.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        if name == "dados.csv":
            run(repo, "v1")
            repo.configure()
            shutil.rmtree(repo.folder / "stages")
            shutil.rmtree(repo.folder / ".sqlstrata")
    assert refusal(repo, "v1") == (
        f"The file app/x.py of v1 is missing in the repository {repo.folder}. "
        "`git fetch --refetch` gets all files of a partial clone."
    )


def test_attributes_and_filters_of_the_repository_take_no_part(repo: Repo) -> None:
    text = {"app/base.py": BASE, "app/pessoa.py": HEAD + PESSOA}
    repo.release("v1", {**text, ".gitattributes": "app export-ignore\n*.py filter=x text eol=crlf\n"})
    repo.git("config", "filter.x.smudge", "false")
    repo.git("config", "filter.x.required", "true")
    run(repo, "v1")
    assert repo.schemas() == {"v1": ["pessoas"]}


def test_links_of_a_tree_are_links_if_they_stay_inside(released: Repo) -> None:
    (released.folder / "app" / "elo.py").symlink_to("cidade.py")
    (released.folder / "app" / "fora.py").symlink_to("/etc/hostname")
    released.git("rm", "-q", "--cached", "app/cidade.py")
    (released.folder / "app" / "elo.py").unlink()
    (released.folder / "app" / "elo.py").symlink_to("../outra.py")
    (released.folder / "outra.py").write_text(HEAD + CIDADE)
    released.git("add", "app/elo.py", "app/fora.py", "outra.py")
    released.git("commit", "-q", "-m", "links")
    released.configure(modules=["elo", "pessoa"])
    run(released, "HEAD")
    assert released.schemas() == {"at_head" if "at_head" in released.schemas() else "head": ["cidades", "pessoas"]}
    (tree,) = (released.folder / ".sqlstrata" / "trees").iterdir()
    assert not (tree / "app" / "fora.py").is_symlink()


def test_the_cache_is_named_by_the_tree_and_read_once(released: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    run(released, "v1.0")
    tree = released.git("rev-parse", "v1.0^{tree}").strip()
    trees = released.folder / ".sqlstrata" / "trees"
    assert [path.name for path in trees.iterdir()] == [tree]
    assert (trees.parent / ".gitignore").read_text() == "*\n"
    (trees / f"{tree}.partial-0").mkdir()
    monkeypatch.setattr("sqlstrata.past.git.Repository.extract", lambda *_: pytest.fail("read again"))
    released.git("tag", "outra", "v1.0")
    run(released, "outra")
    assert [path.name for path in trees.iterdir()] == [tree]


# ------------------------------------------------------------------- old code


MISSING = "import boto3.session\nfrom nuvem import task, Mixin\nfrom pagamento.api import Conta\n"


def test_all_missing_modules_are_reported_at_once_with_the_options_to_paste(repo: Repo) -> None:
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": MISSING + HEAD + PESSOA})
    repo.release("v2", {"app/cidade.py": "import mais\n" + HEAD + CIDADE})
    assert refusal(repo, "v1", "v2") == (
        "The models need 4 modules that cannot be imported: boto3, at v1:app/pessoa.py:1; nuvem, at v1:app/pessoa.py:2; "
        "pagamento, at v1:app/pessoa.py:3; mais, at v2:app/cidade.py:1. Add `--stub boto3 --stub mais --stub nuvem "
        "--stub pagamento` if no column depends on them; or `--python` names an interpreter that has them."
    )


def test_a_stub_can_be_called_subclassed_and_used_as_a_decorator(repo: Repo) -> None:
    used = """
@task
def rotina(): ...


@task(retry=3)
class Outra(Mixin, Base):
    __tablename__ = "outras"
    id = sa.Column(sa.Integer, primary_key=True)


class Config(Conta):
    @Conta.campo("x")
    def x(self): ...


Config.refazer()


@Config("x")
def com_classe(): ...


cliente = boto3.session.Session(region="x").client("s3", Config(x=1).y) | None
"""
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": MISSING + HEAD + PESSOA + used})
    run(repo, "v1", importing=Importing(sys.executable, ("boto3", "nuvem", "pagamento")))
    assert repo.schemas() == {"v1": ["outras", "pessoas"]}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "import vetor\n" + HEAD + PESSOA + "    v = sa.Column(vetor.Vetor(3))\n",
            "table pessoas: column v: its type comes from the stub `vetor.Vetor`",
        ),
        (
            "import vetor\n" + HEAD + "class Tipo(vetor.Vetor): ...\n" + PESSOA + "    v = sa.Column('v', Tipo())\n",
            None,
        ),
        (
            "import vetor\n" + HEAD + PESSOA + "class Outra(vetor.Modelo):\n    __tablename__ = 'outras'\n",
            "class app.pessoa.Outra has a table, and its base comes from the stub `vetor.Modelo`",
        ),
    ],
)
def test_a_stub_that_ends_in_a_column_or_table_is_refused(repo: Repo, text: str, what: str | None) -> None:
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": text})
    for stubs in ((), ("vetor",)):
        found = refusal(repo, "v1", importing=Importing(sys.executable, stubs))
        if what is not None:
            assert found == (
                f"The models at v1 cannot be read: {what}. Install that module for the interpreter of `--python`, or "
                "write one in a folder for `--stand-ins`."
            )


def test_an_attribute_that_a_stub_gives_a_model_is_reported(repo: Repo) -> None:
    text = "import imagem\n" + HEAD + PESSOA + "    foto = imagem.campo(3)\n"
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": text})
    done = run(repo, "v1", importing=Importing(sys.executable, ("imagem",)))
    assert done.notes == (
        "v1: The stub `imagem.campo` gives models attributes such as app.pessoa.Pessoa.foto, which are no columns.",
    )


def test_a_module_that_is_missing_behind_another_error_is_found(repo: Repo) -> None:
    text = (
        "try:\n    import falta\nexcept ImportError as error:\n    raise ValueError('x') from error\n" + HEAD + PESSOA
    )
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": text})
    assert "1 module that cannot be imported: falta, at v1:app/pessoa.py:4." in refusal(repo, "v1")


def test_modules_that_old_code_can_do_without_are_no_stubs(repo: Repo) -> None:
    text = "try:\n    import ujson_que_falta\nexcept ImportError:\n    ujson_que_falta = None\n" + HEAD + PESSOA
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": text + "    assert ujson_que_falta is None\n"})
    assert run(repo, "v1").made


def test_stand_ins_come_before_everything(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "no_lugar" / "app").mkdir(parents=True)
    (tmp_path / "no_lugar" / "vetor.py").write_text("import sqlalchemy as sa\nVetor = sa.LargeBinary\n")
    (tmp_path / "no_lugar" / "config_do_app.py").write_text("NOME = 60\n")
    text = "from vetor import Vetor\nfrom config_do_app import NOME\n" + HEAD + PESSOA.replace("60", "NOME")
    files = {"config_do_app.py": "raise SystemExit\n", "app/base.py": BASE, "app/pessoa.py": text}
    repo.release("v1", files)
    run(repo, "v1", importing=importing(None, [], str(tmp_path / "no_lugar"), {}))
    assert "length=60" in repo.stage("v1")


def test_variables_are_given_and_those_of_ours_are_not(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:segredo@localhost/x")
    text = "import os\nassert 'DATABASE_URL' not in os.environ\nos.environ['CHAVE']\n" + HEAD + PESSOA
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": text})
    assert refusal(repo, "v1") == (
        "v1:app/pessoa.py:3: The models at v1 cannot be read: KeyError: 'CHAVE'. "
        "`--env NAME=VALUE` gives it a variable of the environment."
    )
    run(repo, "v1", importing=importing(None, [], None, variables(["CHAVE=a=b"])))
    with pytest.raises(WrongUse, match="`--env` needs a name and a value"):
        variables(["CHAVE"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0\n", "v1:app/pessoa.py:1: The models at v1 cannot be read: ZeroDivisionError: division by zero"),
        ("x = (\n", "v1:app/pessoa.py:1: The models at v1 cannot be read: SyntaxError: "),
        ("raise SystemExit\n", "v1:app/pessoa.py:1: The models at v1 cannot be read: SystemExit"),
        ("import os\nos._exit(0)\n", "The models at v1 cannot be read: importing the models ends the process"),
        ("from json import nada\n", "v1:app/pessoa.py:1: The models at v1 cannot be read: ImportError: "),
        (
            "x = bytearray(9 * 10**9)\n",
            "v1:app/pessoa.py:1: The models at v1 cannot be read: MemoryError. Its process may",
        ),
        (
            HEAD + PESSOA + "    x = sa.Column(sa.ForeignKey('nada.id'))\n",
            "The models at v1 cannot be read: table pessoas: ",
        ),
    ],
)
def test_old_code_that_fails_is_reported_with_its_place(repo: Repo, text: str, message: str) -> None:
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": text})
    assert refusal(repo, "v1").startswith(message)


def test_old_code_that_takes_too_long_is_ended_with_all_that_it_started(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "SECONDS", 2.0)
    text = "import subprocess, time\nsubprocess.Popen(['sleep', '5.4321'])\ntime.sleep(60)\n"
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": text})
    assert "importing the models takes more than 2 seconds" in refusal(repo, "v1")
    assert subprocess.run(["pgrep", "-f", "sleep 5.4321"], check=False, capture_output=True).stdout == b""


def test_what_old_code_prints_is_kept_out_of_ours(repo: Repo, capfd: pytest.CaptureFixture[str]) -> None:
    text = (
        "import os, sys\nprint('oi')\nos.system('echo oi; echo oi >&2')\nprint('oi', file=sys.stderr)\n" + HEAD + PESSOA
    )
    repo.release("v1", {"app/base.py": BASE, "app/pessoa.py": text})
    run(repo, "v1")
    assert capfd.readouterr() == ("", "")


def test_modules_of_old_code_are_not_those_of_the_exporter(repo: Repo) -> None:
    names = ("exporter", "process", "tables", "types_", "events", "text")
    text = "".join(f"import {name}\nassert {name}.x == 1\n" for name in names) + HEAD + PESSOA
    repo.release("v1", {**{f"{name}.py": "x = 1\n" for name in names}, "app/base.py": BASE, "app/pessoa.py": text})
    assert run(repo, "v1").made


def test_an_interpreter_without_sqlalchemy_is_refused(released: Repo, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    hint = "`--python` names an interpreter that has SQLAlchemy."
    assert refusal(released, "v1.0", importing=importing(str(python), [], None, {})).endswith(f"no SQLAlchemy. {hint}")
    nothing = Importing(str(tmp_path / "nada"))
    assert "nada cannot be run: No such file or directory. " in refusal(released, "v1.0", importing=nothing)


# ------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "import-git needs refs. Give `--at REF`, once or more, or `--tags PATTERN`."),
        ({"at": ("v1.0",), "tags": "v*"}, "import-git needs refs. Give `--at REF`, once or more, or `--tags PATTERN`."),
        ({"tags": "x*"}, "No tag of {folder} matches `x*`. `git tag` lists the tags."),
        (
            {"at": ("nada",)},
            "There is no `nada` in the repository {folder}. `git tag` and `git log` list what there is.",
        ),
        (
            {"at": ("--all",)},
            "There is no `--all` in the repository {folder}. `git tag` and `git log` list what there is.",
        ),
    ],
)
def test_refs_that_are_wrong_are_refused(released: Repo, given: dict[str, Any], message: str) -> None:
    at = given.pop("at", ())
    assert refusal(released, *at, **given) == message.format(folder=released.folder)


def test_stages_and_files_that_are_in_the_way_are_refused(released: Repo) -> None:
    released.configure([{"name": "v1_0", "live": True}])
    assert refusal(released, "v1.0").endswith(
        "There already is a stage `v1_0`, and it is not frozen. Rename it in config.yaml."
    )
    released.configure()
    (released.folder / "stages").mkdir()
    (released.folder / "stages" / "v1_0.py").write_text("outra coisa\n")
    assert refusal(released, "v1.0").endswith("exists, and config.yaml has no stage v1_0. Move the file away.")


def test_a_frozen_file_that_was_edited_by_hand_is_refused(released: Repo) -> None:
    run(released, "v1.0")
    path = released.folder / "stages" / "v1_0.py"
    path.write_text(path.read_text().replace("60", "70"))
    with pytest.raises(HistoryDiffers, match="edited by hand"):
        run(released, "v1.0", "v1.10")


def test_names_of_stages_come_from_refs() -> None:
    refs = ["v1.2.0", "1.3", "release/2.0-RC1", "base", "Versão", "_x"]
    assert [*named(refs).values()] == ["v1_2_0", "v1_3", "release_2_0_rc1", "at_base", "versao", "x"]
    with pytest.raises(WrongUse, match=r"^v1\.0 and v1-0 would both be stage v1_0\. Give one of them\.$"):
        named(["v1.0", "v1-0"])


def test_tags_are_sorted_as_versions() -> None:
    tags = [
        "1.0.dev1",
        "v1.0a1",
        "v1.0b2",
        "v1.0-rc.1",
        "v1.0rc2",
        "v1.0",
        "v1.0.post1",
        "v1.0.1",
        "v1.9",
        "v1.10",
        "v2",
    ]
    assert sorted(set(tags), key=_version) == tags


# ------------------------------------------------------------------- failures


@pytest.mark.parametrize("place", ["stages/v1_10.py", "config.yaml"])
def test_after_a_write_that_fails_everything_is_as_it_was(
    released: Repo, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sys.modules["sqlstrata.disk"].write_whole

    def write(path: Path, content: bytes, **more: Any) -> None:
        if str(path).endswith(place) and b"v1_0" in content + b"v1_0" * (place != "config.yaml"):
            raise OSError(28, "No space left on device")
        whole(path, content, **more)

    monkeypatch.setattr("sqlstrata.disk.write_whole", write)
    assert "No space left on device" in refusal(released, tags="v*")
    assert not (released.folder / "stages").exists()


def test_after_a_kill_at_any_moment_it_can_be_run_again(released: Repo) -> None:
    """A run that is killed leaves config.yaml whole, and no file that stands in the way of the next."""
    program = (
        "import os, sys, sqlstrata.disk as disk\n"
        "left = [int(sys.argv[1])]\n"
        "def count(name, function):\n"
        "    def counted(*given, **named):\n"
        "        left[0] -= 1\n"
        "        if left[0] < 0: os._exit(9)\n"
        "        return function(*given, **named)\n"
        "    return counted\n"
        "for name in ('write_new', 'sync_folder'): setattr(disk, name, count(name, getattr(disk, name)))\n"
        "from pathlib import Path\n"
        "Path.rename = count('rename', Path.rename)\n"
        "from sqlstrata import import_git, read\n"
        "import_git(read(sys.argv[2]), tags='v*')\n"
    )
    config = released.folder / "config.yaml"
    before, codes = config.read_bytes(), []
    for number in range(20):
        done = subprocess.run(
            [sys.executable, "-c", program, str(number), str(config)], check=False, capture_output=True
        )
        codes.append(done.returncode)
        if done.returncode == 0:
            break
        assert done.returncode == 9, done.stderr.decode()
        whole = {stage.name for stage in released.plan().stages}
        assert config.read_bytes() == before or whole == {"v1_0", "v1_10", "agora"}
        config.write_bytes(before)
    assert codes[-1] == 0
    assert len(codes) > 5
    assert released.schemas() == {"v1_0": ["pessoas"], "v1_10": ["cidades", "pessoas"]}
    assert [path for path in (released.folder / ".sqlstrata" / "trees").iterdir() if "partial" in path.name] == []


# --------------------------------------------------------- the same schemas


def test_the_schemas_are_those_that_the_models_give_on_every_server(repo: Repo) -> None:
    model = """
    import enum
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql, postgresql
    from app.base import Base

    class Cor(enum.Enum):
        azul = 1
        verde = 2

    class Guid(sa.types.TypeDecorator):
        impl = sa.CHAR
        cache_ok = True

        def load_dialect_impl(self, dialect):
            return dialect.type_descriptor(postgresql.UUID() if dialect.name == "postgresql" else sa.CHAR(32))

    class Ponto(sa.types.UserDefinedType):
        def get_col_spec(self, **_):
            return "POINT"

    class Pessoa(Base):
        __tablename__ = "pessoas"
        __table_args__ = (
            sa.CheckConstraint("idade > 0", name="positiva"),
            sa.Index("ix_minuscula", sa.text("lower(nome)")),
            sa.Index("ix_parte", "idade", postgresql_where=sa.text("idade > 3"), sqlite_where=sa.text("idade > 3")),
            {"mysql_engine": "InnoDB", "comment": "pessoas: todas"},
        )
        id = sa.Column(Guid(), primary_key=True)
        nome = sa.Column(sa.String(30).with_variant(mysql.VARCHAR(30, collation="utf8mb4_bin"), "mysql", "mariadb"))
        cor = sa.Column(sa.Enum(Cor, name="cor"), index=True, server_default="azul")
        tom = sa.Column(sa.Enum("a", "b", native_enum=False, name="tom", create_constraint=True))
        idade = sa.Column(sa.Integer, default=3, server_default=sa.text("3"))
        dados = sa.Column(postgresql.JSONB().with_variant(sa.JSON(), "sqlite", "mysql", "mariadb"))
        ativa = sa.Column(sa.Boolean(create_constraint=True, name="ativa"), server_default=sa.false(), nullable=False)
        desde = sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
        dobro = sa.Column(sa.Integer, sa.Computed("idade * 2"))
        ponto = sa.Column(Ponto())

    class Item(Base):
        __tablename__ = "itens"
        id = sa.Column(sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)
        numero = sa.Column(sa.Integer, sa.Sequence("numero_seq"))
        pai = sa.Column("pai_id", sa.ForeignKey("itens.id", name="fk_pai", use_alter=True), key="pai")
        pessoa = sa.Column(sa.ForeignKey("pessoas.id", ondelete="CASCADE"))

    sa.event.listen(
        Item.__table__,
        "after_create",
        sa.DDL("CREATE VIEW muitos AS SELECT id FROM itens /* 100%% */").execute_if(dialect="postgresql"),
    )
    """
    naming = BASE.replace(
        "declarative_base()",
        'declarative_base(metadata=sa.MetaData(naming_convention={"uq": "uq_%(table_name)s", "ix": "i_%(column_0_label)s", '
        '"ck": "ck_%(table_name)s_%(constraint_name)s", "pk": "pk_%(table_name)s", "fk": "fk_%(table_name)s"}))',
    )
    repo.configure(servers=["sqlite", "postgresql", "mariadb"])
    repo.release("v1", {"app/base.py": naming, "app/pessoa.py": model})
    run(repo, "v1")
    past, live = (describe(turn.metadata, described=Described(repo.plan().dialects)) for turn in turns(repo.plan()))
    for part, key in differing(live, past):
        found, wanted = getattr(past, part).get(key), getattr(live, part).get(key)
        assert found == wanted
