"""How Alembic runs the revisions in `versions/`; what `inv` does goes through here as well.

It needs Alembic, SQLAlchemy and the `operations` beside it. On PostgreSQL each revision is a transaction. On SQLite all
that a command runs is one (the driver by itself commits DDL as it goes), of which a revision that fails undoes its own
part; with foreign keys off, because a rebuilt table would otherwise take its children along, and with each that could
be broken looked at before a revision ends. One run at a time, whoever starts it: others wait (`-x wait=SECONDS`, 60
unless told) or stops and says who is at work. On MariaDB, where each DDL statement commits by itself, a run that was
cut off is taken up where it ended.

The URL is that of `alembic -x url=…`, else of the variable DATABASE_URL, else sqlalchemy.url in alembic.ini.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from logging.config import fileConfig
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.util import CommandError

HERE = Path(__file__).resolve().parent
config = context.config


def load_operations() -> None:
    """Register the operations of this folder, unless the very same are registered, from wherever they came."""
    name, folder = "strata_operations", HERE / "operations"
    state = {path.name: path.read_bytes() for path in folder.glob("*.py")}
    if getattr(sys.modules.get(name), "state", None) == state:
        return
    for old in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
        del sys.modules[old]
    spec = spec_from_file_location(name, folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.private_names.check()
    module.state = state  # type: ignore[attr-defined]


def operations() -> Any:
    """The operations, as a module."""
    return sys.modules["strata_operations"]


def url() -> str:
    """Where the database is."""
    given = context.get_x_argument(as_dictionary=True).get("url") or os.environ.get("DATABASE_URL")
    found = given or config.get_main_option("sqlalchemy.url")
    if not found:
        raise CommandError("No database: give `-x url=…`, the variable DATABASE_URL, or sqlalchemy.url in alembic.ini.")
    return str(found)


def models() -> sa.MetaData | None:
    """The last stage's MetaData, which `alembic check` compares the database with.

    The stages are those of the config.yaml that `stages` in alembic.ini names; other commands do without the models.
    """
    path = config.get_main_option("stages")
    command = getattr(config.cmd_opts, "cmd", [None])[0]
    if not path or (config.cmd_opts is not None and getattr(command, "__name__", "") not in {"check", "revision"}):
        return None
    import yaml

    plan = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    folder, package = str(Path(path).resolve().parent), plan["models"]["package"]
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if config.cmd_opts is None and find_spec(package.partition(".")[0]) is None:
        return None
    on: list[str] = []
    known: set[str] = set()
    for stage in plan["stages"]:
        on = [module for module in on if module not in stage.get("disable", ())] + stage.get("enable", [])
        known.update(on)
    Unread({f"{package}.{module}" for module in known.difference(on)}).import_package(package)
    module, _, attribute = plan["models"]["base"].partition(":")
    base = getattr(import_module(f"{package}.{module}"), attribute)
    for each in on:
        import_module(f"{package}.{each}")
    metadata: sa.MetaData = getattr(base, "metadata", base)
    # The models have their names by now. A revision's constraint without a name is to stay without one.
    metadata.naming_convention = sa.MetaData().naming_convention
    return metadata


class Unread(MetaPathFinder, Loader):
    """Finds modules that are not on, for a package's `__init__`: empty ones, with whatever name it takes from them."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in self.names else None

    def exec_module(self, module: ModuleType) -> None:
        def name_of(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

        module.__getattr__ = name_of  # type: ignore[method-assign]

    def import_package(self, name: str) -> None:
        """Import a package; who asks for the modules afterwards gets them as they are."""
        sys.meta_path.insert(0, self)
        try:
            import_module(name)
        finally:
            sys.meta_path.remove(self)
            for each in self.names:
                if getattr(sys.modules.get(each), "__loader__", None) is self:
                    del sys.modules[each]


def is_table(element: Any, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """Views that the models make are none of `alembic check`'s tables, and neither is what a run keeps for itself."""
    ours = operations().lock.TABLE
    return not (kind == "table" and (getattr(element, "is_view", False) or name == ours))


@contextmanager
def connected() -> Iterator[sa.Connection]:
    """The connection that `inv` gives, or one to the URL."""
    given = config.attributes.get("connection")
    if given is not None:
        yield given
        return
    engine = sa.create_engine(url(), poolclass=sa.NullPool)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _without_autocommit)
        looks = not operations().running.migrates(context)
        sa.event.listen(engine, "begin", _begin_to_look if looks else _begin)
    with engine.connect() as connection:
        yield connection


def _without_autocommit(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver is to leave BEGIN and COMMIT to us


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_to_look(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def run_online() -> None:
    """Migrate the database: each revision whole or not at all, where the server has transactions for DDL.

    On PostgreSQL a revision may need what one before it has committed, as a new value of an enum type; on SQLite, whose
    lock goes with the transaction, all are one, unless somebody looks at the database between them (`alone`).
    """
    with connected() as connection:
        sqlite = connection.dialect.name == "sqlite"
        keys_on = sqlite and _foreign_keys(connection, on=False)
        orphans = operations().orphans.Orphans(connection)
        context.configure(
            connection=connection,
            target_metadata=models(),
            include_object=is_table,
            transaction_per_migration=not sqlite or bool(config.attributes.get("alone")),
            transactional_ddl=True if sqlite else None,
            on_version_apply=(orphans.check, *config.attributes.get("on_version_apply", ())),  # type: ignore[arg-type]
        )
        try:
            operations().running.run(context, connection, orphans.look)
        finally:
            orphans.end()
            if keys_on:
                _foreign_keys(connection, on=True)


def _foreign_keys(connection: sa.Connection, *, on: bool) -> bool:
    """Turn SQLite's foreign keys off or on, outside of any transaction, and say whether they were on."""
    connection.rollback()
    say = operations().driver.say
    ((was,),) = say(connection, "PRAGMA foreign_keys")
    say(connection, f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")
    return bool(was)


def run_offline() -> None:
    """Write the SQL instead of running it."""
    dialect = config.attributes.get("dialect")
    where: dict[str, Any] = {"dialect_name": dialect} if dialect else {"url": url()}
    context.configure(
        **where,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        transaction_per_migration=True,
        transactional_ddl=(dialect or sa.make_url(url()).get_backend_name()) in {"sqlite", "postgresql"},
        output_buffer=config.attributes.get("output_buffer"),
    )
    if context.get_context().dialect.name == "sqlite":
        context.get_context().impl.static_output("PRAGMA foreign_keys = OFF;\n")
    with context.begin_transaction():
        context.run_migrations()


if config.config_file_name is not None and config.file_config.has_section("loggers"):
    fileConfig(config.config_file_name, disable_existing_loggers=False)
load_operations()
if context.is_offline_mode():
    run_offline()
else:
    run_online()
