"""What people and scripts get to see: tables and lines, or with --json one object."""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlstrata.columns import columns
from sqlstrata.secret import masked, masked_within

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from sqlstrata.commands import Adopted, Checked, NewStage, Onboarded, Planned, Rebuilt, Repointed, Status, Verified
    from sqlstrata.commands.verify import Server
    from sqlstrata.errors import SqlstrataError
    from sqlstrata.migrate.identity import Fit
    from sqlstrata.plan import Plan


_COMMAND = re.compile(r"`inv (?=[a-z])")
_GIVEN_A_URL = re.compile(r"(`\w+) (status|up|down|identify|adopt)\b")


class Report:
    """One command's output. `code` is its exit code; `elsewhere` says that `--url` named the database.

    `program` is what was run, `inv` or `sqlstrata`; the commands in messages begin with it.
    """

    def __init__(self, *, json: bool, elsewhere: bool = False, program: str = "inv") -> None:
        self.json = json
        self.elsewhere = elsewhere
        self.program = program
        self.code = 0
        self.object: dict[str, Any] | None = None
        self._noted = set[str]()

    # ------------------------------------------------------------------ while it works

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, str], None]]:
        """A line per stage while the work goes on: one that changes on a terminal, plain lines elsewhere."""
        if self.json:
            yield self.tell
        elif sys.stdout.isatty():
            with _console().status("…") as line:
                yield lambda doing, stage: line.update(f"{doing}: {stage}") if stage else self.tell(doing, "")
        else:
            yield lambda doing, stage: print(f"{doing}: {stage}", flush=True) if stage else self.tell(doing, "")

    def tell(self, sentence: str, stage: str) -> None:
        """A sentence by the way, on standard error; what is only progress (it has a stage) is left unsaid."""
        if not stage:
            print(masked(self._named(sentence)), file=sys.stderr, flush=True)

    def notes(self, sentences: Iterable[str]) -> None:
        """Sentences that hold for the whole command, each once, on standard error."""
        for sentence in sentences:
            if sentence not in self._noted:
                self._noted.add(sentence)
                self.tell(sentence, "")

    # --------------------------------------------------------------------------- ends

    def fail(self, error: SqlstrataError) -> None:
        """An error: where, what, what to do next, on standard error; with --json the object besides.

        A command to run is one for the same database.
        """
        self.code = error.code
        error.message = self._named(error.message)
        error.hint = error.hint and self._named(error.hint)
        if self.elsewhere:
            error.message = _GIVEN_A_URL.sub(r"\1 \2 --url …", error.message)
            error.hint = error.hint and _GIVEN_A_URL.sub(r"\1 \2 --url …", error.hint)
        print(masked(str(error)), file=sys.stderr)
        if self.json:
            self._print({**(self.object or {}), "error": masked_within(error.to_json())})

    def crashed(self) -> None:
        """What should not happen: the traceback, without passwords."""
        self.code = 1
        trace = masked(traceback.format_exc())
        print(trace, file=sys.stderr, end="")
        if self.json:
            last = trace.strip().splitlines()[-1]
            self._print({**(self.object or {}), "error": {"code": 1, "message": last, "where": None, "hint": None}})

    def stopped(self) -> None:
        """Ctrl-C."""
        self.code = 130
        print("Stopped.", file=sys.stderr)
        if self.json:
            self._print(
                {**(self.object or {}), "error": {"code": 130, "message": "Stopped.", "where": None, "hint": None}}
            )

    def unwritten(self, error: OSError) -> None:
        """Standard output cannot be written. Who has read enough of it, as `head` has, is told no more."""
        if isinstance(error, BrokenPipeError):
            self.code = self.code or 141
        else:
            self.code = self.code or 2
            print(f"Standard output cannot be written: {error.strerror}.", file=sys.stderr)

    def finish(self) -> None:
        """Print the object, if one is wanted."""
        if self.json:
            self._print(self.object if self.object is not None else {})

    def _named(self, sentence: str) -> str:
        """A sentence with its commands as they are run here: messages are written for `inv`."""
        return _COMMAND.sub(f"`{self.program} ", sentence)

    def _print(self, told: Mapping[str, Any]) -> None:
        print(json.dumps(told, ensure_ascii=False, default=str))

    def measured(self, table: str, rows: list[dict[str, Any]]) -> None:
        """What `inv bench` found."""
        self.object = {"rows": rows}
        if not self.json:
            print(table)

    # ------------------------------------------------------------------------ commands

    def rebuilt(self, plan: Plan, done: Rebuilt) -> None:
        """What rebuild did: each stage, its revision, what changed in words, the time."""
        self.object = {
            "stages": [
                {
                    "name": each.stage,
                    "revision": each.id,
                    "file": str(plan.migrations / "versions" / each.filename),
                    "changes": list(each.changes),
                }
                for each in done.revisions
            ],
            "written": done.written,
            "applied": list(done.applied),
            "proved_on": list(done.proved_on),
        }
        if done.kept is not None:
            self.object["kept"] = str(done.kept)
        if self.json:
            return
        seconds = done.seconds or {}
        rows = [
            (each.stage, each.id, _changes(each.changes), f"{seconds.get(each.stage, 0) * 1000:.0f} ms")
            for each in done.revisions
        ]
        _table(("stage", "revision", "changes", "time"), rows)
        print("Proved on: " + ", ".join(done.proved_on) if done.proved_on else "Not proved.")
        versions = plan.migrations / "versions"
        if done.dry:
            print(f"Not written: this is what {versions} would hold.")
        else:
            print(f"{'Written to' if done.written else 'Nothing changed in'} {versions}.")
        if done.kept is not None:
            print(f"What was edited by hand is kept in {done.kept}.")
        if done.repointed is not None:
            print(_repointed(done.repointed))
        if done.applied:
            print(f"Development database: applied {', '.join(done.applied)}.")

    def checked(self, found: Checked) -> None:
        """Whether the history is what the stages give."""
        from sqlstrata.errors import HistoryDiffers

        mismatch = found.mismatch
        self.object = {
            "ok": mismatch is None,
            "stage": None if mismatch is None else mismatch.stage,
            "cause": None if mismatch is None else mismatch.cause,
            "file": None if mismatch is None else mismatch.file,
        }
        if found.unlisted:
            print(f"Warning: no stage turns on {', '.join(found.unlisted)}.", file=sys.stderr)
        if mismatch is not None:
            if mismatch.diff and not self.json:
                print(mismatch.diff)
            place = f", first at stage {mismatch.stage}" if mismatch.stage else ""
            message = f"The history is not what the stages give{place}: {mismatch.cause}."
            raise HistoryDiffers(message, where=mismatch.file, hint=f"Run {found.remedy}, and look at what changed.")
        if not self.json:
            print("The history is what the stages give.")

    def planned(self, plan: Plan, found: Planned) -> None:
        """The plan."""
        stages = {stage.name: stage for stage in plan.stages}
        self.object = {
            "stages": [
                {
                    "name": each.stage,
                    "message": each.message,
                    "modules": list(stages[each.stage].modules),
                    "revision": each.id,
                    "changes": list(each.changes),
                }
                for each in found.revisions
            ],
            "database": found.at,
            "unreachable": found.unreachable,
            "unlisted": list(found.unlisted),
        }
        if self.json:
            return
        rows = [
            (
                "→" if each.stage == found.at else "",
                each.stage,
                ", ".join(stages[each.stage].modules),
                each.id,
                _changes(each.changes),
            )
            for each in found.revisions
        ]
        _table(("", "stage", "modules on", "revision", "changes"), rows)
        if found.unreachable is not None:
            print(self._named(f"Where the database is cannot be told. {found.unreachable}"))
        else:
            print(f"The database is at stage {found.at}." if found.at else "The database is at no stage.")
        if found.unlisted:
            print(f"In no stage: {', '.join(found.unlisted)}.")

    def status(self, found: Status) -> None:
        """Where a database is."""
        half = found.unfinished
        self.object = {
            "stage": found.stage,
            "revision": found.revision,
            "pending": list(found.pending),
            "schema_matches": found.schema_matches,
            "differences": [each._asdict() for each in found.differences],
            "gone": found.gone,
            "fits": None if found.fit is None else {"stage": found.fit.stage, "exact": found.fit.exact},
            "with_rows": list(found.with_rows),
            "unfinished": None if half is None else {"revision": half.revision, "direction": half.direction},
        }
        if not self.json:
            print(f"Stage: {found.stage or 'none'}" + (f" (revision {found.revision})" if found.revision else ""))
            print(f"Pending: {', '.join(found.pending) or 'nothing'}")
            if not found.schema_matches and half is None:
                self._differences(found.differences)
        self._raise_for(found)

    def _raise_for(self, found: Status) -> None:
        """The errors of `status`."""
        from sqlstrata.errors import DatabaseBehind, SchemaDiffers

        if found.unfinished is not None:
            raise SchemaDiffers(
                f"Revision {found.unfinished.revision} is half done on its way {found.unfinished.direction}: "
                f"{found.unfinished.statements} statements of it are in.",
                hint=_going_on(found.unfinished.direction, found.with_rows),
            )
        fit = found.fit
        fits = "" if fit is None or not fit.exact else f" It is exactly that of {_stage(fit.stage)}."
        advice = "`inv adopt` gives the database that stage's revision." if fits else _MEND
        if found.outdated:
            advice = "The history on disk is not what the stages give either: `inv check` shows how; run `inv rebuild`."
        if found.gone:
            near = (
                ""
                if fit is None or fit.exact
                else f" Its schema is that of no stage; the nearest is {_stage(fit.stage)}."
            )
            raise SchemaDiffers(
                f"The database is at revision {found.revision}, which the history does not have."
                + fits.replace("It is", "Its schema is")
                + near,
                hint=advice,
            )
        if not found.schema_matches and not found.differences:
            raise SchemaDiffers(f"The database is at stage {found.stage}, which the plan does not have.", hint=advice)
        if not found.schema_matches:
            number = len(found.differences)
            said = f"stage {found.stage} says" if found.stage else "it says, which is that it is at no stage"
            message = f"The database's schema is not what {said}: {number} difference{'s' * (number != 1)}."
            raise SchemaDiffers(message + fits, hint=advice)
        if found.pending:
            number = len(found.pending)
            behind = f"behind by {number} {'stage' if number == 1 else 'stages'}."
            if found.missing:
                message = f"There is no database yet, so it is {behind}"
                raise DatabaseBehind(message, hint=found.missing)
            raise DatabaseBehind(f"The database is {behind}", hint=_going_up(found.with_rows))

    def identified(self, found: Fit) -> None:
        """Which stage a database is at."""
        self.object = {
            "stage": found.stage,
            "exact": found.exact,
            "differences": [each._asdict() for each in found.differences],
            "also": list(found.also),
        }
        if found.exact:
            if not self.json:
                print(f"The database is at {_stage(found.stage)}, exactly.")
                if found.also:
                    print(f"Stages with the very same schema: {', '.join(found.also)}.")
            return
        from sqlstrata.errors import SchemaDiffers

        if not self.json:
            self._differences(found.differences)
        number = len(found.differences)
        raise SchemaDiffers(
            f"No stage fits exactly. The nearest is {_stage(found.stage)}, with {number} "
            f"difference{'s' * (number != 1)}.",
            hint=_MEND,
        )

    def adopted(self, done: Adopted) -> None:
        """Which revision a database got."""
        self.object = {
            "stage": done.stage,
            "revision": done.revision,
            "before": done.before,
            "written": done.written,
            "protected": done.protected,
            "also": list(done.also),
            "owned": done.unmarked is None,
            "unmarked": None if done.unmarked is None else done.unmarked.to_json(),
        }
        if self.json:
            return
        if done.written:
            print(f"The database is at {_stage(done.stage)} and says so now: revision {done.revision or 'none'}.")
        else:
            print(f"The database is at {_stage(done.stage)} and said so already. Nothing was written.")
        if done.also:
            print(f"Stages with the very same schema: {', '.join(done.also)}. The SQL in their `data` was not run.")
        if done.protected:
            print("It is protected: nothing here drops, resets or re-stamps it from now on.")
        if done.unmarked is not None:
            sentence = f"`inv reset` will not drop it, because it could not be marked: {done.unmarked}"
            print(self._named(sentence))
            print(self._named("Then run `inv adopt` again."))

    def onboarded(self, done: Onboarded, *, again: bool = False) -> None:
        """What there is, and what to try next."""
        self.object = {
            "database": done.address,
            "stage": done.stage,
            "tables": dict(done.tables),
            "created": done.created,
            "applied": list(done.applied),
            "changed": done.changed,
        }
        if self.json:
            return
        if done.repointed is not None:
            print(_repointed(done.repointed))
        if done.created:
            print(f"{'Made anew' if again else 'Made'}: {done.address}.")
        if done.applied:
            print(f"Applied: {', '.join(done.applied)}.")
        if not done.changed:
            print("Everything was there already; nothing was changed.")
        print(
            f"{done.address[0].upper()}{done.address[1:]} is at stage {done.stage}, and its schema is what that says."
        )
        _table(("table", "rows"), [(name, str(rows)) for name, rows in done.tables.items()])
        sentence = (
            "Next: `inv stages` shows the plan, `inv status` where the database is, `inv new-stage NAME` begins a "
            "stage."
        )
        print(self._named(sentence))

    def verified(self, found: Verified) -> None:
        """Stage by stage and server by server, with times; the first server's error, if there is one."""
        from sqlstrata.commands.verify import failure

        self.object = {
            "ok": all(server.error is None for server in found.servers),
            "servers": [
                {
                    "server": server.address,
                    "ok": server.error is None,
                    "stages": [{"name": name, "seconds": round(of, 4)} for name, of in server.seconds.items()],
                    "error": server.error,
                }
                for server in found.servers
            ],
        }
        if not self.json:
            rows = [
                (stage, *(_proved(stage, found.stages, server) for server in found.servers)) for stage in found.stages
            ]
            total = ("total", *(f"{sum(server.seconds.values()):.2f} s" for server in found.servers))
            _table(("stage", *(server.address for server in found.servers)), [*rows, total])
        for server in found.servers:
            if server.error is not None and not self.json:
                print(self._named(f"{server.address}: {server.error['message']}"), file=sys.stderr)
        error = failure(found)
        if error is not None:
            raise error

    def added(self, done: NewStage, plan: Plan) -> None:
        """The new stage."""
        self.object = {
            "stage": done.stage,
            "line": done.line,
            "modules": list(done.modules),
            "written": [str(path) for path in done.written],
        }
        if not self.json:
            print(f"Stage {done.stage} stands in {plan.path.name}:{done.line}.")
            for path in done.written:
                print(f"Written: {path}.")
            print(self._named("Next: write the models, then `inv rebuild`."))

    def ejected(self, written: Sequence[Path]) -> None:
        """What stands beside env.py now."""
        self.object = {"written": [str(path) for path in written]}
        if not self.json:
            print("\n".join(f"Written: {path}." for path in written) or "Everything was there already.")
            print("The migrations folder needs Alembic and SQLAlchemy alone.")

    def _differences(self, found: Sequence[Any]) -> None:
        if found:
            _table(("table", "what", "expected", "found"), [tuple(map(_shown, each)) for each in found])

    def went(self, direction: str, done: Sequence[str]) -> None:
        """Which stages were applied or undone."""
        self.object = {"applied" if direction == "up" else "undone": list(done)}
        if not self.json:
            word = "Applied" if direction == "up" else "Undone"
            print(f"{word}: {', '.join(done)}." if done else "Nothing to do.")

    def sql(self, text: str) -> None:
        """SQL."""
        self.object = {"sql": text}
        if not self.json:
            print(text, end="")


