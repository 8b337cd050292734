"""`init`: find the models of a folder, or write first ones, and write what sqlstrata needs beside them.

1. Which files may define tables is seen from their text; these are imported in a process of their own.
2. What is found there is what config.yaml names. Where there is nothing, a first module is written, or with
   `from_database` the models of a database.
3. All files are written together, or none. config.yaml is the last: where it exists, everything does.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

import sqlalchemy as sa

from sqlstrata.commands import alembic_ini, contents
from sqlstrata.commands.identify import Identified, fit
from sqlstrata.commands.skeleton import skeleton
from sqlstrata.databases import addresses, creation, database
from sqlstrata.disk import Write, heal, shown, together
from sqlstrata.errors import SchemaDiffers, SqlstrataError, WrongUse, accepted
from sqlstrata.folder import surroundings
from sqlstrata.migrate import apply
from sqlstrata.plan import Plan, read
from sqlstrata.result import Line, counted
from sqlstrata.start import texts
from sqlstrata.start.candidates import candidates
from sqlstrata.start.discovery import Discovery, discover
from sqlstrata.start.first import name_of
from sqlstrata.start.models import Models, models, models_of
from sqlstrata.start.reverse import Reversed

FIRST = "item"
"""The name of the first module."""
_VARIABLE = "DATABASE_URL"
_FOLDERS = ("migrations", "history")
_TABLE = "sqlstrata_version"
"""Alembic's table, where alembic_version belongs to another history."""


@dataclass(frozen=True)
class Begun:
    """What was found, what was written, and which files were kept because they existed.

    `models` and `seen` are None where config.yaml existed; `identified` is for the models of a database.
    """

    config: Path
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    notes: tuple[str, ...]
    next: str
    models: Models | None = None
    seen: Discovery | None = None
    unknown: tuple[str, ...] = ()
    identified: Identified | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "config": str(self.config),
            **({} if self.models is None else _models_as_json(self.models)),
            **({} if self.seen is None else _seen_as_json(self.seen)),
            "written": [str(path) for path in self.written],
            "kept": [str(path) for path in self.kept],
            "notes": list(self.notes),
            "next": self.next,
            **({} if self.identified is None else {"identified": self.identified.to_json()}),
        }

    def lines(self) -> Iterator[Line]:
        for each in self.seen.found if self.seen is not None else ():
            yield f"Found: {each}, with {counted(len(each.tables), 'table')}."
        yield from (f"Written: {shown(path)}." for path in self.written)
        yield from (f"Kept as it was: {shown(path)}." for path in self.kept)
        yield from self.notes
        if self.identified is not None:
            yield from self.identified.lines()
        yield f"Next: {self.next}"

    @property
    def error(self) -> SchemaDiffers | None:
        """The error where the models that were written do not give the database's schema."""
        if self.unknown:
            message = f"SQLAlchemy does not know the types of these columns: {', '.join(self.unknown)}."
            return SchemaDiffers(message, hint="Write them into the models, and run `inv identify`.")
        if self.identified is None or self.identified.exact:
            return None
        differences = counted(len(self.identified.differences), "difference")
        message = f"The models that were written are not exactly the database: {differences}."
        return SchemaDiffers(message, hint="Complete the models, and run `inv identify`.")


def _models_as_json(made: Models) -> dict[str, object]:
    layout = made.layout
    return {"way": made.way, "package": layout.package, "base": list(layout.bases), "modules": list(layout.patterns)}


def _seen_as_json(seen: Discovery) -> dict[str, object]:
    return {
        "found": [{"base": str(each), "tables": sorted(each.tables)} for each in seen.found],
        "not_imported": list(seen.unseen),
        "alembic": [str(path) for path in seen.files.alembic],
    }


