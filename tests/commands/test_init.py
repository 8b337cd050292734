"""`init`: from nothing, from models, or from a database, to a plan that works; and nothing of the user's is changed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands, disk
from sqlstrata.commands.init import Begun
from sqlstrata.databases import creation
from sqlstrata.errors import SchemaDiffers, Unreachable, WrongUse
from sqlstrata.plan import read
from tests.commands.running import Inv, execute, tables, tree

BASE = """
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, sessionmaker

engine = create_engine("sqlite:///app.db")
Session = sessionmaker(engine)


class Base(DeclarativeBase):
    pass
"""
IMPORT = "from {base} import Base\n"
USER = f"""
from sqlalchemy.orm import Mapped, mapped_column
{IMPORT}

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
POST = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column
from {base} import Base
from {user} import User


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
"""
FASTAPI = {
    "app/__init__.py": "",
    "app/database.py": BASE,
    "app/models/__init__.py": "",
    "app/models/user.py": USER.format(base="app.database"),
    "app/models/post.py": POST.format(base="app.database", user="app.models.user"),
    "app/main.py": "from app.database import Base, engine\nBase.metadata.create_all(engine)\n",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is an empty folder `blog`."""
    (tmp_path / "blog").mkdir()
    monkeypatch.chdir(tmp_path / "blog")
    for name in ("CONFIG", "SQLSTRATA_CONFIG", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def lay(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def init(**options: object) -> Begun:
    return commands.init(Path("config.yaml"), **options)  # type: ignore[arg-type]


def names() -> set[str]:
    return {path.as_posix() for path in Path().rglob("*") if path.is_file() and "__pycache__" not in path.parts}


BESIDE = {"config.yaml", "tasks.py", ".gitignore", "alembic.ini", "migrations/env.py", "migrations/script.py.mako"}


# ------------------------------------------------ nothing yet


def test_two_commands_lead_from_an_empty_folder_to_a_migrated_table(inv: Inv) -> None:
    ran = inv("init")
    assert (ran.code, ran.err) == (0, "")
    assert names() == {
        *BESIDE,
        *(f"blog/{name}" for name in ("__init__.py", "models/__init__.py", "models/base.py", "models/item.py")),
    }
    assert ran.out.splitlines()[-1] == (
        "Next: write your model in blog/models/item.py; then `inv rebuild` writes the first revision, and brings the "
        "database to it."
    )
    assert inv("rebuild").code == 0
    assert tables("sqlite:///blog.db") == ["item"]
    assert inv("check").code == 0


def test_what_is_written_works_without_another_file(inv: Inv) -> None:
    """`inv` finds tasks.py, stock Alembic alembic.ini with its logging, and git ignores what is of this machine."""
    inv("init")
    inv("rebuild", "--no-apply")
    done = subprocess.run([sys.executable, "-m", "invoke", "up"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Applied: item.")
    down = [sys.executable, "-m", "alembic", "downgrade", "base"]
    done = subprocess.run(down, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "INFO  [alembic.runtime.migration] Running downgrade" in done.stderr
    subprocess.run(["git", "init", "--quiet"], check=True)
    found = subprocess.run(["git", "status", "--short", "-uall"], capture_output=True, text=True, check=True).stdout
    assert {line[3:] for line in found.splitlines()} == names() - {
        "blog.db",
        *(name for name in names() if name.startswith((".git/", ".sqlstrata/"))),
    }


def test_the_first_module_has_the_name_that_is_given() -> None:
    begun = init(name="users")
    assert begun.models is not None
    assert begun.models.path == Path("blog/models/users.py").absolute()
    assert [each.name for each in read("config.yaml").stages] == ["users"]
    assert '__tablename__ = "users"' in Path("blog/models/users.py").read_text("utf-8")


@pytest.mark.parametrize("folder", ["json", "2024 Loja", "class", "sqlalchemy"])
def test_a_folder_whose_name_cannot_be_imported_gets_another_package(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    init()
    plan = read("config.yaml")
    assert plan.models.package == ("loja.models" if folder == "2024 Loja" else "app.models")
    assert commands.rebuild(plan).applied == ("item",)


def test_an_application_without_models_gets_them_in_its_package() -> None:
    lay({"shop/__init__.py": "", "shop/main.py": "x = 1\n", "shop/models/__init__.py": "", "setup.py": "1 / 0\n"})
    begun = init()
    assert begun.models is not None
    assert begun.models.layout.package == "shop.tables"
    assert commands.rebuild(read("config.yaml")).applied == ("item",)


def test_a_base_without_tables_is_the_base_of_the_first_module() -> None:
    lay({name: FASTAPI[name] for name in ("app/__init__.py", "app/database.py")})
    begun = init()
    assert [str(each) for each in begun.seen.found] == ["app.database:Base"] if begun.seen else False
    assert "from app.database import Base" in Path("app/models/item.py").read_text("utf-8")
    assert commands.rebuild(read("config.yaml")).applied == ("item",)


# ------------------------------------------------ the database


def test_the_database_is_the_one_that_is_given(inv: Inv) -> None:
    assert inv("init", "--url", "sqlite:///data/shop.db").code == 0
    assert "  url: sqlite:///data/shop.db " in Path("config.yaml").read_text("utf-8")
    assert "/data/shop.db\n" in Path(".gitignore").read_text("utf-8")


def test_the_variable_of_the_application_is_read_and_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://ana:s3gredo@127.0.0.1/shop")
    begun = init()
    text = Path("config.yaml").read_text("utf-8")
    assert "  url: ${DATABASE_URL} " in text
    assert "s3gredo" not in text + str(begun.to_json())
    assert read("config.yaml").database.url == "postgresql+psycopg://ana:s3gredo@127.0.0.1/shop"


def test_a_password_in_config_yaml_is_reported(inv: Inv) -> None:
    ran = inv("init", "--url", "postgresql+psycopg://ana:s3gredo@127.0.0.1/shop")
    assert "The URL in config.yaml has a password. Before you commit it: `url: ${DATABASE_URL}`." in ran.out
    assert "s3gredo" not in ran.out


@pytest.mark.parametrize("url", ["shop", "oracle://x/y", "sqlite:///file:x.db"])
def test_a_url_that_cannot_be_used_stops_before_anything_is_written(inv: Inv, url: str) -> None:
    assert inv("init", "--url", url).code == 2
    assert names() == set()


# ------------------------------------------------ what exists is kept


def test_a_file_that_exists_is_kept_and_reported(inv: Inv) -> None:
    own = {"tasks.py": "from invoke import task\n", "alembic.ini": "[alembic]\n", "migrations/env.py": "# sqlstrata\n"}
    lay({**own, ".gitignore": "*.pyc\n__pycache__/"})
    ran = inv("init")
    assert {name: Path(name).read_text("utf-8") for name in own} == own
    assert Path(".gitignore").read_text("utf-8") == (
        "*.pyc\n__pycache__/\n\n# what sqlstrata keeps on a machine, and the development database\n"
        ".sqlstrata/\n*.strata-*\n/blog.db\n/blog.db-*\n"
    )
    assert [line for line in ran.out.splitlines() if line.startswith("Kept")] == [
        "Kept as it was: tasks.py.",
        "Kept as it was: alembic.ini.",
        "Kept as it was: migrations/env.py.",
    ]
    assert "For `inv`, add to tasks.py: from sqlstrata.tasks import namespace as ns\n" in ran.out


def test_a_plan_that_exists_is_completed_and_never_overwritten(inv: Inv) -> None:
    inv("init")
    Path("tasks.py").unlink()
    Path("migrations/env.py").unlink()
    before = tree(Path())
    ran = inv("init", "--json")
    assert ran.code == 0
    assert [Path(each).name for each in ran.json["written"]] == ["tasks.py", "env.py"]
    after = tree(Path())
    assert {name: after[name] for name in before} == before
    ran = inv("init", "--live")
    assert (ran.code, ran.err) == (
        2,
        "There already is a config.yaml, which is not overwritten. `inv new-stage NAME --live` goes on from its "
        "stages with a live one.\n",
    )


def test_where_one_file_cannot_be_written_none_is(inv: Inv) -> None:
    lay({"migrations": "a file", "history/x": "", ".gitignore/x": ""})
    before = tree(Path())
    ran = inv("init")
    assert ran.code == 2
    assert ran.err.startswith("Cannot write a file: [Errno 21] Is a directory: ")
    assert ran.err.endswith(". Nothing was changed.\n")
    assert tree(Path()) == before
    assert {path.name for path in Path().iterdir()} == {"migrations", "history", ".gitignore"}


@pytest.mark.parametrize("made_by", ["create_all", "rebuild", "nobody"])
def test_beside_a_database_that_create_all_made_the_next_step_is_adopt(inv: Inv, made_by: str) -> None:
    lay({"models.py": "import sqlalchemy as sa\n\nmetadata = sa.MetaData()\n"
                      "sa.Table('a', metadata, sa.Column('x', sa.Integer, primary_key=True))\n"})  # fmt: skip
    if made_by == "create_all":
        execute_new("CREATE TABLE a (x INTEGER NOT NULL PRIMARY KEY)")
    elif made_by == "rebuild":
        inv("init", "--url", "sqlite:///blog.db")
        assert inv("rebuild").code == 0
        Path("config.yaml").unlink()
    ran = inv("init", "--url", "sqlite:///blog.db")
    assert ran.code == 0
    assert ("then `inv adopt` writes" in ran.out) == (made_by == "create_all")
    if made_by == "create_all":
        assert inv("rebuild", "--no-apply").code == 0
        assert inv("adopt").code == 0
        assert inv("status").code == 0


def test_an_alembic_folder_is_left_alone_with_two_ways_on(inv: Inv) -> None:
    """Its table in the database, too: this history has another one."""
    lay({**FASTAPI, "migrations/env.py": "from alembic import context\n", "alembic.ini": "[alembic]\n"})
    execute_new("CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('abc')")
    ran = inv("init", "--modules")
    assert ran.code == 0
    assert (
        "migrations is an Alembic folder, and stays as it is. There are two ways on: beside it, as config.yaml has it "
        "now, with the folder history and the table sqlstrata_version; or `inv import-alembic`, which makes stages of its "
        "revisions.\n" in ran.out
    )
    assert inv("rebuild").code == 0
    assert Path("migrations/env.py").read_text("utf-8") == "from alembic import context\n"
    assert sorted(path.name for path in Path("migrations").iterdir()) == ["env.py"]
    with sqlite3.connect("blog.db") as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("abc",)]


def execute_new(*statements: str) -> None:
    with sqlite3.connect("blog.db") as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"live": True, "by_modules": True}, "`--live` and `--modules` exclude each other. Give one of them."),
        ({"name": "2 Items"}, "`2 Items` is not a stage's name. Use a to z, 0 to 9 and _, a letter first."),
    ],
)
def test_what_is_asked_for_wrongly_writes_nothing(options: dict[str, object], message: str) -> None:
    with pytest.raises(WrongUse) as caught:
        init(**options)
    assert str(caught.value) == message
    assert names() == set()


# ------------------------------------------------ models that exist


def test_in_the_modules_way_the_first_stage_turns_on_all_modules_with_tables() -> None:
    lay(FASTAPI)
    begun = init(by_modules=True)
    assert begun.models is not None
    assert (begun.models.layout.package, begun.models.layout.bases) == ("app", ("database:Base",))
    plan = read("config.yaml")
    assert [each.enable for each in plan.stages] == [("models.post", "models.user")]
    assert commands.rebuild(plan).applied == ("initial",)
    assert tables("sqlite:///blog.db") == ["posts", "users"]
    assert not Path("app.db").exists()


EXTENSION = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase


class SQLAlchemy:
    def __init__(self):
        class Model(DeclarativeBase):
            pass

        self.Model, self.metadata = Model, Model.metadata
"""
"""Its form is Flask-SQLAlchemy's."""
DB_MODEL = """
import sqlalchemy as sa


class User(db.Model):
    __tablename__ = "users"
    id = sa.Column(sa.Integer, primary_key=True)
"""


@dataclass(frozen=True)
class App:
    """An application's files, and what config.yaml is to say of them."""

    files: Mapping[str, str]
    package: str
    base: tuple[str, ...]
    patterns: tuple[str, ...]
    tables: tuple[str, ...]


APPS = {
    "FastAPI": App(FASTAPI, "app", ("database:Base",), ("models.*",), ("posts", "users")),
    "a package for each part": App(
        {
            "app/core/db.py": BASE,
            "app/users/models.py": USER.format(base="app.core.db"),
            "app/posts/models.py": POST.format(base="app.core.db", user="app.users.models"),
            "app/posts/views.py": "1 / 0\n",
        },
        *("app", ("core.db:Base",), ("*.models",), ("posts", "users")),
    ),
    "a package of models": App(
        {
            "shop/main.py": "1 / 0\n",
            "shop/models/__init__.py": "from shop.models.user import User\n",
            "shop/models/base.py": BASE,
            "shop/models/user.py": USER.format(base="shop.models.base"),
        },
        *("shop.models", ("base:Base",), (), ("users",)),
    ),
    "one file": App({"models.py": BASE + USER.replace(IMPORT, "")}, "models", ("__init__:Base",), (), ("users",)),
    "two files": App(
        {"database.py": BASE, "models.py": USER.format(base="database")}, "models", ("database:Base",), (), ("users",)
    ),
    "Flask, one file": App(
        {"extension.py": EXTENSION, "app.py": f"from extension import SQLAlchemy\n\ndb = SQLAlchemy()\n{DB_MODEL}"},
        *("app", ("__init__:db",), (), ("users",)),
    ),
    "Flask, a package": App(
        {
            "extension.py": EXTENSION,
            "shop/__init__.py": "from extension import SQLAlchemy\n\ndb = SQLAlchemy()\n",
            "shop/models.py": f"from shop import db\n{DB_MODEL}",
        },
        *("shop", ("__init__:db",), ("models", "models.*"), ("users",)),
    ),
    "SQLModel": App(
        {
            "app/db.py": "from sqlmodel import SQLModel, create_engine\n",
            "app/models.py": "from sqlmodel import Field, SQLModel\n\n\nclass Hero(SQLModel, table=True):\n"
            "    id: int | None = Field(default=None, primary_key=True)\n",
        },
        *("app", ("db:SQLModel",), ("models", "models.*"), ("hero",)),
    ),
    "a MetaData": App(
        {
            "shop/tables.py": "import sqlalchemy as sa\n\nmeta = sa.MetaData()\nitems = sa.Table('items', meta, "
            "sa.Column('id', sa.Integer, primary_key=True))\n"
        },
        *("shop", ("tables:meta",), ("tables", "tables.*"), ("items",)),
    ),
    "two bases": App(
        {
            "app/user.py": USER.format(base="app.database"),
            "app/tag.py": USER.format(base="app.database").replace("User", "Tag").replace("users", "tags"),
            "app/event.py": USER.format(base="app.database").replace("Base", "Audit").replace("users", "events"),
            "app/database.py": f"{BASE}\n\nclass Audit(DeclarativeBase):\n    pass\n",
        },
        *("app", ("database:Base", "database:Audit"), (), ("events", "tags", "users")),
    ),
}


@pytest.mark.parametrize("name", APPS)
def test_an_application_s_models_are_found_and_live(name: str, inv: Inv) -> None:
    """One command later they are migrated; stock Alembic sees no difference, and the next edit is the next stage."""
    app = APPS[name]
    lay(app.files)
    ran = inv("init", "--json")
    assert ran.code == 0
    assert {key: ran.json[key] for key in ("way", "package", "base", "modules")} == {
        "way": "live",
        "package": app.package,
        "base": list(app.base),
        "modules": list(app.patterns),
    }
    assert inv("rebuild").code == 0
    assert tables("sqlite:///blog.db") == [*app.tables]
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "check"], capture_output=True, text=True, check=False, env=os.environ
    )
    assert "No new upgrade operations detected." in done.stdout, done.stderr
    assert {path: Path(path).read_text("utf-8") for path in app.files} == app.files
    assert inv("new-stage", "next").code == 0
    assert inv("rebuild").code == 0
    assert not Path("app.db").exists()


