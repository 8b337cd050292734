"""`import-alembic`: stages from an existing Alembic history, whose released ids stay.

1. The project's own env.py brings a scratch database to each revision that is asked for.
2. What the database then holds is read from its catalogue, and becomes a frozen stage with the revision's id. The
   stage must create exactly that database: it is compared, in another scratch database.
3. All files and the stages in config.yaml are written together, or none.

What the revisions do to rows is told; rows that they bring on an empty database become the stage's `data`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sqlstrata.commands import differences as shown_differences
from sqlstrata.commands.editing import with_frozen
from sqlstrata.commands.progress import Notify, silent
from sqlstrata.commands.yaml_edit import with_top_key
from sqlstrata.databases import addresses, database
from sqlstrata.databases.lost import answering
from sqlstrata.disk import shown
from sqlstrata.errors import SchemaDiffers, WrongUse
from sqlstrata.migrate.identity import compare
from sqlstrata.modules.frozen import path_of
from sqlstrata.plan import Plan
from sqlstrata.plan.values import VersionTable
from sqlstrata.replay.project import Old, Project, Ran, chosen
from sqlstrata.replay.state import Rows, State, seeds, state
from sqlstrata.replay.steps import DataStep, data_steps
from sqlstrata.result import Line, counted
from sqlstrata.revisions.frozen import Frozen, freeze
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.scratch.bracket import scratch
from sqlstrata.snapshot import Difference
from sqlstrata.start.first import name_of


@dataclass(frozen=True)
class Imported:
    """The stages that were written, each with its revision; what the revisions do to rows, and what is left out.

    `missing` is what the frozen stages do not hold, by what `accept_missing` let go.
    """

    config: Path
    stages: tuple[tuple[str, str], ...]
    written: tuple[Path, ...]
    steps: tuple[DataStep, ...]
    left: tuple[str, ...]
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "config": str(self.config),
            "stages": [{"stage": stage, "revision": revision} for stage, revision in self.stages],
            "written": [str(path) for path in self.written],
            "data_steps": [
                {"revision": each.revision, "file": each.file, "line": each.line, "kind": each.kind, "text": each.text}
                for each in self.steps
            ],
            "left_out": [*self.left, *self.missing],
        }

    def lines(self) -> Iterator[Line]:
        if not self.stages:
            yield "Nothing to do: these revisions are stages already."
            return
        for stage, revision in self.stages:
            yield f"Stage {stage} is revision {revision}: a database there needs no stamp."
        yield from (f"Written: {shown(path)}." for path in self.written)
        if self.steps:
            count = counted(len(self.steps), "data step")
            yield f"The old history has {count}. Rows that are there on an empty database are in the stages' `data`:"
            yield from (f"  {each}" for each in self.steps)
        for each in (*self.left, *self.missing):
            yield f"Left out: {each}."
        yield "Next: `inv rebuild`, which makes and proves the short history. The old files stay where they are."


@answering()
def import_alembic(
    plan: Plan,
    project: Project,
    at: Sequence[str] = (),
    url: str | None = None,
    *,
    accept_missing: Collection[str] = (),
    notify: Notify = silent,
) -> Imported:
    """Write frozen stages for revisions of an existing Alembic history, by default for its last one.

    url: a server for the scratch database (default: the development database's). The project's files and databases are
    only read; its env.py runs on the scratch database, whatever it would connect to. Raises WrongUse, MigrationFailed
    with what the project says, SchemaDiffers where a frozen stage would not be exactly what a revision makes; then
    nothing has been written.
    """
    there = addresses.parsed(plan.database.url if url is None else url)
    plan.require_server(there.get_backend_name())
    if project.scripts == plan.migrations:
        message = f"{shown(plan.migrations)} is this project's own history."
        raise WrongUse(message, hint="Name the other one with `--from`, or its folder with `--script-location`.")
    history = project.history()
    known = {stage.revision for stage in plan.stages}
    wanted = tuple(each for each in chosen(history, at) if each.id not in known)
    _require_later(plan, history, wanted)
    if not wanted:
        return Imported(plan.path, (), (), (), (), ())
    made = list(_made(plan, project, there, history, wanted, accept_missing, notify))
    last = made[-1]
    table = VersionTable(last.ran.table, last.ran.schema)
    written = _write(plan, made, table)
    steps = data_steps(history[: history.index(last.old) + 1], [h for each in made for h in each.ran.heard], table.name)
    return Imported(
        plan.path,
        tuple((each.name, each.old.id) for each in made),
        written,
        steps,
        tuple(text for each in made for text in each.left),
        tuple(text for each in made for text in each.missing),
    )


def _require_later(plan: Plan, history: Sequence[Old], wanted: Sequence[Old]) -> None:
    """Raise WrongUse for a revision that comes before one that is a stage already."""
    order = [each.id for each in history]
    done = [order.index(stage.revision) for stage in plan.stages if stage.revision in order]
    for each in wanted:
        if done and order.index(each.id) < max(done):
            raise WrongUse(
                f"Revision {each.id} comes before {order[max(done)]}, which is a stage already.",
                hint="Remove the imported stages from config.yaml, and import all revisions at once.",
            )


# ------------------------------------------------------------------------- the stages


@dataclass(frozen=True)
class _Made:
    """One stage: its name, the text of its file, its entry in config.yaml, and what was left out of it."""

    old: Old
    ran: Ran
    name: str
    text: str
    entry: Mapping[str, object]
    left: tuple[str, ...]
    missing: tuple[str, ...]


def _made(
    plan: Plan,
    project: Project,
    there: sa.URL,
    history: Sequence[Old],
    wanted: Sequence[Old],
    accepted: Collection[str],
    notify: Notify,
) -> Iterator[_Made]:
    stages = Frozen(plan)
    before = stages.schema
    rows: Rows = {}
    names = {stage.name for stage in plan.stages}
    earlier = [each for each in history if each.id in {stage.revision for stage in plan.stages}]
    with scratch(there) as empty:
        for old in earlier[-1:]:
            rows = _state(empty.engine, project.run("upgrade", old.id, empty.url)).rows
        for old in wanted:
            notify("replaying", old.id)
            ran = project.run("upgrade", old.id, empty.url)
            with database.connect(empty.engine) as connection:
                found = state(connection, ran.own)
                schema = describe(found.metadata, described=Described(plan.dialects))
                name = _name(old, names)
                text = freeze(plan, name, before, schema, found.metadata)
                missing = _require_exact(connection, stages.add(name, text), ran, old, accepted)
                inserts, left = seeds(rows, found, connection.dialect.name)
            entry: dict[str, object] = {
                "name": name,
                "message": old.message or name,
                "frozen": True,
                "revision": old.id,
            }
            if inserts:
                entry["data"] = {"upgrade": inserts}
            yield _Made(old, ran, name, text, entry, tuple(left), missing)
            before, rows = schema, found.rows
            names.add(name)


def _state(engine: sa.Engine, ran: Ran) -> State:
    with database.connect(engine) as connection:
        return state(connection, ran.own)


def _require_exact(
    connection: sa.Connection, metadata: sa.MetaData, ran: Ran, old: Old, accepted: Collection[str]
) -> tuple[str, ...]:
    """Give what the frozen stage does not hold, if all of it is accepted. Raises SchemaDiffers."""
    found = compare(connection, metadata, ran.own)
    connection.rollback()
    wrong = [each for each in found if _kind(each) not in accepted]
    if wrong:
        kinds = ", ".join(f"`--accept-missing {kind}`" for kind in dict.fromkeys(map(_kind, wrong)))
        listed = "; ".join(f"{each.table}: {each.what}" for each in wrong[:10])
        raise SchemaDiffers(
            f"A frozen stage cannot hold all of revision {old.id}: {listed}.",
            hint=f"Nothing was written. {kinds} leaves that out.",
            differences=shown_differences.as_json(tuple(wrong)),
        )
    return tuple(f"{each.table}: {each.what} (revision {old.id})" for each in found)


def _kind(difference: Difference) -> str:
    """The kind of the thing or element that differs, such as `table`, `view`, `column` or `index`."""
    return difference.what.partition(" ")[0].rstrip(":")


def _name(old: Old, taken: Collection[str]) -> str:
    name = name_of(old.message)[:60].strip("_")
    return name if name not in taken and name != "base" else f"{name}_{name_of(old.id)}"


# -------------------------------------------------------------------------- the files


def _write(plan: Plan, made: Sequence[_Made], table: VersionTable) -> tuple[Path, ...]:
    for each in made:
        path = path_of(plan, each.name)
        if path.exists():
            raise WrongUse(f"{shown(path)} exists already.", hint="Move it away. Nothing was written.")

    def change(text: str) -> str:
        if table != plan.version_table:
            text = with_top_key(text, "version_table", str(table))
        if str(table) in plan.not_ours:  # it was that of the other history, and is ours from now on
            text = with_top_key(text, "not_ours", [each for each in plan.not_ours if each != str(table)])
        return text

    return with_frozen(plan, [each.entry for each in made], [each.text for each in made], change)
