"""`import-git`: frozen stages from the models at git refs.

1. Each ref is a tree; its files are read from git's objects into the project's local folder.
2. The models of each tree are imported in a process of their own, which writes them as plain tables.
3. A tree whose schema is that of the one before is skipped; of the others, what they change is a frozen file.
4. All files and config.yaml are written together, or none.

Stages that config.yaml has keep their files: only what comes after the last frozen stage is added.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from sqlstrata.commands.editing import with_frozen
from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.databases import local
from sqlstrata.disk import shown
from sqlstrata.errors import WrongUse
from sqlstrata.folder import locked, require_frozen
from sqlstrata.past.git import Repository, Tree
from sqlstrata.past.models import Importing, Models, Past
from sqlstrata.past.place import Options
from sqlstrata.past.refs import Skipped, named
from sqlstrata.plan import Plan
from sqlstrata.plan.foreign import is_foreign
from sqlstrata.result import Line, counted
from sqlstrata.revisions.frozen import Frozen, differing, freeze, require_same
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.schema.values import Schema


@dataclass(frozen=True)
class Made:
    """A stage that was written: the ref and tree that it is from, and the text of its file."""

    stage: str
    ref: str
    tree: str
    tables: int
    text: str = field(repr=False)


@dataclass(frozen=True)
class Imported:
    """The stages that were written, the stages that were there, the refs that were skipped, and what was left out."""

    config: Path
    folder: Path
    made: tuple[Made, ...]
    kept: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "stages": [
                {"name": each.stage, "ref": each.ref, "tree": each.tree, "tables": each.tables, "file": str(path)}
                for each, path in zip(self.made, self.written, strict=True)
            ],
            "kept": list(self.kept),
            "skipped": [{"ref": each.ref, "why": each.why} for each in self.skipped],
            "notes": list(self.notes),
            "written": [str(path) for path in self.written] + [str(self.config)] * bool(self.made),
        }

    @property
    def written(self) -> tuple[Path, ...]:
        """The frozen files."""
        return tuple(self.folder / f"{each.stage}.py" for each in self.made)

    def lines(self) -> Iterator[Line]:
        for each, path in zip(self.made, self.written, strict=True):
            yield f"Written: {shown(path)}, stage {each.stage} from {each.ref}, with {counted(each.tables, 'table')}."
        for name in self.kept:
            yield f"Kept: stage {name}."
        yield from map(str, self.skipped)
        yield from self.notes
        if self.made:
            yield f"Added to {self.config.name}: {counted(len(self.made), 'frozen stage')}."
            yield "Next: `inv rebuild`, which lists the renames, drops and fills that the stages need."
        else:
            yield "There is nothing to add."


def import_git(
    plan: Plan,
    at: Sequence[str] = (),
    *,
    tags: str | None = None,
    options: Options = Options(),  # noqa: B008 - a frozen value
    importing: Importing = Importing(sys.executable),  # noqa: B008 - the same
    repository: Path | None = None,
    notify: Notify = silent,
) -> Imported:
    """Add a frozen stage for each ref whose schema differs from the one before.

    `at` are refs in their order, or `tags` is a pattern of tags, which are sorted as versions. `repository` is the
    folder of the repository, by default that of config.yaml. Afterwards the stages are in config.yaml before all that
    are not frozen. The repository is only read. Raises WrongUse, with nothing written but the cache of trees.
    """
    if bool(at) == (tags is not None):
        raise WrongUse("import-git needs refs.", hint="Give `--at REF`, once or more, or `--tags PATTERN`.")
    with locked(local.trees(plan.folder)):
        healed(plan, notify)
        require_frozen(plan)
        source = Repository(plan.folder if repository is None else repository)
        refs = list(dict.fromkeys(at)) if tags is None else source.tags(tags)
        work = _Work(plan, Past(plan, source, options, importing), named(refs), every=tags is None)
        for number, ref in enumerate(refs):
            notify(f"Reading the models at {ref}.", "")
            work.add(number, source.tree(ref))
        work.require_modules()
        done = work.done()
        _write(plan, done.made)
    return done


class _Work:
    """The refs one after another, each compared with the one before."""

    def __init__(self, plan: Plan, past: Past, names: Mapping[str, str], *, every: bool) -> None:
        self.plan, self.past, self.names, self.every = plan, past, names, every
        self.made: list[Made] = []
        self.kept: list[str] = []
        self.skipped: list[Skipped] = []
        self.notes: dict[str, list[str]] = {}
        """What was left out, and at which refs."""
        self.stages = {stage.name: (index, stage) for index, stage in enumerate(plan.stages)}
        self.refs = list(names)
        self.before = Frozen(plan)
        """All frozen stages that there are, and then those that are made."""
        self.last = ""
        """The ref that the next one is compared with."""

    def add(self, number: int, tree: Tree) -> None:
        """Keep the stage of a ref, make it, or skip the ref. Raises WrongUse."""
        name = self.names[tree.ref]
        if name in self.stages:
            self._keep(name)
            self.last = tree.ref
            return
        later = [ref for ref in self.refs[number + 1 :] if self.names[ref] in self.stages]
        found = self._models(tree)
        if found is None:
            return
        with_place = self.before if not later else self._as_of_last()
        try:
            after = describe(found.metadata, described=Described(self.plan.dialects))
        except WrongUse as error:
            raise WrongUse(f"The models at {tree.ref}: {error.message}", hint=error.hint) from error
        if not any(differing(with_place.schema, after)):
            same = f"its schema is that of {self.last}" if self.last else "its schema is that of the last frozen stage"
            self.skipped.append(Skipped(tree.ref, same if with_place.stages else "its models have no tables"))
        elif later:
            message = f"{tree.ref} comes before {later[0]}, which is a stage already, and its schema is another."
            raise WrongUse(message, hint="A stage is added after the frozen ones only; leave this ref out.")
        else:
            self._make(tree, found.metadata, after)
            self.last = tree.ref
        for note in found.notes:
            self.notes.setdefault(note, []).append(tree.ref)

    def require_modules(self) -> None:
        """Raise WrongUse where modules are missing, with the options to give."""
        missing = self.past.missing
        if missing:
            places = "; ".join(f"{name}, at {place}" for name, place in missing.items())
            stubs = " ".join(f"--stub {name}" for name in sorted(missing))
            raise WrongUse(
                f"The models need {counted(len(missing), 'module')} that cannot be imported: {places}.",
                hint=f"Add `{stubs}` if no column depends on them; or `--python` names an interpreter that has them.",
                missing=sorted(missing),
            )

    def done(self) -> Imported:
        return Imported(
            self.plan.path,
            self.plan.frozen,
            tuple(self.made),
            tuple(self.kept),
            tuple(self.skipped),
            tuple(
                f"{refs[0]}{f' and {len(refs) - 1} more' * (len(refs) > 1)}: {note}"
                for note, refs in self.notes.items()
            ),
        )

    def _keep(self, name: str) -> None:
        index, stage = self.stages[name]
        if not stage.frozen:
            where = self.plan.where("stages", index)
            raise WrongUse(f"There already is a stage `{name}`, and it is not frozen.", where=where,
                           hint="Rename it in config.yaml.")  # fmt: skip
        self.kept.append(name)

    def _models(self, tree: Tree) -> Models | None:
        """The models of a tree; None where it is skipped, or modules are missing."""
        found = self.past.place(tree)
        if found is None:
            if self.every:
                raise WrongUse(
                    f"There are no models at {tree.ref}: no {self.plan.models.package.replace('.', '/')}.",
                    hint="`--models PATH` is where they lie in the repository, `--root PATH` where they are imported.",
                )
            self.skipped.append(Skipped(tree.ref, "it has no models"))
            return None
        models = self.past.models(tree, found)
        if tree.submodules:
            note = f"The files of submodules are not read: {', '.join(tree.submodules)}."
            self.notes.setdefault(note, []).append(tree.ref)
        for table in () if models is None else models.metadata.tables:
            if is_foreign(table, self.plan.foreign):
                message = f"The models at {tree.ref} have the table {table}, which is not ours by `not_ours`."
                raise WrongUse(message, where=self.plan.where("not_ours"), hint="Change `not_ours`, or the ref.")
        return models

    def _as_of_last(self) -> Frozen:
        """The frozen stages up to that of the last ref."""
        end = self.stages[self.names[self.last]][0] + 1 if self.last in self.names else 0
        return Frozen(self.plan, end)

    def _make(self, tree: Tree, metadata: sa.MetaData, after: Schema) -> None:
        name = self.names[tree.ref]
        text = freeze(self.plan, name, self.before.schema, after, metadata)
        self.before.add(name, text)
        require_same(name, after, self.before.schema)
        self.made.append(Made(name, tree.ref, tree.name, len(after.tables), text))


def _write(plan: Plan, made: Sequence[Made]) -> None:
    """Write the frozen files, and then config.yaml. Raises WrongUse, with nothing written."""
    if not made:
        return
    entries = [{"name": each.stage, "message": each.ref, "frozen": True} for each in made]
    with_frozen(plan, entries, [each.text for each in made])
