"""Taking a development database along, whose revision the history no longer has.

Its schema is known: it is kept, as a frozen file, whenever the database is brought to a revision. One revision leads
from there to the last stage. It is tried on a scratch database first, and then run like any other: whole or not at all
where the server has transactions for DDL, and continued after an interruption where it has none.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from sqlstrata import folder
from sqlstrata.databases import database, local, ownership
from sqlstrata.dialects import quoted, unmarked
from sqlstrata.diff import Migration
from sqlstrata.disk import shown, write_new
from sqlstrata.errors import Refused, SchemaDiffers, WrongUse
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import beside, compare
from sqlstrata.migrate.others import require_not_theirs
from sqlstrata.migrate.place import Repointed, fitting, gone_error, revision_on_disk, stage_of
from sqlstrata.migrate.way import NAME, Way, way
from sqlstrata.modules.extensions import Extensions
from sqlstrata.modules.frozen import Accumulated
from sqlstrata.modules.turning import metadata_of
from sqlstrata.plan import Plan, Stage
from sqlstrata.result import counted
from sqlstrata.revisions.frozen import freeze
from sqlstrata.revisions.generate import Step
from sqlstrata.revisions.revision import make
from sqlstrata.revisions.rows import insert
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.schema.values import Schema
from sqlstrata.servers import kind_of

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Followed:
    """The development database was changed from the schema of a revision that is gone to that of the last stage.

    `lost` is what was dropped with its values, `given` the values that columns got where no stage says any.
    """

    before: str
    stage: str
    changes: tuple[str, ...]
    lost: tuple[str, ...]
    given: tuple[str, ...]

    def __str__(self) -> str:
        text = f"Development database: revision {self.before} is no longer in the history. It was taken to stage "
        text += f"{self.stage}: {'; '.join(self.changes) or 'nothing changed'}."
        if self.given:
            text += f" No stage says the values of {', '.join(self.given)}."
        return text


def remember_made(plan: Plan, last: Step, report: Notify) -> None:
    """Keep the schema of the last stage as a rebuild has made it, so that no database has to be described again."""
    _keep(plan, None, last.revision.id, lambda: _form(plan, last.schema, last.metadata), report)


def remember(plan: Plan, url: sa.URL, step: Step, report: Notify) -> None:
    """Keep the schema of the development database, which was brought to a stage, with the renames that led there.

    `report` is called with the reason where it cannot be written: it is needed only when that revision is gone.
    """
    _keep(plan, url, step.revision.id, lambda: _form(plan, step.schema, step.metadata), report)


def remember_stage(plan: Plan, stage: str | None, known: Sequence[File], report: Notify) -> None:
    """The same, where the database is at a stage of the history on disk; None is before the first.

    Its models are imported only where the schema is not that of the last rebuild here.
    """
    index = next((number for number, each in enumerate(plan.stages) if each.name == stage), None)
    revision = next((file.id for file in known if file.stage == stage), None)
    if index is None or revision is None:
        return

    def form() -> Form:
        own = plan
        if plan.stages[index].live:  # as the history on disk has it: the models may have been changed since
            frozen = replace(plan.stages[index], live=False, frozen=True)
            own = replace(plan, stages=(*plan.stages[:index], frozen))
        metadata = metadata_of(own, index)
        return _form(plan, _described(plan, metadata), metadata)

    _keep(plan, sa.make_url(plan.database.url), revision, form, report)


Form = dict[str, object]
"""A schema as it is kept: the text of its frozen file, and the renames of the stages that led there."""


def _keep(plan: Plan, url: sa.URL | None, revision: str, form: Callable[[], Form], report: Notify) -> None:
    if plan.database.protected or revision in local.known_schemas(plan.folder, url):  # a protected one never follows
        return
    made = local.known_schemas(plan.folder, None).get(revision)
    try:
        local.remember_schemas(plan.folder, url, {revision: form() if made is None else made})
    except WrongUse as error:
        report(f"The database's schema was not kept, so it cannot follow if revision {revision} goes: {error}")


def _form(plan: Plan, schema: Schema, metadata: sa.MetaData) -> Form:
    text = freeze(plan, "", Schema(), schema, metadata)
    return {"text": text, "renames": [dict(stage.rename) for stage in plan.stages]}


def _for(plan: Plan, dialect: str) -> Plan:
    """The plan, for the development database's kind of server alone."""
    return replace(plan, servers=(kind_of(dialect).name,))