def _going_on(direction: str, with_rows: Sequence[str]) -> str:
    """What to do about a stage that is half done."""
    if direction.endswith("down"):
        return "`inv down` goes on with it, `inv up` undoes it."
    more = f" `inv onboard` goes on, too, and puts in the rows of {', '.join(with_rows)}." if with_rows else ""
    return f"`inv up` goes on with it, `inv down` undoes it.{more}"


def _going_up(with_rows: Sequence[str]) -> str:
    """What to do about a database that is behind."""
    if not with_rows:
        return "Run `inv up`."
    return f"Run `inv onboard`, which puts in the rows of {', '.join(with_rows)} as well, or `inv up`, which does not."


_MEND = "Undo what was changed by hand, or put it into the models."


def _stage(name: str | None) -> str:
    return "no stage: it is empty" if name is None else f"stage {name}"


def _repointed(done: Repointed) -> str:
    return (
        f"Development database: its revision {done.before} was gone from the history; its schema is exactly that of "
        f"{_stage(done.stage)}, and it says so now."
    )


def _proved(stage: str, stages: Sequence[str], server: Server) -> str:
    """One cell of `verify`: the time, or where it ended."""
    if stage in server.seconds:
        return f"{server.seconds[stage] * 1000:.0f} ms"
    return "failed" if stages.index(stage) == len(server.seconds) else "-"


def _changes(changes: Sequence[str]) -> str:
    return "\n".join(changes) or "(nothing changes)"


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not sys.stdout.isatty():
        print(columns(head, rows))
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for name in head:
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    _console().print(table)
