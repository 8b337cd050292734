"""The commands, for `inv` and for `sqlstrata`.

`from sqlstrata.tasks import namespace as ns` in a project's own tasks.py is all that `inv` needs; `sqlstrata` needs no
tasks.py. Each task is a few lines over `sqlstrata.commands`; `ending` is the only place that sets exit codes. Nothing
slow is imported before a task needs it.
"""

from __future__ import annotations

import inspect
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import invoke.main
from invoke import Collection, Exit, Program, task

import sqlstrata
from sqlstrata.program import Command, StrictProgram, program_name

if TYPE_CHECKING:
    from invoke import Context

    from sqlstrata.commands.progress import Notify
    from sqlstrata.output import Report
    from sqlstrata.plan import Plan
    from sqlstrata.result import Result

_HELP = {
    "config": "the config.yaml to use (default: the one here or in a folder above, or the variable SQLSTRATA_CONFIG)",
    "json": "print one JSON object and nothing else",
    "url": "another database than that of config.yaml",
    "to": "the stage to go to",
    "wait": "seconds to wait for another run on the database or in the folder (default: 60)",
    "protect": "mark the database as protected: no command will drop it or change its revision",
}
_WAIT = 60.0
_LONGEST = 1_000_000.0  # servers count milliseconds in 31 bits


@contextmanager
def ending(json: bool, url: str | None = None) -> Iterator[Report]:
    """Print what a command reports and its error, and set the exit code.

    `url` is the database that the command was given.
    """
    from sqlstrata.output import Report
    from sqlstrata.secret import masked_errors

    _prepare_streams()
    report = Report(json=json, elsewhere=url is not None, program=program_name())
    try:
        with masked_errors(), _errors_printed(report):
            yield report
            report.finish()
        sys.stdout.flush()
    except OSError as error:
        # What is left goes nowhere (Python's documentation, signal, "Note on SIGPIPE").
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        report.unwritten(error)
    if report.code:
        raise Exit(code=report.code)


@contextmanager
def _errors_printed(report: Report) -> Iterator[None]:
    """Print every error but that standard output cannot be written."""
    from sqlstrata.errors import SqlstrataError

    try:
        yield
    except SqlstrataError as error:
        report.fail(error)
    except KeyboardInterrupt:
        report.stopped()
    except Exception as error:  # noqa: BLE001 - the one place where an unexpected error ends, with exit code 1
        if isinstance(error, OSError):
            sys.stdout.write("\n")  # forces an attempt to write
            sys.stdout.flush()
        report.crashed()


def _prepare_streams() -> None:
    """Replace a standard stream that the caller has closed (`>&-`); write escapes for what one cannot encode."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


Body = Callable[..., "Result"]
Reading = Callable[["str | None", "Report"], object]
"""Makes what a command works on of the value of `--config`."""


def command(
    *, progress: bool = False, iterable: Iterable[str] = (), reading: Reading | None = None, **help_: str
) -> Callable[[Body], Command]:
    """Make a task of a function that takes the plan, a function for messages, and options of its own.

    The task has these options after `--config` and `--json`, and prints the function's result. `progress` shows each
    stage while the work goes on. `reading` gives what the function takes instead of the plan.
    """

    def made(body: Body) -> Command:
        def run(_: Context, config: str | None = None, json: bool = False, **options: Any) -> None:
            url = options.get("url")
            with ending(json, url if isinstance(url, str) else None) as report:
                report.notes(_notes(url if isinstance(url, list) else [url] if url else []))
                with report.progress() if progress else nullcontext(report.tell) as notify:
                    plan = (reading or _plan)(config, report)
                    if "wait" in options:
                        options["wait"] = _seconds(options["wait"])
                    result = body(plan, notify, **options)
                report.show(result)

        flags = _flags(run, body)
        run.__signature__ = flags  # type: ignore[attr-defined] # Invoke makes the flags of it
        run.__name__, run.__doc__ = body.__name__, body.__doc__
        texts = {name: text for name, text in {**_HELP, **help_}.items() if name in flags.parameters}
        found: Command = task(help=texts, iterable=[*iterable], klass=Command)(run)
        return found

    return made


def _flags(run: Callable[..., None], body: Body) -> inspect.Signature:
    """The parameters that every command has, and then a command's own; those without a default first.

    A number of seconds is text for Invoke, which would end a wrong one with a traceback.
    """
    *common, _ = inspect.signature(run).parameters.values()
    _, _, *own = inspect.signature(body).parameters.values()
    own = [each.replace(default=f"{_WAIT:.0f}") if each.name == "wait" else each for each in own]
    return inspect.Signature(sorted([*common, *own], key=lambda each: each.default is not each.empty))


def _plan(config: str | None, report: Report) -> Plan:
    from sqlstrata.plan import find, read

    plan = read(find(config))
    report.notes(plan.notes)
    return plan


def _notes(urls: Iterable[str]) -> Iterator[str]:
    """Sentences about ignored options in the URLs that a command was given."""
    from sqlstrata.plan.urls import note

    return (found for each in urls if (found := note(each)) is not None)


def _seconds(wait: str) -> float:
    """The number that `--wait` gives. Raises WrongUse."""
    from sqlstrata.errors import WrongUse

    try:
        seconds = float(wait)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST:
        raise WrongUse(f"`--wait {wait}` is not a number of seconds.", hint=f"Give one from 0 to {_LONGEST:.0f}.")
    return seconds


_YES = "do not ask for confirmation before values of the development database are lost"


@task(default=True)
def commands(_: Context) -> None:
    """Show these commands; so does the program's name alone."""
    shown = Program(namespace=namespace, name=program_name(), binary=program_name())
    with ending(json=False):
        shown.run([program_name(), "--list"], exit=False)


