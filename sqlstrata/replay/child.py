"""Run one of Alembic's commands in a project's own environment, on a scratch database, and tell what was run.

This file is executed by the project's interpreter, which needs Alembic and SQLAlchemy 1.4 or later, and nothing of
sqlstrata. Whatever database the project's env.py connects to, the connection goes to the scratch database.

Standard input has one JSON object, and so has standard output.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url

_DRIVERS = {"postgresql": ("psycopg", "psycopg2", "pg8000", "asyncpg"), "mysql": ("pymysql", "MySQLdb", "mariadb")}
_NAMES = {"MySQLdb": "mysqldb", "mariadb": "mariadbconnector"}


def main() -> None:
    """Answer what standard input asks."""
    given = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the project prints is no answer
    os.chdir(given["folder"])
    sys.path.insert(0, given["folder"])
    config = Config(given["ini"]) if given["ini"] else Config()
    if given["script_location"]:
        config.set_main_option("script_location", given["script_location"])
    heard: list[dict[str, Any]] = []
    try:
        answer = _history(config) if given["command"] == "history" else _run(config, given, heard)
    except BaseException:
        answer = {"heard": heard}
        raise
    finally:
        json.dump(answer, answers)
        answers.close()


def _history(config: Config) -> dict[str, Any]:
    """Give the revisions in Alembic's order, the first one first."""
    scripts = ScriptDirectory.from_config(config)
    listed = []
    for each in scripts.walk_revisions():
        needed = (each.down_revision, each.dependencies)
        parents = [one for given in needed if given for one in ([given] if isinstance(given, str) else given)]
        listed.append({"id": each.revision, "parents": parents, "message": each.doc or "", "path": each.path})
    return {"revisions": listed[::-1], "heads": list(scripts.get_heads())}


def _run(config: Config, given: dict[str, Any], heard: list[dict[str, Any]]) -> dict[str, Any]:
    """Upgrade, downgrade or stamp the scratch database; give Alembic's table, and hear what each revision executes.

    With `create` the tables of the project's own MetaData are created first.
    """
    table: dict[str, Any] = {}
    seen: list[str] = []
    _redirect(given["url"], seen)
    config.set_main_option("sqlalchemy.url", _url_here(given["url"]).replace("%", "%%"))
    configure: Any = EnvironmentContext.configure

    def configured(self: EnvironmentContext, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        table["name"] = options.get("version_table") or "alembic_version"
        table["schema"] = options.get("version_table_schema")
        if given["create"]:
            _create(options.get("target_metadata"), options.get("connection"))
        more = options.get("on_version_apply") or ()
        listeners = [*more] if isinstance(more, (tuple, list)) else [more]

        def applied(step: Any, **_: Any) -> None:  # noqa: ANN401
            heard.append({"revision": step.up_revision_id, "statements": seen[:]})
            seen.clear()

        return configure(self, *arguments, **{**options, "on_version_apply": [*listeners, applied]})

    EnvironmentContext.configure = configured  # type: ignore[method-assign]
    getattr(command, given["way"])(config, given["to"])
    return {"heard": heard, "version_table": table}


def _create(target: Any, connection: Any) -> None:  # noqa: ANN401
    """Create the tables of env.py's MetaData, one or several."""
    if target is None or connection is None:
        message = f"env.py gives `context.configure` no {'connection' if connection is None else 'target_metadata'}"
        raise RuntimeError(message)
    begun = connection.in_transaction()
    for metadata in target if isinstance(target, (list, tuple)) else [target]:
        metadata.create_all(connection)
    if not begun and connection.in_transaction():
        connection.commit()


def _redirect(url: str, seen: list[str]) -> None:
    """Have every engine connect to the scratch database, and hear what it executes."""
    scratch = make_url(url)
    kind = scratch.get_backend_name().replace("mariadb", "mysql")

    @event.listens_for(Engine, "do_connect")
    def connecting(dialect: Any, _: Any, cargs: list[Any], cparams: dict[str, Any]) -> None:  # noqa: ANN401
        if dialect.name.replace("mariadb", "mysql") != kind:
            message = (
                f"env.py connects to {dialect.name}, and the scratch database is on {kind}: name another with --url"
            )
            raise RuntimeError(message)
        args, options = dialect.create_connect_args(scratch.set(drivername=f"{dialect.name}+{dialect.driver}"))
        cargs[:] = list(args)
        cparams.clear()
        cparams.update(options)

    @event.listens_for(Engine, "before_cursor_execute")
    def executing(_a: Any, _b: Any, statement: str, *_: Any) -> None:  # noqa: ANN401
        seen.append(statement)


def _url_here(url: str) -> str:
    """Give the URL with a driver that this interpreter has."""
    scratch = make_url(url)
    name = scratch.get_backend_name().replace("mariadb", "mysql")
    there = [each for each in _DRIVERS.get(name, ()) if importlib.util.find_spec(each)]
    if not there:
        return url
    return scratch.set(drivername=f"{name}+{_NAMES.get(there[0], there[0])}").render_as_string(hide_password=False)


main()