def test_one_module_is_no_package_for_the_modules_way(inv: Inv) -> None:
    lay(APPS["one file"].files)
    ran = inv("init", "--modules")
    assert (ran.code, ran.err) == (
        2,
        "The models are in one module, models; `--modules` needs a package, with a module for each step. Leave out "
        "`--modules`, or make it a package.\n",
    )


@pytest.mark.parametrize("name", ["FastAPI", "a package of models", "Flask, a package", "SQLModel", "two bases"])
def test_in_the_modules_way_the_next_stage_is_a_module(name: str, inv: Inv) -> None:
    lay(APPS[name].files)
    assert inv("init", "--modules").code == 0
    assert inv("rebuild").code == 0
    assert inv("new-stage", "next").code == 0
    assert inv("rebuild").code == 0
    assert tables("sqlite:///blog.db") == sorted([*APPS[name].tables, "next"])


def test_several_bases_are_reported(inv: Inv) -> None:
    lay(APPS["two bases"].files)
    out = inv("init").out
    assert "Found: app.database:Base, with 2 tables.\nFound: app.database:Audit, with 1 table.\n" in out
    assert "There are 2 bases with tables, so `base` in config.yaml is a list of them.\n" in out


def test_modules_that_no_package_has_in_common_are_refused(inv: Inv) -> None:
    lay({"db.py": BASE, "user.py": USER.format(base="db"), "post.py": POST.format(base="db", user="user")})
    ran = inv("init")
    assert (ran.code, ran.err) == (
        2,
        "The tables are defined in 2 modules that are in no package: post, user. Move them into one package, and run this "
        "again.\n",
    )