def _new_plan(config: str | None, _: Report) -> Path:
    """The config.yaml to write: in the working directory, and in no folder above."""
    from sqlstrata.plan.finding import NAME

    return Path(config or os.environ.get("SQLSTRATA_CONFIG") or NAME)


@command(
    reading=_new_plan,
    config="the config.yaml to write (default: the one here)",
    url="the development database (default: the variable DATABASE_URL, or a SQLite file)",
    from_database="the URL of a database that exists: its models are written, and its schema is the first stage",
    live="the models are edited in place; the last stage is the models as they are (default where there are models)",
    modules="each step of the models is a module of its own (default where there are none)",
    name="the first module, where there are no models (default: item)",
)
def init(
    config: Path,
    _: Notify,
    url: str | None = None,
    from_database: str | None = None,
    live: bool = False,
    modules: bool = False,
    name: str = "item",
) -> Result:
    """Start here: find the models, or write a first one; write config.yaml and what goes with it."""
    return sqlstrata.init(config, url=url, from_database=from_database, live=live, by_modules=modules, name=name)


@command(
    progress=True,
    dry_run="show what would be written, but write nothing",
    no_apply="do not upgrade the development database",
    no_proof="skip the proof",
    generated_rows="also prove on rows that are generated from the models; takes two to three times as long",
    force="also overwrite revision files that were edited by hand; a copy is kept",
    yes=_YES,
)
def rebuild(  # noqa: PLR0913, PLR0917 - each is a flag
    plan: Plan,
    notify: Notify,
    dry_run: bool = False,
    no_apply: bool = False,
    no_proof: bool = False,
    generated_rows: bool = False,
    force: bool = False,
    yes: bool = False,
    wait: float = _WAIT,
) -> Result:
    """Make the whole history from the stages, prove it, write it, and upgrade the development database."""
    return sqlstrata.rebuild(
        plan,
        dry_run=dry_run,
        apply_it=not no_apply,
        proof=not no_proof,
        generated_rows=generated_rows,
        force=force,
        confirmed=_confirmed(yes),
        notify=notify,
        wait=wait,
    )


@command()
def check(plan: Plan, notify: Notify) -> Result:
    """Check that the history on disk is, byte for byte, what the stages give. Read-only, for CI."""
    return sqlstrata.check(plan, notify)


@command()
def stages(plan: Plan, _: Notify) -> Result:
    """Show the plan: each stage, its modules, its revision, what changes, and where the database is."""
    return sqlstrata.stages(plan)


@command()
def status(plan: Plan, notify: Notify, url: str | None = None) -> Result:
    """Show where a database is, what is pending, and whether its schema is that of its stage."""
    return sqlstrata.status(plan, url, notify)


