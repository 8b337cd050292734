"""The proof: what has not been proved never replaces what has.

The files are applied to a scratch database, stage by stage, and at every stage the database is compared with one that
`create_all` made from the models. It looks with other eyes than those that made the history: `sqlstrata.snapshot`
reads the server's catalogue, and knows nothing of diff, describe or revision.

Up to each stage and compare; the stage's rows in; down, compare with the stage before, whose rows must all be there;
up again, compare. What is compared is what the models change and what the revision's statements name, with all that
points at these; all there is after the first, second, fourth, eighth… stage, and after the last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory

from sqlstrata.columns import columns
from sqlstrata.databases.database import address, connect
from sqlstrata.databases.lost import unanswered
from sqlstrata.errors import MigrationFailed
from sqlstrata.migrate.apply import code_of, configuration, reason, said, where
from sqlstrata.plan import Plan
from sqlstrata.proof.carried import Carried, altered, computed, lost, told_otherwise
from sqlstrata.proof.mirror import Mirror, Shown
from sqlstrata.revisions.generate import Step
from sqlstrata.revisions.rows import insert
from sqlstrata.schema.part import Neighbours
from sqlstrata.schema.values import Schema
from sqlstrata.scratch.bracket import Scratch, scratch
from sqlstrata.snapshot import Difference, Snapshot, differences, snapshot

Told = Callable[[str], None]


@dataclass(frozen=True)
class Fault:
    """One difference that the proof found."""

    stage: str
    direction: str
    difference: Difference


class NotProved(MigrationFailed):
    """A history that does not do on a server what its stages say. Nothing but scratch databases was touched.

    Its details name the stage, and under `key` what is wrong in it, where that is known.
    """


@contextmanager
def placed(plan: Plan) -> Iterator[None]:
    """Tell where in the plan's file a stage stands that is not proved, unless a file of the history is the place."""
    try:
        yield
    except NotProved as error:
        names = [stage.name for stage in plan.stages]
        if error.where is None and error.details["stage"] in names:
            key = [str(error.details["key"])] if "key" in error.details else []
            error.where = str(plan.where("stages", names.index(str(error.details["stage"])), *key))
        raise


def prove(server: str, migrations: Path, steps: Sequence[Step], told: Told, mirror: Mirror | None = None) -> None:
    """Prove a folder of revisions on a server; `told` hears of each stage.

    `mirror` has heard the stages while they were made; without one, their models are imported again for it.
    Raises NotProved with the differences, or with the statement that failed.
    """
    if mirror is None:
        with Mirror(server) as own:
            for step in steps:
                own.show(step.stage, step.metadata, frozenset(step.metadata.tables) | own.known)
            prove(server, migrations, steps, told, own)
            return
    shown = mirror.shown()
    with scratch(server, mirror.schemas) as mine, connect(mine.engine) as connection:
        _Proof(mirror, shown, migrations, mine, connection, steps).run(told)