@pytest.mark.parametrize("folder", ["src", "backend"])
def test_a_package_in_a_folder_that_is_none_must_be_installed(folder: str, inv: Inv) -> None:
    lay({f"{folder}/{name}": text for name, text in FASTAPI.items()})
    ran = inv("init")
    assert (ran.code, ran.err) == (
        2,
        f"The package app is in {folder}, and cannot be imported from here. Run this in {folder}, or install the package "
        "in this environment first.\n",
    )
    lay({"pyproject.toml": ""})
    assert (
        inv("init")
        .out.splitlines()[-1]
        .startswith("Next: `pip install --editable .`, so that app can be imported; then")
    )


def test_a_package_in_src_that_is_installed_is_found_there(inv: Inv, monkeypatch: pytest.MonkeyPatch) -> None:
    lay({f"src/{name}": text for name, text in FASTAPI.items()})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path("src").absolute()), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend("src")
    assert inv("init").out.splitlines()[-1].startswith("Next: `inv rebuild` writes")
    assert inv("rebuild").code == 0


def test_a_package_in_src_without_models_gets_them_there(inv: Inv) -> None:
    lay({"src/shop/__init__.py": "", "src/shop/main.py": "", "scripts/one.py": "", "pyproject.toml": ""})
    assert (
        inv("init")
        .out.splitlines()[-1]
        .startswith(
            "Next: `pip install --editable .`, so that shop.models can be imported; then write your model in "
            "src/shop/models/item.py; then `inv rebuild` writes"
        )
    )