@command(progress=True, yes=_YES)
def up(
    plan: Plan,
    notify: Notify,
    url: str | None = None,
    to: str | None = None,
    wait: float = _WAIT,
    protect: bool = False,
    yes: bool = False,
) -> Result:
    """Upgrade a database to the last stage, or to another."""
    return sqlstrata.up(plan, to, url, notify, wait=wait, protect=protect, confirmed=_confirmed(yes))


@command(progress=True, to="the stage to go down to, or `base` for an empty database")
def down(plan: Plan, notify: Notify, url: str | None = None, to: str | None = None, wait: float = _WAIT) -> Result:
    """Downgrade a database by one stage, or to a stage."""
    return sqlstrata.down(plan, to, url, notify, wait=wait)


@command(
    from_stage="the stage to start from (default: an empty database)",
    to="the stage to end at (default: the last)",
    dialect="sqlite, postgresql, mysql or mariadb (default: that of the database in config.yaml)",
)
def sql(
    plan: Plan, _: Notify, from_stage: str | None = None, to: str | None = None, dialect: str | None = None
) -> Result:
    """Print the SQL that leads from one stage to another, without a database."""
    return sqlstrata.sql(plan, from_stage, to, dialect)


@command(progress=True, iterable=["url"], url="a server to prove on; may be given several times")
def verify(plan: Plan, notify: Notify, url: list[str]) -> Result:
    """Prove the history on disk on other servers: every stage up, down and up again, with rows."""
    return sqlstrata.verify(plan, url, notify)


@command()
def identify(plan: Plan, notify: Notify, url: str | None = None) -> Result:
    """Find which stage a database is at, by its schema alone."""
    return sqlstrata.identify(plan, url, notify)


@command()
def adopt(plan: Plan, notify: Notify, url: str | None = None, protect: bool = False, wait: float = _WAIT) -> Result:
    """Write the revision of the stage that has exactly this schema into a database that was created elsewhere."""
    return sqlstrata.adopt(plan, url, protect=protect, wait=wait, notify=notify)


@command(progress=True, wait="seconds to wait for a server that is starting (default: 60)", yes=_YES)
def onboard(plan: Plan, notify: Notify, wait: float = _WAIT, yes: bool = False) -> Result:
    """Create the development database, upgrade it with its rows, and show its tables. Again, it does nothing."""
    return sqlstrata.onboard(plan, wait=wait, notify=notify, confirmed=_confirmed(yes))


@command(yes="do not ask for confirmation")
def reset(plan: Plan, notify: Notify, yes: bool = False, wait: float = _WAIT) -> Result:
    """Drop the development database and create it again, unless it is protected or not this project's."""
    return sqlstrata.reset(plan, (lambda _: True) if yes else _asked, wait=wait, notify=notify)


def _confirmed(yes: bool) -> Callable[[str], bool]:
    """What answers a question about values that would be lost: the flag, else the terminal, else no."""
    if yes:
        return lambda _: True
    return _asked if sys.stdin.isatty() and sys.stdout.isatty() else lambda _: False


def _asked(question: str) -> bool:
    """Ask on the terminal. Raises WrongUse, which names the flag, where there is none."""
    from sqlstrata.errors import WrongUse

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WrongUse(f"{question} There is no terminal to ask.", hint="Answer with `--yes`. Nothing was changed.")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


@command()
def eject(plan: Plan, notify: Notify) -> Result:
    """Copy the operations beside env.py, so that the migrations folder needs only Alembic and SQLAlchemy."""
    return sqlstrata.eject(plan, notify)


@command(
    iterable=["enable"],
    name="the stage's name: a to z, 0 to 9 and _, a letter first",
    enable="a module that it enables; may be given several times (default: one with its name)",
    extends="the model to which the new module adds a column",
    message="what the stage is for",
)
def new_stage(
    plan: Plan, _: Notify, name: str, enable: list[str], extends: str | None = None, message: str | None = None
) -> Result:
    """Add a stage to config.yaml, keeping comments and layout, and write a skeleton of its module."""
    return sqlstrata.new_stage(plan, name, enable=tuple(enable), extends=extends, message=message)


namespace = Collection.from_module(sys.modules[__name__])

# `inv` runs this object, and parses the words for the commands after it has loaded tasks.py.
invoke.main.program.__class__ = StrictProgram
