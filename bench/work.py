"""What is measured, each in a process of its own: `python -m bench.work WHAT FOLDER` prints its seconds.

Loaded before the clock starts is what a long-running program has loaded; `process` measures a whole process.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from bench.projects import kinds, module

_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    given = context.config.attributes
    batch = given.get("batch", False)
    context.configure(connection=connection, target_metadata=given.get("metadata"), render_as_batch=batch)
    with context.begin_transaction():
        context.run_migrations()
"""
_MAKO = """\"\"\"${message}\"\"\"
from alembic import op
import sqlalchemy as sa
import modelos.base

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
"""

Work = Callable[[], None]


def rebuild(folder: Path, *, proof: bool, rows: bool = True) -> Work:
    """Ours: the whole history, written, and the development database upgraded."""
    from sqlstrata import commands
    from sqlstrata.plan import read

    return lambda: _done(commands.rebuild(read(folder / "config.yaml"), proof=proof, generated_rows=rows))


def make(folder: Path) -> Work:
    """Ours: the history alone."""
    from sqlstrata import commands
    from sqlstrata.plan import read

    return lambda: _done(commands.rebuild(read(folder / "config.yaml"), proof=False, apply_it=False))


def clone(folder: Path) -> Work:
    """The history alone, without the cache of `check`."""
    made = make(folder)

    def work() -> None:
        made()
        shutil.rmtree(folder / "migrations" / "__pycache__", ignore_errors=True)

    return work


def check(folder: Path) -> Work:
    from sqlstrata import commands
    from sqlstrata.plan import read

    return lambda: _done(commands.check(read(folder / "config.yaml")))


def up(folder: Path) -> Work:
    """Ours: all stages on a new database."""
    from sqlstrata import commands
    from sqlstrata.plan import read

    _load(read(folder / "config.yaml").database.url)
    return lambda: _done(commands.up(read(folder / "config.yaml")))


def identify(folder: Path) -> Work:
    from sqlstrata import commands
    from sqlstrata.plan import read

    return lambda: _done(commands.identify(read(folder / "config.yaml")))


def plain(folder: Path, stages: int) -> Work:
    """Plain Alembic, scripted: for each stage import its module, `revision --autogenerate`, `upgrade head`.

    A package that imports all of its modules would give it all stages at once, so here it imports none.
    """
    (folder / "modelos" / "__init__.py").write_text("", encoding="utf-8")

    def load(number: int) -> None:
        importlib.import_module(f"modelos.{module(number)}")

    return _plain(folder, stages, load)


def swap(folder: Path, stages: int) -> Work:
    """The same if each stage imports all modules again."""

    def load(number: int) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "modelos"]:
            del sys.modules[name]
        for path in sorted((folder / "modelos" / f"v{number}").glob("m*.py")):
            importlib.import_module(f"modelos.v{number}.{path.stem}")

    return _plain(folder, stages, load, batch=True)  # SQLite cannot change a column's type otherwise


def _plain(folder: Path, stages: int, load: Callable[[int], None], *, batch: bool = False) -> Work:
    from alembic import command

    sys.path.insert(0, str(folder))
    config = _configuration(folder, f"sqlite:///{folder / 'plain.db'}")
    config.attributes["batch"] = batch
    (folder / "plain" / "versions").mkdir()

    def work() -> None:
        for number in range(stages):
            load(number)
            config.attributes["metadata"] = importlib.import_module("modelos.base").Base.metadata
            command.revision(config, f"Etapa {number}", autogenerate=True, rev_id=f"{number:012}")
            command.upgrade(config, "head")

    return work


def stock(folder: Path) -> Work:
    """`alembic upgrade head` on our files, with a plain env.py."""
    from alembic import command

    from sqlstrata.plan import read

    url = read(folder / "config.yaml").database.url
    config = _configuration(folder, url)
    shutil.copytree(folder / "migrations" / "versions", folder / "plain" / "versions")
    return lambda: command.upgrade(config, "head")