class _Proof:
    """One server's scratch database on its way through the history."""

    def __init__(
        self,
        mirror: Mirror,
        shown: Sequence[Shown],
        migrations: Path,
        mine: Scratch,
        connection: sa.Connection,
        steps: Sequence[Step],
    ) -> None:
        self.server, self.schemas, self.read = mirror.kind, mirror.schemas, mirror.read
        self.shown, self.steps = shown, steps
        self.migrations, self.mine, self.connection = migrations, mine, connection
        self.script = ScriptDirectory.from_config(configuration(migrations))
        self.carried, self.neighbours = Carried(), Neighbours()
        self.said: list[str] = []
        self.now = (0, "up")
        sa.event.listen(mine.engine, "before_cursor_execute", self._hear)

    def run(self, told: Told) -> None:
        """Go through all stages; where rows are in the way of a downgrade, the next ones are another run."""
        start = 0
        while start < len(self.steps):
            start = self._run(start, told)

    def _run(self, start: int, told: Told) -> int:
        """Go on from a stage; give the one that the next run goes on from."""
        try:
            self._together(self._ways(start, told))
        except Exception as error:
            self._require_answer(error)
            place = None if isinstance(error, NotProved) else where(error, self.migrations)
            index, direction = self.now
            self.connection.rollback()
            if isinstance(error, NotProved):
                raise
            if direction != "down" or code_of(error) not in _REFUSALS:
                raise self._failed(self.steps[index], direction, error, place) from error
            self._refused(index)
            return index + 1
        return len(self.steps)

    # ---- running

    def _together(self, ways: Iterator[RevisionStep]) -> None:
        """Have env.py run all in one go; where its transaction would hold them all, one by one."""
        together = True

        def all_of_them(_: object, context: MigrationContext) -> Iterator[RevisionStep]:
            nonlocal together
            together = bool(context.opts["transaction_per_migration"])
            return ways if together else iter(())

        self._environment(all_of_them)
        for way in () if together else ways:
            self._environment(lambda *_, way=way: iter((way,)))
            self.connection.commit()

    def _environment(self, function: Callable[..., Iterator[RevisionStep]]) -> None:
        config = configuration(self.migrations, connection=self.connection, alone=True)
        head = self.steps[-1].revision.id
        self.connection.rollback()
        with EnvironmentContext(config, self.script, fn=function, as_sql=False, destination_rev=head):
            self.script.run_env()
        self.connection.commit()

    def _ways(self, start: int, told: Told) -> Iterator[RevisionStep]:
        """What Alembic is to do; between two steps the database is looked at."""
        for index in range(start, len(self.steps)):
            step = self.steps[index]
            told(step.stage.name)
            self.carried.begin()
            yield self._way(index, "up")
            touched = self._compare(index, "up")
            self._same_rows(index, touched)
            self._insert(step, set(step.stage.rows))
            if step.stage.reversible:
                yield self._way(index, "down")
                self._after_down(index, self._compare(index, "down") | touched)
                yield self._way(index, "up again")
                touched |= self._compare(index, "up again")
                self.carried.read(self.connection, step.schema, touched, self.schemas)
                self._insert(step, {name for name in step.stage.rows if not self._was_there(index, name)})

    def _way(self, index: int, direction: str) -> RevisionStep:
        self.now = (index, direction)
        self.said.clear()
        self.connection.commit()  # Alembic's version table is made in no step's transaction
        script = self.script.get_revision(self.steps[index].revision.id)
        return RevisionStep(self.script.revision_map, script, direction != "down")

    def _hear(self, _: object, __: object, statement: str, *___: object) -> None:
        self.said.append(statement)

    # ---- comparing

    def _compare(self, index: int, direction: str) -> frozenset[str]:
        """Compare with the models; give the names of all tables that the step may have touched."""
        step, names = self.steps[index], self.shown[index].names
        before = Schema() if index == 0 else self.steps[index - 1].schema
        if direction == "up":
            self.neighbours.learn(before, step.schema)
        due = not index & (index + 1) or index == len(self.steps) - 1
        whole = names is None or (due and direction == "up")
        looked_at = None if whole else self._named() | (names or frozenset())
        wanted = self._wanted(index - 1 if direction == "down" else index, looked_at)
        found = differences(wanted, snapshot(self.connection, self.schemas, looked_at, self.read))
        if found:
            raise _not_proved(self.server, [Fault(step.stage.name, direction, each) for each in found])
        if looked_at is None:
            return frozenset(step.schema.tables.keys() | before.tables.keys())
        near = {key for key in self.neighbours.pointing(looked_at) if self.carried.rows.get(key)}
        return frozenset(key for key in looked_at | near if key in step.schema.tables or key in before.tables)

    def _named(self) -> frozenset[str]:
        """All names in the statements of the last step, as the models write them and as they stand there."""
        words = {word for text in self.said for found in _NAME.finditer(text) for word in found.groups() if word}
        names = words | {name for word in words for name in self.neighbours.called(word)}
        return frozenset(names | {f"{schema}.{name}" for schema in self.schemas for name in names})

    def _wanted(self, index: int, names: Collection[str] | None) -> Snapshot:
        """What the models come to at a stage, -1 being before the first."""
        things = {} if index < 0 else self.shown[index].snapshot.things
        return Snapshot(things if names is None else {name: things[name] for name in names if name in things})

    # ---- rows

    def _same_rows(self, index: int, touched: Collection[str]) -> None:
        """Every row is there that was there before the stage."""
        step, before = self.steps[index], self._before(index)
        held = self.carried.held(touched)
        self.carried.read(self.connection, step.schema, touched, self.schemas)
        free = altered(before, step.schema, touched, step.stage.rename, self.server)
        self._must_be_there(index, "up", held, step.stage.rename, free)

    def _after_down(self, index: int, touched: Collection[str]) -> None:
        """All rows of the stage before are there again."""
        before = self._before(index)
        self.carried.read(self.connection, before, touched, self.schemas)
        self._must_be_there(index, "down", self.carried.before(), {}, computed(before, touched))

    def _must_be_there(
        self, index: int, direction: str, held: Mapping[str, Any], renames: Mapping[str, str], free: Collection[str]
    ) -> None:
        step = self.steps[index]
        theirs = told_otherwise(step.stage, self.server, self._before(index), step.schema)
        found = lost(step.stage, held, self.carried.rows, renames, {*free, *theirs})
        if found is not None:
            raise _not_proved("the scratch database", [Fault(step.stage.name, direction, found)])

    def _insert(self, step: Step, names: set[str]) -> None:
        given = {name: rows for name, rows in step.stage.rows.items() if name in names}
        if not given:
            return
        try:
            insert(self.connection, step.filled, given)
            self.connection.commit()
        except sa.exc.SQLAlchemyError as error:
            self._require_answer(error)
            self.connection.rollback()
            message = f"The rows of stage {step.stage.name} do not fit its tables on {self.server}: {said(error)}"
            raise NotProved(message, hint="Mend the `rows` of the stage.", stage=step.stage.name, key="rows") from error
        self.carried.read(self.connection, step.schema, names, self.schemas)

    def _before(self, index: int) -> Schema:
        return self.steps[index - 1].schema if index else Schema()

    def _was_there(self, index: int, name: str) -> bool:
        """Whether a table of the stage was there before it, perhaps under another name."""
        renames = self.steps[index].stage.rename
        return any(renames.get(key, key) == name for key in self._before(index).tables.keys() & {name, *renames})

    # ---- rows that are in the way

    def _refused(self, index: int) -> None:
        """The way down refused because of the rows: they must all be as they were, and it must do without rows.

        That is proved on another scratch database.
        """
        step = self.steps[index]
        touched = self._compare(index, "down, refused")
        held = self.carried.held(touched)
        self.carried.read(self.connection, step.schema, touched, self.schemas)
        self._must_be_there(index, "down, refused", held, {}, set())
        with scratch(self.mine.url, self.schemas) as empty, connect(empty.engine) as connection:
            self._without_rows(index, connection)

    def _without_rows(self, index: int, connection: sa.Connection) -> None:
        step, parent = self.steps[index], self.steps[index - 1].revision.id if index else "base"
        for direction, target in (("up", step.revision.id), ("down", parent), ("up again", step.revision.id)):
            said = f"{direction}, without rows"
            config = configuration(self.migrations, connection=connection, alone=True)
            try:
                (command.downgrade if direction == "down" else command.upgrade)(config, target)
                connection.commit()
            except Exception as error:
                self._require_answer(error)
                connection.rollback()
                raise self._failed(step, said, error, where(error, self.migrations)) from error
            wanted = self._wanted(index - 1 if direction == "down" else index, None)
            found = differences(wanted, snapshot(connection, self.schemas, read=self.read))
            connection.rollback()
            if found:
                raise _not_proved(self.server, [Fault(step.stage.name, said, each) for each in found])

    def _require_answer(self, error: BaseException) -> None:
        """Raise Unreachable where it is the server that cannot work, and nothing is known of the history."""
        silence = unanswered(error, address(self.mine.url))
        if silence is not None:
            raise silence from error

    def _failed(self, step: Step, direction: str, error: Exception, place: str | None) -> NotProved:
        message = f"Stage {step.stage.name} does not go {direction} on {self.server}: {reason(error)}"
        mend = "Mend that." if place else "Mend what the stage says, or its models."
        return NotProved(message, where=place, hint=f"{mend} {_UNTOUCHED}", stage=step.stage.name)


_REFUSALS = (6, 9)
_UNTOUCHED = "Nothing was written; only scratch databases were touched."
# A name in a statement, in the quotes of any server or bare.
_NAME = re.compile(r'"((?:[^"]|"")+)"|`((?:[^`]|``)+)`|([^\W\d][\w$]*)')


def _not_proved(server: str, faults: Sequence[Fault]) -> NotProved:
    """The differences as a short table."""
    head = ("stage", "direction", "table", "what", "expected", "found")
    lines = [(f.stage, f.direction, *("-" if each is None else str(each) for each in f.difference)) for f in faults]
    table = indent(columns(head, lines), "  ")
    first = faults[0]
    message = f"Stage {first.stage} is not proved: {first.direction}, {server} is not what its models say.\n{table}\n"
    told = [{"stage": f.stage, "direction": f.direction, **f.difference._asdict()} for f in faults]
    return NotProved(message, hint=_UNTOUCHED, differences=told, stage=first.stage)
