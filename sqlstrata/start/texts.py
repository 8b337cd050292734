"""The texts of the files that `init` writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa
import yaml

from sqlstrata.servers import KINDS
from sqlstrata.start.layout import Layout

TASKS = '''\
"""The commands of this project."""

from sqlstrata.tasks import namespace as ns
'''
BASE = '''\
"""The base of all models."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Its naming convention gives each constraint a name, so that a later stage can drop it on every server."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
'''
_COLUMN = 35


def config(url: str, layout: Layout, stage: Sequence[tuple[str, str, str]], migrations: str, table: str | None) -> str:
    """Give config.yaml; `stage` has keys, values and comments, `table` is Alembic's where it is not the default."""
    return "\n".join(
        [
            "# The plan: the stages that this database goes through. `sqlstrata --list` shows the commands.",
            "",
            "database:",
            _line(2, "url", block(url), "the development database; a relative SQLite path is relative to this file"),
            _line(2, "protected", "false", "true: no command drops it or changes its revision"),
            "",
            "models:",
            *_models(layout),
            "",
            _line(0, "migrations", block(migrations), "Alembic's folder, relative to this file; created if missing"),
            *_beside(table),
            "",
            "# The kinds of server that the history is written for, and the servers on which it is proved before",
            "# it is written. The default of both is that of `database`; for others, remove the # and name yours.",
            *_servers(),
            "",
            "stages:",
            *(
                _line(4 if number else 2, key, value, comment, dash=not number)
                for number, (key, value, comment) in enumerate(stage)
            ),
            "",
        ]
    )


def _line(indent: int, key: str, value: str, comment: str, *, dash: bool = False) -> str:
    text = f"{' ' * indent}{'- ' * dash}{key}: {value}"
    return f"{text.ljust(_COLUMN)} # {comment}"


def _models(layout: Layout) -> Iterable[str]:
    bases = layout.bases[0] if len(layout.bases) == 1 else _listed(layout.bases)
    yield _line(2, "package", layout.package, "importable from this file's folder or from the environment")
    yield _line(2, "base", bases, "module in the package, and attribute: a base or a MetaData; or a list of them")
    if layout.patterns:
        yield _line(2, "modules", _listed(layout.patterns), "the modules that define tables; * stands for anything")
    else:
        yield _line(2, "# modules", '["*"]', "patterns of the modules that define tables; default: all of the package")
    yield _line(2, "# ignore", '["cache:metadata"]', "further MetaData, whose tables are left out of the history")


def _beside(table: str | None) -> Iterable[str]:
    if table is not None:
        yield _line(0, "version_table", table, "Alembic's table; alembic_version is that of the other Alembic folder")
        yield _line(
            0, "not_ours", "[alembic_version]", "patterns of tables that belong to somebody else, and are never touched"
        )


def _servers() -> Iterable[str]:
    proved = ("sqlite://", "postgresql+psycopg://postgres@localhost/postgres", "mariadb+pymysql://root@localhost/mysql")
    yield f"# servers: {_listed(KINDS)}"
    yield "# prove_on:"
    yield from (f"#   - {block(each)}" for each in proved)


def _listed(values: Iterable[str]) -> str:
    return f"[{', '.join(map(scalar, values))}]"


def scalar(text: str) -> str:
    """Give a text as a YAML scalar on one line, quoted where it must be, also within brackets."""
    dumped: str = yaml.safe_dump([text], allow_unicode=True, width=10**9, default_flow_style=True)
    return dumped.strip()[1:-1]


def block(text: str) -> str:
    """Give a text as a YAML scalar on one line, quoted where it must be outside of brackets."""
    dumped: str = yaml.safe_dump(text, allow_unicode=True, width=10**9)
    return dumped.partition("\n")[0]


def ignored(present: str, url: sa.URL, folder: Path) -> str:
    """Give .gitignore with what is missing in it added at its end."""
    database = _file(url, folder)
    wanted = ["__pycache__/", ".sqlstrata/", "*.strata-*", *([database, f"{database}-*"] if database else [])]
    there = {line.strip() for line in present.splitlines()}
    missing = [line for line in wanted if line not in there]
    if not missing:
        return present
    start = present if not present or present.endswith("\n") else f"{present}\n"
    gap = "\n" if start.strip() else ""
    return f"{start}{gap}# what sqlstrata keeps on a machine, and the development database\n" + "".join(
        f"{line}\n" for line in missing
    )


def _file(url: sa.URL, folder: Path) -> str | None:
    """A SQLite file in the folder, as .gitignore names it."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    path = folder / str(url.database)
    return f"/{path.relative_to(folder).as_posix()}" if path.is_relative_to(folder) else None