def _described(plan: Plan, metadata: sa.MetaData) -> Schema:
    return describe(metadata, described=Described(plan.dialects))


def take_along(
    plan: Plan, made: Sequence[Step], confirmed: Callable[[str], bool], wait: float, waiting: Notify
) -> Repointed | Followed | None:
    """Bring the development database back into the history, where its revision is gone from it; None where it is not.

    Where its schema is that of a stage, it gets the revision of that. Else it is changed to that of the last stage;
    `confirmed` is asked before values would be lost. Raises Refused where they must not be, SchemaDiffers where the
    database's schema is not known or was changed by hand, Protected, and what migrating raises.
    """
    with database.engine(plan.database.url, reading=True, wait=wait).connect() as connection:
        revision = apply.revision_of(connection, plan)
        known = apply.files(plan)
        if revision is None or stage_of(revision, known) is not None:
            return None
        require_not_theirs(plan, revision)
        what = f"given another revision than {revision}, which is gone"
        ownership.require_unprotected(connection, what, configured=plan.database.protected)
        connection.rollback()
        form = local.known_schemas(plan.folder, connection.engine.url).get(revision)
        if form is not None and apply.unfinished(connection) is not None:
            connection.close()
            _Following(plan, made, revision, form).go_on(wait, waiting)
            return take_along(plan, made, confirmed, wait, waiting)
        fit = fitting(connection, plan, made)
        if fit.exact:
            new = revision_on_disk(plan, made, fit.stage)
            apply.stamp(connection, plan, new, wait, waiting)
            if new is not None:
                at = next(step for step in made if step.stage.name == fit.stage)
                remember(plan, connection.engine.url, at, waiting)
            return Repointed(revision, fit.stage)
        following = None if form is None else _Following(plan, made, revision, form)
        if following is None or compare(connection, following.metadata, plan.foreign):
            raise gone_error(revision, fit, made, known)
        connection.rollback()
        found = following.way()
        lost = _lost(connection, found, plan.stages)
    last = made[-1].stage.name
    if lost and not confirmed(f"Taking the development database to stage {last} loses {', '.join(lost)}. Go on?"):
        raise Refused(
            f"The development database is at revision {revision}, which is no longer in the history. Taking it to "
            f"stage {last} would lose {', '.join(lost)}.",
            hint="`--yes` lets that go, and so does the stage's `drop`. Nothing was changed in the database.",
            lost=list(lost),
        )
    return following.run(found, lost, wait, waiting)


def _lost(connection: sa.Connection, found: Way, stages: Sequence[Stage]) -> tuple[str, ...]:
    """The tables with rows and the columns with values that would go, and that no stage names under `drop`."""
    lost = []
    named = {name for stage in stages for name in stage.drop}
    for name in found.stage.drop:
        if name in named:
            continue
        path = tuple(name.split("."))
        is_table = name in found.tables
        table = path if is_table else path[:-1]
        counting = "*" if is_table else quoted(connection, path[-1])
        query = f"SELECT count({counting}) FROM {quoted(connection, *table)}"  # noqa: S608 - quoted names
        number = int(connection.exec_driver_sql(query).scalar_one())
        if number:
            lost.append(f"{name} ({counted(number, 'row' if is_table else 'value')})")
    connection.rollback()
    return tuple(lost)


