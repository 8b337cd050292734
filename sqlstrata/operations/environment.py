"""What env.py runs: the revisions in `versions/`, both for `alembic` and for `inv`.

Only one run at a time: others wait (`-x wait=SECONDS`, 60 by default), or stop and name the active one.

- PostgreSQL: each revision is a transaction.
- SQLite: all revisions of a command are one transaction, in which a failing revision undoes its own part. Foreign keys
  are off, because dropping a rebuilt table would delete its children, and checked before a revision ends.
- MariaDB: each DDL statement commits; an interrupted run continues where it ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from logging.config import fileConfig
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.config import Config
from alembic.util import CommandError

from . import private_names, registry, running
from .driver import say
from .lock import TABLE
from .models import Models, last_stage
from .orphans import Orphans
from .session import setting, settle, settled


def run() -> None:
    """Run Alembic's command on the database, or write the SQL instead (`--sql`).

    The database is `connection` in the configuration's attributes (a Connection or an Engine), else `alembic -x url=…`,
    the variable DATABASE_URL, or sqlalchemy.url in alembic.ini. If a given connection is in a transaction, everything
    happens in it, and nothing is committed. Alembic's table is what `version_table` and `version_table_schema` name, in
    the attributes or in alembic.ini.
    """
    config = context.config
    private_names.check()
    registry.claim()
    if config.config_file_name is not None and config.file_config.has_section("loggers"):
        fileConfig(config.config_file_name, disable_existing_loggers=False)
    if context.is_offline_mode():
        _write_sql(config)
        return
    with _connected(config) as connection:
        if running.migrates(context):
            _make_schema(config, connection)
        if connection.in_transaction():
            _run_inside(config, connection)
        else:
            with settled(connection):
                _run_alone(config, connection)


def url(config: Config) -> str:
    """The database's URL. Raises CommandError where there is none."""
    given = context.get_x_argument(as_dictionary=True).get("url") or os.environ.get("DATABASE_URL")
    found = given or config.get_main_option("sqlalchemy.url")
    if not found:
        raise CommandError("No database: give `-x url=…`, the variable DATABASE_URL, or sqlalchemy.url in alembic.ini.")
    return str(found)


# --------------------------------------------------------------------------- connections


@contextmanager
def _connected(config: Config) -> Iterator[sa.Connection]:
    """The given connection, one of the given engine, or one to the URL."""
    given = config.attributes.get("connection")
    if isinstance(given, sa.Connection):
        yield given
        return
    engine = given if isinstance(given, sa.Engine) else _made(url(config))
    with _transactional(engine), engine.connect() as connection:
        if connection.dialect.name != "sqlite":
            yield connection
            return
        driver: Any = connection.connection.dbapi_connection
        was, driver.isolation_level = driver.isolation_level, None  # so that the driver leaves BEGIN and COMMIT to us
        try:
            yield connection
        finally:
            connection.rollback()
            driver.isolation_level = was


def _made(url: str) -> sa.Engine:
    """An engine whose connections have the settings of `session`."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    sa.event.listen(engine, "connect", lambda made, _: settle(engine.dialect.name, made), insert=True)
    return engine


@contextmanager
def _transactional(engine: sa.Engine) -> Iterator[None]:
    """Begin SQLite's transactions when SQLAlchemy's begin; those that write lock the file at once."""
    if engine.dialect.name != "sqlite":
        yield
        return
    begin = "BEGIN IMMEDIATE" if running.migrates(context) else "BEGIN"

    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    sa.event.listen(engine, "begin", begun)
    try:
        yield
    finally:
        sa.event.remove(engine, "begin", begun)


# -------------------------------------------------------------------------------- running


def _run_alone(config: Config, connection: sa.Connection) -> None:
    """Migrate the database; each revision is atomic where the server has transactions for DDL.

    On PostgreSQL a revision may need what an earlier one has committed, such as a new value of an enum type. On SQLite,
    whose lock ends with the transaction, all are one, except where the caller looks at the database in between
    (`alone`).
    """
    sqlite = connection.dialect.name == "sqlite"
    keys_on = sqlite and _foreign_keys(connection, on=False)
    orphans = Orphans(connection)
    _configure(
        config,
        connection,
        orphans,
        transaction_per_migration=not sqlite or bool(config.attributes.get("alone")),
        transactional_ddl=True if sqlite else None,
    )
    try:
        running.run(context, connection, orphans.look)
    finally:
        orphans.end()
        if keys_on:
            _foreign_keys(connection, on=True)


def _run_inside(config: Config, connection: sa.Connection) -> None:
    """Run in the caller's transaction, which serves as the lock and can be rolled back."""
    if connection.dialect.name == "sqlite" and say(connection, "PRAGMA foreign_keys")[0][0]:
        message = "SQLite's foreign keys are on, and cannot be turned off inside a transaction."
        raise CommandError(f"{message} Begin it after `PRAGMA foreign_keys = OFF`, or pass a connection without one.")
    orphans = Orphans(connection)
    _configure(config, connection, orphans)
    try:
        if running.migrates(context):
            orphans.look()
        with context.begin_transaction():
            context.run_migrations()
    finally:
        orphans.end()


