"""Where things are: the package of the models, the folder of the migrations, the databases."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from sqlstrata.plan import options
from sqlstrata.plan.urls import Misleading, as_url, names_database
from sqlstrata.plan.values import Models
from sqlstrata.plan.words import nearest
from sqlstrata.secret import is_ambiguous, keep_url

if TYPE_CHECKING:
    from sqlstrata.plan.document import Entry
    from sqlstrata.plan.form import ModelsForm

_DRIVERS = {"sqlite": "pysqlite", "postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}
_EXTRAS = {"psycopg": "postgresql", "pymysql": "mariadb"}


def models(entry: Entry, form: ModelsForm) -> Models:
    """Read `models`. Nothing is imported. Raises WrongUse."""
    if not re.fullmatch(r"\w+(\.\w+)*", form.package):
        message = f"`{form.package}` is not the name of a package."
        raise entry["package"].wrong(message, "Write it as in an import: `package: project.models`.")
    match = re.fullmatch(r"(\w+(?:\.\w+)*):(\w+)", form.base)
    if match is None:
        message = f"`{form.base}` does not say module:attribute."
        raise entry["base"].wrong(message, "Write the module inside the package, as in `base: base:Base`.")
    return Models(form.package, match[1], match[2])


def migrations(top: Entry, folder: Path, name: str) -> Path:
    """Read `migrations`, relative to a folder. Raises WrongUse where that folder is in it."""
    path = Path(os.path.normpath(folder / name))
    if path == folder or path in folder.parents:
        message = "`migrations` must be a folder of its own, for it is replaced whole."
        raise top["migrations"].wrong(message, "Write it as in `migrations: migrations`.")
    return path


def servers(top: Entry, folder: Path, default: tuple[str, ...]) -> tuple[str, ...]:
    """Read `prove_on`. Raises WrongUse."""
    if not default:
        message = "`prove_on` is empty, so nothing would be proved."
        hint = "Name a server, as in `prove_on: [sqlite://]`, or leave the key out."
        raise top["prove_on"].wrong(message, hint)
    return tuple(url(server, folder) for server in top.inside("prove_on")) or default


def url(entry: Entry, folder: Path) -> str:
    """Give a URL with its driver named and its SQLite file absolute. Raises WrongUse that shows only its scheme."""
    text = entry.text.strip()
    keep_url(text)
    try:
        given = as_url(text)
    except ArgumentError:
        hint = "Write it as in sqlite:///exemplo.db or postgresql+psycopg://user:password@host/name."
        raise entry.wrong(f"{entry} is not a database URL.", hint) from None
    except Misleading as error:
        raise entry.wrong(f"{entry} {error.does}.", error.hint) from None
    options.remember(given, entry.where)
    dialect, _, driver = given.drivername.partition("+")
    if dialect not in _DRIVERS:
        message = f"{entry} is for `{dialect}`, and that is not a database known here."
        raise entry.wrong(message, nearest(dialect, _DRIVERS, "database"))
    if driver not in ("", _DRIVERS[dialect]):
        scheme = dialect if dialect == "sqlite" else f"{dialect}+{_DRIVERS[dialect]}"
        message = f"{entry} asks for the driver `{driver}`, and migrations are not tried with that."
        raise entry.wrong(message, f"Write {scheme}://.")
    return _sqlite(entry, folder, given) if dialect == "sqlite" else _served(entry, given)


def _sqlite(entry: Entry, folder: Path, given: URL) -> str:
    if given.host or given.username:
        hint = "Write it as in sqlite:///exemplo.db, or sqlite:////folder/exemplo.db."
        raise entry.wrong(f"{entry} has two slashes, and SQLite takes three.", hint)
    if given.database in (None, "", ":memory:"):
        return entry.text.strip()
    path = os.path.normpath(folder / given.database)
    return given.set(database=path).render_as_string(hide_password=False)


def _served(entry: Entry, given: URL) -> str:
    dialect = given.get_backend_name()
    driver = _DRIVERS[dialect]
    if "@" in (given.host or "") or is_ambiguous(entry.text):
        hint = "In a user's name or password write %40 for `@`."
        raise entry.wrong(f"{entry} has a second `@` before its host.", hint)
    if entry.key == ("database", "url") and not names_database(given):
        hint = f"Add the database's name, as in {dialect}+{driver}://user@host/exemplo."
        raise entry.wrong(f"{entry} names a server and no database.", hint)
    if importlib.util.find_spec(driver) is None:
        message = f"{entry} is for {dialect}, and its driver {driver} is not installed."
        raise entry.wrong(message, f'Run `pip install "sqlstrata[{_EXTRAS[driver]}]"`.')
    if make_url(entry.text.strip()) != given:  # the database's name has moved to its place
        return given.set(drivername=f"{dialect}+{driver}").render_as_string(hide_password=False)
    return f"{dialect}+{driver}{entry.text.strip().removeprefix(given.drivername)}"
