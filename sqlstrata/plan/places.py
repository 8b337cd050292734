"""The package of the models, the folder of the migrations, and the databases: read and checked, not opened."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import UNSET
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from sqlstrata.nearest import nearest_hint
from sqlstrata.plan import options, urls
from sqlstrata.plan.drivers import Unusable
from sqlstrata.plan.form import wanted
from sqlstrata.plan.values import Base, Models
from sqlstrata.secret import is_ambiguous, keep_url
from sqlstrata.servers import DIALECTS, KINDS, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstrata.plan.document import Entry
    from sqlstrata.plan.form import ConfigForm, ModelsForm


@dataclass(frozen=True, slots=True)
class Place:
    """A database's URL, and a sentence about its ignored options, if it has any."""

    url: str
    note: str | None = None


def models(entry: Entry, form: ModelsForm) -> Models:
    """Read `models`. Nothing is imported. Raises WrongUse."""
    if not re.fullmatch(r"\w+(\.\w+)*", form.package):
        message = f"`{form.package}` is not the name of a package."
        raise entry["package"].wrong(message, "Write it as in an import: `package: project.models`.")
    several = isinstance(form.base, tuple)
    if several and not form.base:
        raise entry["base"].wrong("`base` is empty and must be module:attribute.", "Write it as in `base: base:Base`.")
    bases = entry.inside("base") if several else (entry["base"],)
    ignored = tuple(map(_base, entry.inside("ignore")))
    return Models(form.package, tuple(map(_base, bases)), ignored, _patterns(entry, form))


def _patterns(entry: Entry, form: ModelsForm) -> tuple[str, ...]:
    """Read `models.modules`: module names inside the package, in which `*` stands for anything."""
    if not form.modules:
        raise entry["modules"].wrong("`modules` is empty.", "Remove it, or write it as in `modules: ['*.models']`.")
    for each in entry.inside("modules"):
        if not re.fullmatch(r"[\w*?]+(\.[\w*?]+)*", each.text):
            message = f"`{each.text}` is not a pattern of module names."
            raise each.wrong(message, "Write a module inside the package, as in `*.models`.")
    return form.modules


def _base(entry: Entry) -> Base:
    match = re.fullmatch(r"(\w+(?:\.\w+)*):(\w+(?:\.\w+)*)", entry.text)
    if match is None:
        message = f"`{entry.text}` is not module:attribute."
        raise entry.wrong(message, "Write the module inside the package, as in `base: base:Base`.")
    return Base(match[1], match[2])


def own_folder(top: Entry, key: str, folder: Path, name: str) -> Path:
    """Read `migrations` or `frozen`, relative to a folder. Raises WrongUse where that folder is in it."""
    path = Path(os.path.normpath(folder / name))
    if path == folder or path in folder.parents:
        message = f"`{key}` must be a separate folder, because `rebuild` writes it."
        raise top[key].wrong(message, f"Write it as in `{wanted((key,)).example}`.")
    return path


def prove_on(top: Entry, folder: Path, form: ConfigForm, database: Place) -> tuple[Place, ...]:
    """Read `prove_on`; where it is not given, it is the server of the development database. Raises WrongUse."""
    if form.prove_on is UNSET:
        is_file = make_url(database.url).get_backend_name() == "sqlite"
        return (Place("sqlite://" if is_file else database.url),)
    if not form.prove_on:
        message = "`prove_on` is empty, so nothing would be proved."
        hint = "Name a server, as in `prove_on: [sqlite://]`, or remove the key."
        raise top["prove_on"].wrong(message, hint)
    return tuple(url(server, folder) for server in top.inside("prove_on"))


def servers(top: Entry, form: ConfigForm, database: Place, proved: Sequence[Place]) -> tuple[str, ...]:
    """Read `servers`, the kinds that the history is for; where it is not given, those of the URLs. Raises WrongUse."""
    used = {each: kind_of(make_url(each.url).get_backend_name()).name for each in (database, *proved)}
    if form.servers is UNSET:
        return tuple(name for name in KINDS if name in used.values())
    given = list(top.inside("servers"))
    if not given:
        raise top["servers"].wrong("`servers` is empty.", "Name the kinds of servers, as in `servers: [sqlite]`.")
    for entry in given:
        if entry.text not in KINDS:
            hint = (
                f"Write `{key}`."
                if (key := _renamed(entry.text))
                else nearest_hint(entry.text, KINDS, "kind of server")
            )
            raise entry.wrong(f"`{entry.text}` is not a kind of server.", hint)
    names = [entry.text for entry in given]
    for place, name in used.items():
        if name not in names:
            entry = top["database"]["url"] if place is database else top["prove_on"]
            line = f"servers: [{', '.join(each for each in KINDS if each in (*names, name))}]"
            raise entry.wrong(f"{entry} is for {KINDS[name].title}, which `servers` does not name.", f"Write `{line}`.")
    return tuple(name for name in KINDS if name in names)


def _renamed(word: str) -> str | None:
    """The kind of server that SQLAlchemy has by another name."""
    return kind_of(word).name if word in DIALECTS else None


def url(entry: Entry, folder: Path) -> Place:
    """Give a URL with its driver named and its SQLite file absolute. Raises WrongUse that shows only its scheme."""
    text = entry.text.strip()
    keep_url(text)
    try:
        given = urls.given(text)
    except ArgumentError:
        hint = "Write it as in sqlite:///exemplo.db or postgresql+psycopg://user@host/name."
        raise entry.wrong(f"{entry} is not a database URL.", hint) from None
    except Unusable as error:
        raise entry.wrong(f"{entry} {error.does}.", error.hint) from None
    options.remember(given.url, entry.where)
    is_file = given.url.get_backend_name() == "sqlite"
    made = _sqlite(entry, folder, given.url) if is_file else _served(entry, given.url)
    return Place(made, given.ignored and f"{entry.where}: {_capital(f'{entry} {given.ignored}')}.")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _sqlite(entry: Entry, folder: Path, given: URL) -> str:
    if given.host or given.username:
        hint = "Write it as in sqlite:///exemplo.db, or sqlite:////folder/exemplo.db."
        raise entry.wrong(f"{entry} has two slashes, but SQLite needs three.", hint)
    if given.database in (None, "", ":memory:"):
        return _as_written(entry, given)
    path = os.path.normpath(folder / given.database)
    return given.set(database=path).render_as_string(hide_password=False)


def _served(entry: Entry, given: URL) -> str:
    kind = kind_of(given.get_backend_name())
    if "@" in (given.host or "") or is_ambiguous(entry.text):
        hint = "In a user name or password write %40 for `@`."
        raise entry.wrong(f"{entry} has a second `@` before its host.", hint)
    if entry.key == ("database", "url") and not given.database:
        hint = f"Add it, as in {given.drivername}://user@host/exemplo."
        raise entry.wrong(f"{entry} has no database name.", hint)
    if importlib.util.find_spec(kind.driver) is None:
        message = f"{entry} uses {kind.title}, but its driver {kind.driver} is not installed."
        raise entry.wrong(message, f'Run `pip install "{kind.requirement}"`.')
    return _as_written(entry, given)


def _as_written(entry: Entry, given: URL) -> str:
    """The URL for our driver, otherwise as written, unless options had to be translated."""
    text = entry.text.strip()
    written = make_url(text)
    if written.set(drivername=given.drivername) != given:
        return given.render_as_string(hide_password=False)
    return f"{given.drivername}{text.removeprefix(written.drivername)}"