def test_a_file_that_cannot_be_read_is_named(inv: Inv) -> None:
    lay({"app/__init__.py": ""})
    Path("app/models.py").symlink_to("nowhere.py")
    ran = inv("init")
    assert ran.code == 2
    assert "app/models.py:1: it cannot be read: No such file or directory. Fix that" in ran.err


@pytest.mark.parametrize("number", [1, 5, 10])
def test_whatever_file_stops_it_nothing_is_left(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while each file of ten is written."""
    lay({".gitignore": "*.pyc\n"})
    left, write = [number + 1], disk.write_whole  # the first is the draft of config.yaml

    def interrupted(path: Path, content: bytes) -> None:
        left[0] -= 1
        write(path, content)
        if left[0] == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(disk, "write_whole", interrupted)
    with pytest.raises(KeyboardInterrupt):
        init()
    assert names() == {".gitignore"}
    assert [path.name for path in Path().iterdir()] == [".gitignore"]
    assert Path(".gitignore").read_text("utf-8") == "*.pyc\n"


def test_another_place_for_the_plan_is_said_with_the_next_command(inv: Inv) -> None:
    ran = inv("init", "--config", "shop/plan.yaml")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith(
        "Next: write your model in shop/shop/models/item.py; then `inv rebuild --config shop/plan.yaml` writes"
    )
    assert inv("rebuild", "--config", "shop/plan.yaml").code == 0
    assert tables("sqlite:///shop/shop.db") == ["item"]


def test_without_models_live_is_possible_too(inv: Inv) -> None:
    assert inv("init", "--live").code == 0
    assert [each.live for each in read("config.yaml").stages] == [True]
    assert inv("rebuild").code == 0
    assert tables("sqlite:///blog.db") == ["item"]


def test_models_that_cannot_be_imported_stop_it(inv: Inv) -> None:
    """A new base beside one that exists would be no help."""
    lay({"app/db.py": f"import nothing_like_it\n{BASE}", "app/all.py": f"{BASE}\nBase.metadata.create_all(engine)\n"})
    ran = inv("init")
    assert (ran.code, ran.err) == (
        2,
        "No models were found, and 2 files could not be imported: app/db.py: ModuleNotFoundError: No module named "
        "'nothing_like_it'; app/all.py:12: importing it would call `Base.metadata.create_all`. Fix that and run this "
        "again, or begin with a first module: `--modules`. Nothing was written.\n",
    )
    assert names() == {"app/db.py", "app/all.py"}
    assert inv("init", "--modules").code == 0
    assert inv("rebuild").code == 0


# ------------------------------------------------ a database that exists


class _Base(sa.orm.DeclarativeBase):
    pass


class _User(_Base):
    __tablename__ = "users"
    id: sa.orm.Mapped[int] = sa.orm.mapped_column(primary_key=True)
    email: sa.orm.Mapped[str] = sa.orm.mapped_column(sa.String(100), unique=True)
    name: sa.orm.Mapped[str | None] = sa.orm.mapped_column(sa.Text())
    price: sa.orm.Mapped[float | None] = sa.orm.mapped_column(sa.Numeric(10, 2), sa.CheckConstraint("price > 0"))
    state: sa.orm.Mapped[str] = sa.orm.mapped_column(sa.Enum("new", "old", name="state"), server_default="new")
    created: sa.orm.Mapped[object] = sa.orm.mapped_column(sa.DateTime(), server_default=sa.func.now())
    data: sa.orm.Mapped[object] = sa.orm.mapped_column(sa.JSON())
    active: sa.orm.Mapped[bool] = sa.orm.mapped_column(server_default=sa.true())


class _Post(_Base):
    __tablename__ = "posts"
    id: sa.orm.Mapped[int] = sa.orm.mapped_column(sa.BigInteger(), primary_key=True)
    user_id: sa.orm.Mapped[int] = sa.orm.mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    title: sa.orm.Mapped[str] = sa.orm.mapped_column(sa.String(200))
    __table_args__ = (sa.UniqueConstraint("user_id", "title", name="once"), {"comment": "what users write"})


sa.Table(
    "likes",
    _Base.metadata,
    sa.Column("user_id", sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("post_id", sa.ForeignKey("posts.id"), primary_key=True),
)


@pytest.fixture
def existing(url: str) -> str:
    """The URL of a database with tables, on each server."""
    creation.create(url)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    _Base.metadata.create_all(engine)
    return url


def test_the_models_of_a_database_are_written_and_are_exactly_that(existing: str, inv: Inv) -> None:
    ran = inv("init", "--from-database", existing)
    assert (ran.code, ran.err) == (0, "")
    assert "The database is at stage initial, exactly.\n" in ran.out
    assert ran.out.splitlines()[-1] == (
        "Next: `inv rebuild --no-apply` writes the first revision; then `inv adopt` writes its id into the database, which "
        "has its tables already."
    )
    assert inv("rebuild", "--no-apply").code == 0
    assert inv("adopt").code == 0
    assert inv("status", "--json").json["schema_matches"]


BY_HAND = {
    "sqlite": (
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, "
        "code VARCHAR(10) UNIQUE)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a(id) ON DELETE CASCADE, x TEXT, "
        "y INTEGER GENERATED ALWAYS AS (id + 1) STORED)",
        "CREATE INDEX part ON b (x) WHERE x IS NOT NULL",
        "CREATE TABLE nokey (x INTEGER, y TEXT)",
    ),
    "postgresql": (
        "CREATE SCHEMA shop",
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE a (id serial PRIMARY KEY, name text NOT NULL UNIQUE, m mood DEFAULT 'ok', tags text[], "
        "price numeric(10,2) CHECK (price > 0), at timestamptz NOT NULL DEFAULT now(), j jsonb, u uuid)",
        "CREATE TABLE shop.b (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, "
        "a int NOT NULL REFERENCES a(id) ON DELETE CASCADE, x text, y int GENERATED ALWAYS AS (1 + 1) STORED)",
        "CREATE INDEX part ON shop.b (x) WHERE x IS NOT NULL",
        "CREATE INDEX expression ON shop.b (lower(x), x DESC)",
        "CREATE INDEX gin ON a USING gin (tags)",
        "COMMENT ON TABLE a IS 'it''s \"a\"'",
    ),
    "mariadb": (
        "CREATE TABLE a (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL UNIQUE, "
        "m enum('sad', 'ok') DEFAULT 'ok', at timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(), "
        "price decimal(10,2) CHECK (price > 0), j json, s set('a', 'b'), u bigint unsigned, "
        "c char(3) CHARACTER SET latin1) COMMENT='it''s \"a\"' CHARACTER SET latin1",
        "CREATE TABLE b (id bigint PRIMARY KEY AUTO_INCREMENT, a int NOT NULL, x varchar(200), t mediumtext, "
        "y int GENERATED ALWAYS AS (1 + 1) STORED, CONSTRAINT fk FOREIGN KEY (a) REFERENCES a(id) ON DELETE CASCADE, "
        "KEY start (x(20)), FULLTEXT KEY words (t))",
    ),
}


def test_a_database_that_was_made_by_hand_is_exactly_its_models_too(url: str, inv: Inv) -> None:
    creation.create(url)
    kind = {"mysql": "mariadb"}.get(name := sa.make_url(url).get_backend_name(), name)
    execute(url, *BY_HAND[kind])
    ran = inv("init", "--from-database", url)
    assert (ran.code, ran.err) == (0, ""), ran.out
    assert inv("rebuild", "--no-apply").code == 0


def test_what_cannot_be_written_is_reported_and_the_files_stay(inv: Inv) -> None:
    execute_new("CREATE TABLE a (x INT, y TEXT)", "CREATE VIEW v AS SELECT y FROM a")
    ran = inv("init", "--modules", "--from-database", "sqlite:///blog.db")
    assert (ran.code, ran.err) == (
        5,
        "The models that were written are not exactly the database: 2 differences. Complete the models, and run "
        "`inv identify`.\n",
    )
    assert "a      column x: type  INTEGER   INT\n" in ran.out
    assert inv("identify").code == 5
    json = inv("identify", "--json").json
    assert [each["table"] for each in json["differences"]] == ["a", "v"]


def test_a_type_that_nobody_knows_is_named() -> None:
    execute_new("CREATE TABLE a (x INTEGER PRIMARY KEY)")
    url = "sqlite:///blog.db"
    engine = sa.create_engine(url)

    @sa.event.listens_for(sa.Table, "column_reflect")
    def unknown(_: object, __: object, column: dict[str, object]) -> None:
        column["type"] = sa.types.NullType()

    try:
        with pytest.raises(SchemaDiffers) as caught:
            init(from_database=url, by_modules=True)
    finally:
        sa.event.remove(sa.Table, "column_reflect", unknown)
        engine.dispose()
    assert str(caught.value) == (
        "SQLAlchemy does not know the types of these columns: a.x. Write them into the models, and run `inv identify`."
    )
    assert Path("blog/models/tables.py").exists()


def test_alembics_table_in_the_database_stays_as_it_is(inv: Inv) -> None:
    execute_new(
        "CREATE TABLE a (x INTEGER PRIMARY KEY)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('abc')",
    )
    ran = inv("init", "--modules", "--from-database", "sqlite:///blog.db")
    assert ran.code == 0
    assert "The database has a table alembic_version, which stays as it is; this history has the table" in ran.out
    inv("rebuild", "--no-apply")
    assert inv("adopt").code == 0
    with sqlite3.connect("blog.db") as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("abc",)]


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("sqlite:///none.db", Unreachable, "There is no SQLite file none.db. Check the URL."),
        (
            "sqlite:///blog.db",
            WrongUse,
            "There is no table in SQLite file blog.db. Check the URL, or leave out `--from-database`.",
        ),
    ],
)
def test_a_database_without_tables_is_no_start(url: str, error: type[Exception], message: str) -> None:
    execute_new("PRAGMA user_version = 1")
    with pytest.raises(error) as caught:
        init(from_database=url)
    assert str(caught.value) == message
    assert names() == {"blog.db"}


def test_a_database_is_no_start_where_there_are_models() -> None:
    lay(FASTAPI)
    with pytest.raises(WrongUse, match=r"There are models already: app\.database:Base has 2 tables\. Leave out"):
        init(from_database="sqlite:///blog.db")


def test_without_sqlacodegen_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    execute_new("CREATE TABLE a (x INTEGER PRIMARY KEY)")
    monkeypatch.delitem(sys.modules, "sqlstrata.start.generator", raising=False)
    monkeypatch.setitem(sys.modules, "sqlacodegen", None)
    monkeypatch.setitem(sys.modules, "sqlacodegen.generators", None)
    with pytest.raises(WrongUse) as caught:
        init(from_database="sqlite:///blog.db")
    assert str(caught.value).endswith('is not installed. Run `pip install "sqlstrata[models]"`.')