def init(
    config: Path,
    *,
    url: str | None = None,
    from_database: str | None = None,
    live: bool = False,
    by_modules: bool = False,
    name: str = FIRST,
) -> Begun:
    """Find the models in the folder of `config`, or write a first module; write config.yaml and what goes with it.

    `url` is the development database, by default that of `from_database`, of the variable DATABASE_URL, or a SQLite
    file. `live` or `by_modules` is the way of working: live where there are models. `name` is the first module's. Files
    that exist stay as they are, but .gitignore may get more lines.
    With `from_database` the models are written from a database. Raises SchemaDiffers where they do not give its schema
    exactly; the files stay then, to be completed. After any other error nothing was written.
    """
    config = config.absolute()
    if live and by_modules:
        raise WrongUse("`--live` and `--modules` exclude each other.", hint="Give one of them.")
    healed = heal(config)
    if config.exists():
        return _completed(config, live=live, asked=bool(url or from_database or live or by_modules or name != FIRST))
    folder = config.parent
    seen = discover(candidates(folder))
    if from_database is None:
        made = models(folder, seen, name, live=live, modules=by_modules)
        return _noting(healed, _begun(config, _database(folder, url), made, seen))
    there = _in_folder(from_database, folder)
    made, found = models_of(folder, seen, there, live=not by_modules)
    return accepted(_noting(healed, _begun(config, url or from_database, made, seen, found, there)))


def _noting(note: str | None, begun: Begun) -> Begun:
    return begun if note is None else replace(begun, notes=(note, *begun.notes))


def _completed(config: Path, *, live: bool, asked: bool) -> Begun:
    """Write what is missing beside a config.yaml that exists."""
    if asked:
        hint = "Edit it, or move it away and run this again. Without options this completes what is beside it."
        if live:
            hint = "`inv new-stage NAME --live` goes on from its stages with a live one."
        raise WrongUse(f"There already is a {shown(config)}, which is not overwritten.", hint=hint)
    plan = read(config)
    with together() as write:
        written, kept = _write(_surroundings(plan), write)
    return Begun(config, written, (config, *kept), (), f"`inv rebuild{_elsewhere(config)}`.")


def _database(folder: Path, url: str | None) -> str:
    """The URL as config.yaml has it. Raises WrongUse."""
    if url is None and os.environ.get(_VARIABLE):
        addresses.parsed(os.environ[_VARIABLE])
        return f"${{{_VARIABLE}}}"
    text = url or f"sqlite:///{name_of(folder.name)}.db"
    addresses.parsed(text)
    return text


def _in_folder(url: str, folder: Path) -> sa.URL:
    """The URL of a database; a SQLite file is relative to the folder, as in config.yaml."""
    parsed = addresses.parsed(url)
    if addresses.server_kind(parsed) == "sqlite" and not addresses.in_memory(parsed):
        return parsed.set(database=str(folder / str(parsed.database)))
    return parsed


def _begun(
    config: Path, url: str, made: Models, seen: Discovery, found: Reversed | None = None, there: sa.URL | None = None
) -> Begun:
    """Write everything; `found` and `there` are for the models of a database."""
    names = chain(_FOLDERS, (f"migrations_{number}" for number in count(2)))
    migrations = next(name for name in names if _is_free(config.parent / name))
    beside = bool(seen.files.alembic) or (found is not None and found.has_alembic)
    text = texts.config(url, made.layout, made.stage, migrations, _TABLE if beside else None)
    plan = _draft(config, text)
    files = {path: content.encode() for path, content in made.texts.items()}
    if made.path is not None and made.module is not None:
        package = made.path.parents[made.module.count(".")]
        files[made.path] = skeleton(plan, package, made.module, None).encode()
    with together(config) as write:
        written, kept = _write({**files, **_surroundings(plan), config: text.encode()}, write)
        unknown = () if found is None else found.unknown
        found_at = None if there is None or unknown else fit(plan, there.render_as_string(hide_password=False))
    notes = (*_notes(plan, made, seen), *_about_alembic(plan, seen, found))
    return Begun(config, written, kept, notes, _next(plan, made, seen, found_at), made, seen, unknown, found_at)


def _is_free(folder: Path) -> bool:
    """Whether a folder may become Alembic's: it has nothing, or what sqlstrata has written there."""
    env = folder / "env.py"
    if env.is_file():
        return b"sqlstrata" in env.read_bytes()
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _draft(config: Path, text: str) -> Plan:
    """The plan that a config.yaml gives which is not there yet. Raises WrongUse where it is not right."""
    draft = config.with_name(f"{config.name}.strata-partial-{secrets.token_hex(4)}")
    with together(config) as write:
        write(draft, text.encode())
        try:
            plan = read(draft)
            return replace(plan, path=config, marks=replace(plan.marks, path=shown(config)))
        except WrongUse as error:
            error.where = None  # the file is not there
            raise
        finally:
            draft.unlink()


