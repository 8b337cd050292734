"""`import-alembic`: stages from an existing Alembic history, whose released ids stay.

1. The project's own env.py brings a scratch database to each revision that is asked for.
2. What the database then holds is read from its catalogue, and becomes a frozen stage with the revision's id. The
   stage must create exactly that database: it is compared, in another scratch database.
3. All files and the stages in config.yaml are written together, or none.

What the revisions do to rows is told; rows that they bring on an empty database become the stage's `data`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlstrata.commands.editing import with_frozen
from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.commands.yaml_edit import with_top_key
from sqlstrata.databases import addresses
from sqlstrata.databases.lost import answering
from sqlstrata.disk import shown
from sqlstrata.errors import WrongUse
from sqlstrata.migrate.identity import swept
from sqlstrata.past.beginning import beginning
from sqlstrata.past.heads import Heads
from sqlstrata.past.refs import Skipped, named
from sqlstrata.plan import Plan
from sqlstrata.plan.stages import slug
from sqlstrata.plan.values import VersionTable
from sqlstrata.replay.project import Old, Project, ancestors, chosen
from sqlstrata.replay.stages import Made, Replay, Wanted
from sqlstrata.replay.steps import DataStep, data_steps
from sqlstrata.result import Line, counted


@dataclass(frozen=True)
class Imported:
    """The stages that were written, each with its revision; what the revisions do to rows, and what is left out.

    `missing` is what the frozen stages do not hold, by what `accept_missing` let go; `skipped` are tags that give no
    stage. `unfilled` are data steps to be carried over, each with its stage. `start` says where the history begins, if
    not with its first revision.
    """

    config: Path
    stages: tuple[tuple[str, str], ...] = ()
    written: tuple[Path, ...] = ()
    steps: tuple[DataStep, ...] = ()
    left: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    start: str | None = None
    unfilled: tuple[tuple[str, str], ...] = ()

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
            "skipped": [{"ref": each.ref, "why": each.why} for each in self.skipped],
            "start": self.start,
            "to_fill_in": [{"stage": stage, "step": text} for stage, text in self.unfilled],
        }

    def lines(self) -> Iterator[Line]:
        yield from map(str, self.skipped)
        if not self.stages:
            yield "Nothing to do: these revisions are stages already."
            return
        for stage, revision in self.stages:
            yield f"Stage {stage} is revision {revision}: a database there needs no stamp."
        if self.start is not None:
            yield self.start
        yield from (f"Written: {shown(path)}." for path in self.written)
        if self.steps:
            count = counted(len(self.steps), "data step")
            yield f"The old history has {count}. Rows that are there on an empty database are in the stages' `data`:"
            yield from (f"  {each}" for each in self.steps)
        for stage, text in self.unfilled:
            yield f"To fill in, in the `data` of stage {stage}: {text}."
        for each in (*self.left, *self.missing):
            yield f"Left out: {each}."
        yield "Next: `inv rebuild`, which makes and proves the short history. The old files stay where they are."


@answering()
def import_alembic(  # noqa: PLR0913 - each is a flag of the command
    plan: Plan,
    project: Project,
    at: Sequence[str] = (),
    url: str | None = None,
    *,
    tags: str | None = None,
    start: str | None = None,
    accept_missing: Collection[str] = (),
    notify: Notify = silent,
) -> Imported:
    """Write frozen stages for revisions of an existing Alembic history, by default for its last one.

    at: the revisions; or tags: a pattern of git tags, whose heads they are. url: a server for the scratch database
    (default: the development database's). start: where the history begins if its first revision needs tables that
    nothing makes (see `past.beginning`). The project's files and databases are only read; its env.py runs on the
    scratch database, whatever it would connect to. Raises WrongUse, MigrationFailed with what the project says,
    SchemaDiffers where a frozen stage would not be exactly what a revision makes; then nothing has been written.
    """
    if at and tags is not None:
        raise WrongUse("`--at` and `--tags` exclude each other.", hint="Give one of them.")
    healed(plan, notify)
    there = addresses.parsed(plan.database.url if url is None else url)
    plan.require_server(there.get_backend_name())
    if project.scripts == plan.migrations:
        message = f"{shown(plan.migrations)} is this project's own history."
        raise WrongUse(message, hint="Name the other one with `--from`, or its folder with `--script-location`.")
    history = project.history()
    wanted, skipped = _wanted(plan, project, history, at, tags)
    _require_later(plan, history, wanted)
    if not wanted:
        return Imported(plan.path, skipped=skipped)
    swept(there)
    begun = None if start is None else beginning(plan, project, history, start)
    replay = Replay(plan, project, history, None if begun is None else begun.lay, accept_missing)
    made = list(replay.stages(there, _last_done(plan, history), wanted, notify))
    last = made[-1]
    table = VersionTable(last.ran.table, last.ran.schema)
    written = _write(plan, made, table, history)
    replayed = [each for each in history if each.id in {last.wanted.old.id, *ancestors(history, last.wanted.old)}]
    return Imported(
        plan.path,
        tuple((each.wanted.name, each.wanted.old.id) for each in made),
        written,
        data_steps(replayed, [heard for each in made for heard in each.ran.heard], table.name),
        tuple(text for each in made for text in each.left),
        tuple(text for each in made for text in each.missing),
        skipped,
        None if begun is None else begun.text,
        tuple((each.wanted.name, text) for each in made for text in each.unfilled),
    )


def _wanted(
    plan: Plan, project: Project, history: Sequence[Old], at: Sequence[str], tags: str | None
) -> tuple[tuple[Wanted, ...], tuple[Skipped, ...]]:
    """The revisions that are no stages yet, named after their tags or messages; and the tags that give none."""
    by_tag, skipped = ({}, ()) if tags is None else Heads(project.folder, history).tagged(tags)
    tag_of = {revision: tag for tag, revision in by_tag.items()}
    if not (at or by_tag) or not {"head", "heads"}.isdisjoint(at):
        project.require_one_head(history)
    known, taken = {stage.revision for stage in plan.stages}, {stage.name for stage in plan.stages} | {"base"}
    names = named(list(by_tag))
    wanted: list[Wanted] = []
    for old in chosen(history, list(tag_of) or at or ["head"]):
        if old.id in known:
            continue
        tag = tag_of.get(old.id)
        name = _name(old) if tag is None else names[tag]
        wanted.append(Wanted(old, name if name not in taken else f"{name}_{slug(old.id)}", tag or old.message or name))
        taken.add(wanted[-1].name)
    return tuple(wanted), skipped


def _name(old: Old) -> str:
    """A stage's name, from a revision's message; without one from its id."""
    return slug(old.message).lstrip("0123456789_")[:60].rstrip("_") or f"revision_{slug(old.id)}"


def _last_done(plan: Plan, history: Sequence[Old]) -> Old | None:
    """The last revision that is a stage already."""
    done = {stage.revision for stage in plan.stages}
    return next((old for old in reversed(history) if old.id in done), None)


def _require_later(plan: Plan, history: Sequence[Old], wanted: Sequence[Wanted]) -> None:
    """Raise WrongUse for a revision that comes before one that is a stage already."""
    last = _last_done(plan, history)
    for each in wanted:
        if last is not None and last.id not in ancestors(history, each.old):
            raise WrongUse(
                f"Revision {each.old.id} does not come after {last.id}, which is a stage already.",
                hint="Remove the imported stages from config.yaml, and import all revisions at once.",
            )


def _write(plan: Plan, made: Sequence[Made], table: VersionTable, history: Sequence[Old]) -> tuple[Path, ...]:
    folders = sorted({os.path.relpath(old.path.parent, plan.folder) for old in history})

    def change(text: str) -> str:
        if table != plan.version_table:
            text = with_top_key(text, "version_table", str(table))
        if str(table) in plan.not_ours:  # it was that of the other history, and is ours from now on
            text = with_top_key(text, "not_ours", [each for each in plan.not_ours if each != str(table)])
        if folders != [os.path.relpath(each, plan.folder) for each in plan.legacy]:
            text = with_top_key(text, "legacy", folders)
        return text

    return with_frozen(plan, [each.entry for each in made], [each.text for each in made], change)