def _configure(config: Config, connection: sa.Connection, orphans: Orphans, **options: Any) -> None:
    models = last_stage(config)
    context.configure(
        connection=connection,
        target_metadata=None if models is None else models.metadata,
        include_object=partial(_is_compared, models),
        on_version_apply=(orphans.check, *config.attributes.get("on_version_apply", ())),  # type: ignore[arg-type]
        **_version_table(config),
        **options,
    )


def _version_table(config: Config) -> dict[str, Any]:
    """Alembic's table, as the attributes say, else alembic.ini."""
    name, schema = (config.attributes.get(key) or config.get_main_option(key) for key in _VERSION_TABLE)
    return {"version_table": name or "alembic_version", "version_table_schema": schema or None}


_VERSION_TABLE = ("version_table", "version_table_schema")


def _make_schema(config: Config, connection: sa.Connection) -> None:
    """Create the schema of Alembic's table where a PostgreSQL database lacks it."""
    schema = _version_table(config)["version_table_schema"]
    if schema is None or connection.dialect.name != "postgresql":
        return
    inside = connection.in_transaction()
    if not sa.inspect(connection).has_schema(schema):
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    if not inside:
        connection.commit()


def _is_compared(
    models: Models | None, element: Any, name: str | None, kind: str, reflected: bool, compare_to: object
) -> bool:
    """Whether `alembic check` compares the element: no view of the models, no table of the lock or of somebody else."""
    if kind != "table":
        return True
    is_theirs = models is not None and not models.is_ours(str(name), element.schema)
    return not (getattr(element, "is_view", False) or name == TABLE or is_theirs)


def _foreign_keys(connection: sa.Connection, *, on: bool) -> bool:
    """Turn SQLite's foreign keys off or on, outside any transaction, and give whether they were on."""
    connection.rollback()
    ((was,),) = say(connection, "PRAGMA foreign_keys")
    say(connection, f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")
    return bool(was)


def _write_sql(config: Config) -> None:
    """Write the SQL instead of running it."""
    dialect = config.attributes.get("dialect")
    where: dict[str, Any] = {"dialect_name": dialect} if dialect else {"url": url(config)}
    name = dialect or sa.make_url(url(config)).get_backend_name()
    context.configure(
        **where,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        transaction_per_migration=True,
        transactional_ddl=name in {"sqlite", "postgresql"},
        output_buffer=config.attributes.get("output_buffer"),
        **_version_table(config),
    )
    written = context.get_context()
    settings = setting(written.dialect.name)
    if settings is not None:
        written.impl.static_output(f"{settings};\n")
    if written.dialect.name == "sqlite":
        written.impl.static_output("PRAGMA foreign_keys = OFF;\n")
    elif written.dialect.name == "postgresql" and written.version_table_schema:
        schema = written.dialect.identifier_preparer.quote_schema(written.version_table_schema)
        written.impl.static_output(f"CREATE SCHEMA IF NOT EXISTS {schema};\n")
    with context.begin_transaction():
        context.run_migrations()
