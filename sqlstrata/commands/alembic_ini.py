"""alembic.ini beside config.yaml, so that Alembic's own commands work there."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config

from sqlstrata.disk import write_whole
from sqlstrata.errors import WrongUse
from sqlstrata.migrate import apply
from sqlstrata.plan import Plan
from sqlstrata.plan.values import VersionTable

_TEMPLATE = Path(__file__).with_name("alembic.ini")


def complete(plan: Plan) -> str | None:
    """Write alembic.ini where there is none.

    Gives a sentence where there is one for the same folder that names another version table. Raises WrongUse.
    """
    path = plan.folder / "alembic.ini"
    if path.exists():
        config, lines = Config(str(path)), _version_table(plan)
        if not lines or Path(config.get_main_option("script_location") or "").absolute() != plan.migrations:
            return None
        found = config.get_section("alembic", {})
        missing = [f"{key} = {value}" for key, value in lines.items() if found.get(key) != value]
        if not missing:
            return None
        return f"{path.name} does not name Alembic's table: write `{'` and `'.join(missing)}` under [alembic]."
    content = text(plan)
    if content is None:
        return None
    try:
        write_whole(path, content.encode(), replace=False)
    except OSError as error:
        message = f"{path.name} cannot be written beside the plan: {error.strerror}."
        raise WrongUse(
            message, hint="Check the folder's permissions and free space. Nothing else was changed."
        ) from error
    return None


def text(plan: Plan) -> str | None:
    """Give alembic.ini for the plan; None where Alembic's folder is not beneath the plan's.

    The database's URL is in it only where that is a file: another may hold a password.
    """
    if not plan.migrations.is_relative_to(plan.folder):
        return None
    made = _TEMPLATE.read_text(encoding="utf-8")
    made = made.replace("MIGRATIONS", plan.migrations.relative_to(plan.folder).as_posix())
    made = made.replace("CONFIG", plan.path.name)
    url = sa.make_url(plan.database.url)
    if url.get_backend_name() == "sqlite" and url.database:
        file = Path(url.database)
        inside = file.is_relative_to(plan.folder)
        path_of_file = (file.relative_to(plan.folder) if inside else file).as_posix().replace("%", "%%")
        place = f"%(here)s/{path_of_file}" if inside else path_of_file
        made = made.replace("# sqlalchemy.url = driver://user@host/name", f"sqlalchemy.url = sqlite:///{place}")
    if lines := _version_table(plan):
        named = "".join(f"{key} = {value}\n" for key, value in lines.items())
        made = made.replace("\n[loggers]", f"\n# Alembic's table, as config.yaml names it.\n{named}\n[loggers]")
    return made


def _version_table(plan: Plan) -> dict[str, str]:
    """The lines of alembic.ini for Alembic's table; none where it is the default one."""
    if plan.version_table == VersionTable():
        return {}
    return {key: value for key, value in apply.version_table(plan).items() if value is not None}
