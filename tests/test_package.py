"""What is installed: the wheel and the command, in an environment and in folders that have never seen this repository."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa

import sqlstrata
from sqlstrata import check, down, find, history, read, rebuild, status, up
from sqlstrata.databases import creation, database, removal
from tests.projects import Project, write
from tests.servers import answering, anything

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "tasks.py", "config.yaml", "alembic.ini")
FOLDERS = ("sqlstrata", "project", "bench", "tests", "migrations")
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
TASKS = next(each for each in re.findall(r"```python\n(.*?)```", REFERENCE, re.DOTALL) if "sqlstrata.tasks" in each)
PROGRAMS = ("sqlstrata", "python -m sqlstrata", "inv")

MODULES = {
    "pessoas": """
        class Pessoa(Base):
            __tablename__ = "pessoas"
            id: Mapped[int] = mapped_column(primary_key=True)
            nome: Mapped[str] = mapped_column(sa.String(50))
        """,
    "cidades": """
        class Cidade(Base):
            __tablename__ = "cidades"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
}
STAGES = [
    {"name": "pessoas", "enable": ["pessoas"], "rows": {"pessoas": [{"nome": "Ana"}]}},
    {"name": "cidades", "enable": ["cidades"]},
]

# ------------------------------------------------ the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools writes beside what it builds."""
    copy, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copy(ROOT / name, copy / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.db"))
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(made), str(copy)]
    done = subprocess.run([*words, *_unisolated()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = made.glob("*.whl")
    return found


def _unisolated() -> list[str]:
    """The option that needs no network, where the environment has a setuptools that can build this."""
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        return []
    return ["--no-build-isolation"] if int(version.partition(".")[0]) >= 80 else []


@pytest.fixture(scope="module")
def held(wheel: Path) -> dict[str, str]:
    """The wheel's files by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}


def test_the_wheel_holds_every_file_of_the_package_and_no_other(held: Mapping[str, str]) -> None:
    package = ROOT / "sqlstrata"
    ours = {
        f"sqlstrata/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in held if ".dist-info/" not in name} == ours


@pytest.mark.parametrize("name", ["py.typed", "alembic.ini", "script.py.mako", "env.py", "operations/__init__.py"])
def test_the_wheel_holds_what_is_no_module(held: Mapping[str, str], name: str) -> None:
    assert [each for each in held if each.startswith("sqlstrata/") and each.endswith(f"/{name}")]


def test_the_wheel_has_one_top_and_one_command(held: Mapping[str, str]) -> None:
    """Neither the example nor the benchmark, the tests or the tasks of this repository are installed."""
    assert {name.partition("/")[0] for name in held if ".dist-info/" not in name} == {"sqlstrata"}
    (commands,) = (text for name, text in held.items() if name.endswith("/entry_points.txt"))
    assert commands.split() == ["[console_scripts]", "sqlstrata", "=", "sqlstrata.cli:program.run"]
    (said,) = (text for name, text in held.items() if name.endswith("/METADATA"))
    extras = HeaderParser().parsestr(said).get_all("Provides-Extra")
    assert {"postgresql", "mariadb"} <= set(extras or ())


# ------------------------------------------------ an environment that has it


class Installed:
    """A virtual environment with the wheel in it, and the dependencies of the environment that the tests run in."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"

    def words(self, program: str) -> list[str]:
        """The beginning of a command line."""
        first, *rest = {"inv": "python -m invoke"}.get(program, program).split()
        return [str(self.bin / first), *rest]

    def run(self, command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder, in an environment that does not know of this repository."""
        program = next(each for each in (*PROGRAMS, "python") if command.startswith(each))
        kept = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")
        return subprocess.run(
            [*self.words(program), *command.removeprefix(program).split()],
            cwd=folder,
            env={**{name: os.environ[name] for name in kept if name in os.environ}, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def __call__(self, command: str, folder: Path, **variables: str) -> str:
        """Run a command that must succeed; give what it prints."""
        done = self.run(command, folder, **variables)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert str(ROOT) not in done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """No network is needed for it: the dependencies are looked for where the tests have them."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = str(folder / "bin" / "python")
    words = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run([*words, str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (packages,) = (folder / "lib").glob("python*/site-packages")
    paths = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return Installed(folder)


@pytest.fixture
def places(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The server that the test names, and the URL of a database on it that is not there yet; dropped at the end."""
    server = answering(request.param)
    if request.param == "sqlite":
        yield server, "sqlite:///dev.db"
        return
    url = sa.make_url(server).set(database=f"strata_package_{secrets.token_hex(6)}")
    yield server, url.render_as_string(hide_password=False)
    removal.drop(url, anything)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write(tmp_path / "loja", MODULES, STAGES)


def test_what_runs_is_what_was_installed(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "where.py").write_text("import sqlstrata, sys\nprint(sqlstrata.__file__, *sys.path)\n", "utf-8")
    found = installed("python where.py", tmp_path)
    assert found.startswith(str(installed.bin.parent))


@pytest.mark.parametrize(
    ("places", "program"),
    [("sqlite", "sqlstrata"), ("postgresql", "sqlstrata"), ("mariadb", "sqlstrata"), ("sqlite", "inv")],
    indirect=["places"],
)
def test_a_project_of_ones_own_goes_from_models_to_a_database(
    installed: Installed, places: tuple[str, str], tmp_path: Path, program: str
) -> None:
    """`sqlstrata` needs no tasks.py; with one of two lines `inv` does the same."""
    server, url = places
    made = write(tmp_path / "loja", MODULES, STAGES, url=url, prove_on=[server])
    if program == "inv":
        (made.folder / "tasks.py").write_text(TASKS, encoding="utf-8")
    creation.create(made.url)
    assert "Proved on: " in installed(f"{program} rebuild --no-apply", made.folder)
    assert list(made.files()) == ["0001_pessoas.py", "0002_cidades.py"]
    assert installed.run(f"{program} status", made.folder).returncode == 4
    assert installed(f"{program} up", made.folder) == "Applied: pessoas, cidades.\n"
    assert "Pending: nothing" in installed(f"{program} status", made.folder)
    assert installed(f"{program} check", made.folder) == "The history is what the stages give.\n"
    assert _tables(made) == {"pessoas", "cidades"}


def test_the_installed_program_makes_a_whole_folder_and_proves_it(installed: Installed, project: Project) -> None:
    installed("python -m sqlstrata rebuild", project.folder)
    assert "total" in installed("python -m sqlstrata verify", project.folder)
    folder = project.folder / "migrations"
    assert {"env.py", "script.py.mako", "versions"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("program", PROGRAMS[:2])
def test_help_and_version_speak_of_the_program_that_was_run(
    installed: Installed, project: Project, program: str
) -> None:
    assert re.fullmatch(r"sqlstrata \d+\.\d+\.\d+\n", installed(f"{program} --version", project.folder))
    for words in ("--help", "status --help", "--help status", "--list", ""):
        told = installed(f"{program} {words}".strip(), project.folder)
        assert not re.search(r"\binv\b|invoke", told), told
        assert "Usage: sqlstrata " in told or "elp" not in words


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_error_names_the_command_as_it_is_run_there(installed: Installed, project: Project, program: str) -> None:
    """Whoever has no tasks.py cannot run `inv`."""
    (project.folder / "tasks.py").write_text(TASKS, encoding="utf-8")
    name = program.rpartition(" ")[2]
    done = installed.run(f"{program} up", project.folder)
    assert (done.returncode, done.stderr) == (2, f"There is no history yet. Run `{name} rebuild`.\n")
    done = installed.run(f"{program} up --json", project.folder)
    assert f'"hint": "Run `{name} rebuild`."' in done.stdout
    installed(f"{program} rebuild", project.folder)
    told = installed(f"{program} onboard", project.folder)
    told += installed(f"{program} new-stage novo", project.folder)
    assert f"`{name} stages`" in told
    assert set(re.findall(r"`(\w+) [a-z-]+`", told)) == {name}


# ------------------------------------------------ names that are the user's

TAKEN = ("project", "migrations", "tasks", "stages", "operations", "sqlstrata_models", "bench", "tests", "plan", "env")


def _named(folder: Path, package: str, table: str = "pessoas", **more: str) -> Project:
    """A project whose package of models has this name, and whose Alembic folder has another one."""
    path = package.replace(".", "/")
    made = write(folder, {}, [{"name": table, "enable": [table]}], package=path)
    for name, text in {table: MODULES["pessoas"].replace("pessoas", table), **more}.items():
        made.module(name, text)
        module = made.folder / path / f"{name}.py"
        module.write_text(module.read_text("utf-8").replace(f"from {path}.", f"from {package}."), encoding="utf-8")
    made.configure(models={"package": package, "base": "base:Base"}, migrations="historia")
    return made


def _tables(made: Project) -> set[str]:
    with database.connect(database.engine(made.url)) as connection:
        return set(sa.inspect(connection).get_table_names()) - {"alembic_version"}


@pytest.mark.parametrize("name", TAKEN[:2])
def test_a_package_may_have_any_name(installed: Installed, tmp_path: Path, name: str) -> None:
    """Whatever the program's own packages, files and folders are called; stock Alembic takes it, too."""
    made = _named(tmp_path / "loja", f"{name}.models")
    installed("python -m sqlstrata rebuild", made.folder)
    assert _tables(made) == {"pessoas"}
    ini = (ROOT / "sqlstrata" / "commands" / "alembic.ini").read_text(encoding="utf-8")
    ini = ini.replace("MIGRATIONS", "historia").replace("CONFIG", "config.yaml")
    (made.folder / "alembic.ini").write_text(ini, encoding="utf-8")
    told = installed("python -m alembic check", made.folder, DATABASE_URL=made.url)
    assert "No new upgrade operations detected." in told


@pytest.mark.parametrize("inside", ["", ".models"], ids=["itself", "within"])
@pytest.mark.parametrize("name", TAKEN[::3])
def test_two_projects_in_one_process_may_have_packages_of_one_name(tmp_path: Path, name: str, inside: str) -> None:
    """Also of a name that the program that runs them has taken; it keeps what it has."""
    plans = [read(_named(tmp_path / table, name + inside, table).config) for table in ("pessoas", "lojas")]
    assert name not in {"project", "bench", "tests"} or importlib.import_module(name)
    before = {key: value for key, value in sys.modules.items() if key.partition(".")[0] == name}
    for _ in range(2):
        for plan, table in zip(plans, ("pessoas", "lojas"), strict=True):
            revisions = rebuild(plan, proof=False).revisions
            assert [each.stage for each in revisions] == [each.stage for each in history(plan)] == [table]
            assert check(plan).mismatch is None
            assert status(plan).schema_matches
            assert down(plan, "base") == up(plan) == (table,)
    assert {key: value for key, value in sys.modules.items() if key.partition(".")[0] == name} == before


def test_two_projects_in_one_process_are_proved_alternately(tmp_path: Path) -> None:
    plans = [read(_named(tmp_path / table, "project.models", table).config) for table in ("pessoas", "lojas")]
    for plan in plans * 2:
        assert rebuild(plan, force=True).proved_on == ("SQLite in memory",)
        shutil.rmtree(plan.migrations)


@pytest.mark.parametrize("name", sqlstrata.__all__)
def test_a_public_name_is_not_that_of_a_module(name: str) -> None:
    """A package's module takes its attribute when it is first imported, whatever stood there."""
    assert PathFinder.find_spec(name, sqlstrata.__path__) is None
    assert getattr(sqlstrata, name) is getattr(sqlstrata, name)
    assert not isinstance(getattr(sqlstrata, name), ModuleType)


# ------------------------------------------------ where the plan is


@pytest.fixture
def deep(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a folder two floors below the plan."""
    folder = project.folder / "docs" / "imagens"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for name in ("CONFIG", "SQLSTRATA_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_the_plan_is_in_the_working_directory_or_above(deep: Path, project: Project) -> None:
    """As Invoke looks for tasks.py; the nearest counts."""
    assert find() == Path("../../config.yaml")
    (deep.parent / "config.yaml").touch()
    assert find() == Path("../config.yaml")
    (deep / "config.yaml").touch()
    assert find() == Path("config.yaml")
    assert find("../../config.yaml") == Path("../../config.yaml")


def test_a_folder_of_that_name_is_no_plan(deep: Path) -> None:
    (deep / "config.yaml").mkdir()
    assert find() == Path("../../config.yaml")


def test_the_variable_names_the_plan_whether_it_is_there_or_not(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said to us alone is not passed over."""
    monkeypatch.setenv("CONFIG", "../../config.yaml")
    monkeypatch.setenv("SQLSTRATA_CONFIG", "../outro.yaml")
    assert find() == Path("../outro.yaml")
    assert find("config.yaml") == Path("config.yaml")
    monkeypatch.setenv("SQLSTRATA_CONFIG", "")
    assert find() == Path("../../config.yaml")


@pytest.mark.parametrize("said", ["Release", "../nada.yaml", "..", ""])
def test_a_variable_of_another_program_counts_only_as_a_file(
    deep: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("CONFIG", said)
    assert find() == Path("../../config.yaml")
    (deep / "outro.yaml").touch()
    monkeypatch.setenv("CONFIG", "outro.yaml")
    assert find() == Path("outro.yaml")


def test_without_a_plan_the_one_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find() == Path("config.yaml")


@pytest.mark.parametrize("program", ["sqlstrata", "inv"])
def test_a_command_works_in_a_folder_below(installed: Installed, deep: Path, project: Project, program: str) -> None:
    """Relative paths start at the plan, not at the working directory."""
    (project.folder / "tasks.py").write_text(TASKS, encoding="utf-8")
    installed(f"{program} rebuild", deep, CONFIG="Release")
    assert (project.folder / "dev.db").exists()
    assert list(project.files()) == ["0001_pessoas.py", "0002_cidades.py"]
    assert list(deep.iterdir()) == []
    done = installed.run(f"{program} check", deep, SQLSTRATA_CONFIG="nada.yaml")
    assert (done.returncode, "nada.yaml" in done.stderr) == (2, True)
    other = write(project.folder / "outro", MODULES, STAGES[:1])
    installed(f"{program} rebuild", deep, SQLSTRATA_CONFIG=str(other.config))
    assert list(other.files()) == ["0001_pessoas.py"]