def django(folder: Path, stages: int) -> Work:
    """Django: for each stage declare its model or field, `makemigrations`, `migrate`."""
    import django as package
    from django.conf import settings
    from django.core.management import call_command
    from django.db import models

    app = folder / "django" / "loja"
    (app / "migrations").mkdir(parents=True)
    for path in (app, app / "migrations"):
        (path / "__init__.py").touch()
    sys.path.insert(0, str(app.parent))
    databases = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "django.db")}}
    settings.configure(INSTALLED_APPS=["loja"], DATABASES=databases, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
    package.setup()
    made: dict[int, type[models.Model]] = {}

    def work() -> None:
        for number, target, table in kinds(stages):
            if table is not None:
                models.CharField(max_length=40, null=True).contribute_to_class(made[table], f"extra_{number}")
            else:
                made[number] = _model(number, target)
            call_command("makemigrations", "loja", verbosity=0)
            importlib.invalidate_caches()
            call_command("migrate", verbosity=0)

    def _model(number: int, target: int | None) -> type[models.Model]:
        other = models.IntegerField(null=True)
        if target is not None:
            other = models.ForeignKey(made[target], models.CASCADE, null=True)
        fields = {
            "nome": models.CharField(max_length=50, db_index=True),
            "descricao": models.CharField(max_length=200, null=True),
            "preco": models.DecimalField(max_digits=10, decimal_places=2),
            "quantidade": models.IntegerField(default=0),
            "ativo": models.BooleanField(),
            "criado_em": models.DateTimeField(),
            "outra": other,
        }
        return type(f"Tabela{number}", (models.Model,), {"__module__": "loja.models", **fields})

    return work


def process(*words: str) -> Work:
    """A whole process."""

    def work() -> None:
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"CI": "1"})  # noqa: S603

    return work


def _done(_: object) -> None:
    """Release the result."""


def _load(url: str) -> None:
    """Load what SQLAlchemy loads when it is first needed: the ORM, the dialect, the driver."""
    import sqlalchemy.orm

    sqlalchemy.create_engine(url)


def _configuration(folder: Path, url: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Alembic is loaded late
    from alembic.config import Config

    (folder / "plain").mkdir()
    (folder / "plain" / "env.py").write_text(_ENV, encoding="utf-8")
    (folder / "plain" / "script.py.mako").write_text(_MAKO, encoding="utf-8")
    config = Config(stdout=StringIO())
    config.set_main_option("script_location", str(folder / "plain"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    _load(url)
    return config


_WORKS: dict[str, Callable[[Path], Work]] = {
    "make": make, "clone": clone, "check": check, "up": up, "identify": identify, "stock": stock,
}  # fmt: skip


def _work(what: str, folder: Path, words: list[str]) -> Work:
    match what:
        case "rebuild":
            return rebuild(folder, proof=False)
        case "prove":
            return rebuild(folder, proof=True)
        case "given":
            return rebuild(folder, proof=True, rows=False)
        case "plain" | "swap" | "django":
            return {"plain": plain, "swap": swap, "django": django}[what](folder, int(words[0]))
        case "process":
            return process(*words)
        case _:
            return {"make": make, "clone": clone, "check": check, "up": up, "identify": identify, "stock": stock}[what](
                folder
            )


def main(what: str, folder: str, *words: str) -> None:
    """Print the seconds and the most memory that the process had, as JSON."""
    os.chdir(folder)
    with redirect_stdout(StringIO()):
        work = _work(what, Path(folder), list(words))
        begun, spent = time.perf_counter(), _spent()
        work()
        seconds, processor = time.perf_counter() - begun, _spent() - spent
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "processor": processor, "mebibytes": memory}))


def _spent() -> float:
    """The processor's seconds for this process and its children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


if __name__ == "__main__":
    main(*sys.argv[1:])