def _surroundings(plan: Plan) -> dict[Path, bytes]:
    """The files beside the plan: for Invoke, for git, and for Alembic."""
    ignore = plan.folder / ".gitignore"
    present = ignore.read_text(encoding="utf-8") if ignore.is_file() else ""
    database = addresses.parsed(plan.database.url)
    files = {plan.folder / "tasks.py": texts.TASKS, ignore: texts.ignored(present, database, plan.folder)}
    if (ini := alembic_ini.text(plan)) is not None:
        files[plan.folder / "alembic.ini"] = ini
    migrations = {plan.migrations / name: content for name, content in surroundings.single().items()}
    return {path: content.encode() for path, content in files.items()} | migrations


def _write(files: Mapping[Path, bytes], write: Write) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Write the files that do not exist, and .gitignore; give what was written, and what was kept."""
    written: list[Path] = []
    kept: list[Path] = []
    for path, content in files.items():
        if path.exists() and (path.name != ".gitignore" or path.read_bytes() == content):
            kept.append(path)
        else:
            write(path, content)
            written.append(path)
    return tuple(written), tuple(kept)


# ------------------------------------------------ what is said


def _notes(plan: Plan, made: Models, seen: Discovery) -> Iterator[str]:
    if len(made.layout.bases) > 1:
        number = len(made.layout.bases)
        yield f"There are {number} bases with tables, so `base` in {plan.path.name} is a list of them."
    yield from (f"Not imported: {each}." for each in seen.unseen)
    tasks = plan.folder / "tasks.py"
    if b"sqlstrata" not in tasks.read_bytes():
        yield f"For `inv`, add to {shown(tasks)}: from sqlstrata.tasks import namespace as ns"
    if "${" not in plan.marks.at("database", "url").source and addresses.parsed(plan.database.url).password:
        yield f"The URL in {plan.path.name} has a password. Before you commit it: `url: ${{{_VARIABLE}}}`."


def _about_alembic(plan: Plan, seen: Discovery, found: Reversed | None) -> Iterator[str]:
    other = [shown(each) for each in seen.files.alembic]
    if other:
        yield (
            f"{', '.join(other)} is an Alembic folder, and stays as it is. There are two ways on: beside it, as "
            f"{plan.path.name} has it now, with the folder {shown(plan.migrations)} and the table {_TABLE}; or "
            "`inv import-alembic`, which makes stages of its revisions."
        )
    elif found is not None and found.has_alembic:
        yield f"The database has a table alembic_version, which stays as it is; this history has the table {_TABLE}."


def _next(plan: Plan, made: Models, seen: Discovery, found_at: Identified | None) -> str:
    option = _elsewhere(plan.path)
    command = f"`inv rebuild{option}` writes the first revision, and brings the database to it"
    install = ""
    if seen.files.is_apart(made.layout.package):
        install = f"`pip install --editable .`, so that {made.layout.package} can be imported; then "
    if found_at is not None or _has_tables(plan, seen):
        return (
            f"{install}`inv rebuild --no-apply{option}` writes the first revision; then `inv adopt{option}` writes its "
            "id into the database, which has its tables already."
        )
    if made.path is not None:
        return f"{install}write your model in {shown(made.path)}; then {command}."
    return f"{install}{command}."


def _has_tables(plan: Plan, seen: Discovery) -> bool:
    """Whether the development database has tables of the models already, and can be looked at."""
    modelled = {name.rpartition(".")[2] for each in seen.found for name in each.tables}
    with suppress(SqlstrataError):
        if modelled and creation.exists(plan.database.url):
            with database.engine(plan.database.url, reading=True).connect() as connection:
                there = {path[-1] for path in contents.tables(connection, plan)}
                return not modelled.isdisjoint(there) and apply.revision_of(connection, plan) is None
    return False


def _elsewhere(config: Path) -> str:
    """The option that a command needs where config.yaml is not found without it."""
    return "" if config == Path.cwd() / "config.yaml" else f" --config {shown(config)}"