class _Following:
    """The development database at a revision that is gone, and the revision that leads on from it."""

    def __init__(self, plan: Plan, made: Sequence[Step], revision: str, form: Form) -> None:
        self.plan, self.made, self.revision, self.form = plan, made, revision, form
        self.url = sa.make_url(plan.database.url)
        self.own = _for(plan, self.url.get_backend_name())
        accumulated = Accumulated(Extensions(plan.extensions).created_by)
        self.metadata = accumulated.add(str(form["text"]), Path("the kept schema"))
        self.place = local.following(plan.folder, self.url)

    def way(self) -> Way:
        before, after = _described(self.own, self.metadata), _described(self.own, self.made[-1].metadata)
        renames = self.form["renames"]
        assert isinstance(renames, list)
        return way(self.revision, before, after, self.plan.stages, renames, self.own.dialects)

    def run(self, found: Way, lost: Sequence[str], wait: float, waiting: Notify) -> Followed:
        """Try the way on a scratch database, and go it."""
        self._write(found)
        self._try(found)
        last = self.made[-1]
        form = _form(self.plan, last.schema, last.metadata)
        local.remember_schemas(self.plan.folder, self.url, {self.revision: self.form, found.revision.id: form})
        with apply.connected(self.plan, wait=wait) as connection:
            self._up(connection, wait, waiting)
            self._insert_rows(connection, found)
            apply.stamp(connection, self.plan, last.revision.id, wait, waiting)
            local.remember_schemas(self.plan.folder, self.url, {last.revision.id: form})
            different = compare(connection, last.metadata, self.plan.foreign)
        shutil.rmtree(self.place, ignore_errors=True)
        if different:
            message = f"The development database was taken to stage {last.stage.name}, and has "
            message += f"{counted(len(different), 'difference')} from it."
            raise SchemaDiffers(message, hint="`inv status` shows them.")
        given = tuple(f"{name}: {value}" for name, value in found.given.items())
        return Followed(self.revision, last.stage.name, found.revision.changes, tuple(lost), given)

    def go_on(self, wait: float, waiting: Notify) -> None:
        """Go on with what was interrupted. Raises SchemaDiffers where its revision is not there any more."""
        if not self.place.is_dir():
            message = f"The development database was being taken from revision {self.revision}, and "
            message += f"{shown(self.place)} is gone."
            raise SchemaDiffers(message, hint="`inv reset` makes the database anew, without its rows.")
        with apply.connected(self.plan, wait=wait) as connection:
            self._up(connection, wait, waiting)

    def _write(self, found: Way) -> None:
        """Write the folder of the revision, with an empty one for the revision that the database is at."""
        shutil.rmtree(self.place, ignore_errors=True)
        versions = self.place / "versions"
        versions.mkdir(parents=True)
        folder.copy(self.plan.migrations, self.place)
        folder.environment(self.place)
        nothing = Migration((), (), (), frozenset())
        start = make(Stage("start", "start"), 1, None, nothing, nothing)
        texts = {
            start.filename: start.text.replace(start.id, self.revision),
            found.revision.filename: found.revision.text,
        }
        for name, text in texts.items():
            write_new(versions / name, text.encode())

    def _try(self, found: Way) -> None:
        """Raise SchemaDiffers, with nothing changed, where the way does not lead to the last stage's schema."""
        last = self.made[-1]
        schemas = sorted({table.schema for table in self.metadata.tables.values() if table.schema})
        with (
            apply.connected(self.plan) as connection,
            beside(connection, schemas) as empty,
            database.connect(empty.engine) as there,
        ):
            with unmarked(self.metadata):
                self.metadata.create_all(there)
            there.commit()
            self._up(there, 60, apply.silent)
            self._insert_rows(there, found)
            different = compare(there, last.metadata, self.plan.foreign)
        if different:
            message = f"There is no way from the development database's schema to that of stage {last.stage.name}: "
            message += "; ".join(f"{each.table}: {each.what}" for each in different)
            hint = "Nothing was changed in the database. `inv reset` makes it anew, without its rows."
            raise SchemaDiffers(f"{message}.", hint=hint)

    def _up(self, connection: sa.Connection, wait: float, waiting: Notify) -> None:
        stages = (Stage("start", "start"), Stage(NAME, NAME))
        own = replace(self.plan, migrations=self.place, stages=stages)
        apply.up(connection, own, NAME, apply.silent, wait=wait, waiting=waiting)

    def _insert_rows(self, connection: sa.Connection, found: Way) -> None:
        """Insert the development rows of the tables that are new, as far as the last stage has their columns."""
        metadata = self.made[-1].metadata
        new = metadata.tables.keys() - self.metadata.tables.keys() - set(found.stage.rename.values())
        for stage in self.plan.stages:
            for name, rows in stage.rows.items():
                if name in new and all(column in metadata.tables[name].columns for row in rows for column in row):
                    insert(connection, metadata, {name: rows})
        connection.commit()
