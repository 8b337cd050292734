"""The commands, as Invoke's tasks. A user's tasks.py takes `namespace` from here; `sqlstrata.cli` needs no tasks.py.

This is the rim. Each task is a few lines over `sqlstrata.commands`; here, and in `sqlstrata.output`, is the only
printing, and `ending` is the only place that sets exit codes. Nothing heavy is imported before a task needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Collection, Exit, task

if TYPE_CHECKING:
    from invoke import Context

    from sqlstrata.output import Report
    from sqlstrata.plan import Plan

_HELP = {
    "config": "the plan (default: config.yaml here or in a folder above, or the variable SQLSTRATA_CONFIG)",
    "json": "print one JSON object and nothing else",
    "url": "another database than the one in the plan",
    "to": "the stage to go to",
    "wait": "seconds to wait for somebody else who is at work there (default: 60)",
}
_PROTECT = "have the database say that nothing here may drop, reset or re-stamp it"


def _help(*names: str, **more: str) -> dict[str, str]:
    return {**{name: _HELP[name] for name in names}, **more}


@contextmanager
def ending(json: bool, url: str | None = None) -> Iterator[Report]:
    """Print what a command reports, tell known errors in a sentence, and set the exit code.

    `url` is the database that the command was given.
    """
    from sqlstrata.output import Report
    from sqlstrata.secret import masked_errors

    _open_what_is_closed()
    report = Report(json=json, elsewhere=url is not None, program=_program())
    try:
        with masked_errors(), _errors_told(report):
            report.notes(_notes([] if url is None else [url]))
            yield report
            report.finish()
        sys.stdout.flush()
    except OSError as error:
        # What is left goes nowhere (Python's documentation, signal, "Note on SIGPIPE").
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        report.unwritten(error)
    if report.code:
        raise Exit(code=report.code)


def _program() -> str:
    """The program that was run: `sqlstrata`, also as a module, or `inv`."""
    path = Path(sys.argv[0])
    name = path.parent.name if path.stem == "__main__" else path.stem
    return "sqlstrata" if name == "sqlstrata" else "inv"


@contextmanager
def _errors_told(report: Report) -> Iterator[None]:
    """Tell every error but that standard output cannot be written."""
    from sqlstrata.errors import SqlstrataError

    try:
        yield
    except SqlstrataError as error:
        report.fail(error)
    except KeyboardInterrupt:
        report.stopped()
    except Exception as error:  # noqa: BLE001 - the one place where what nobody expected is told, and exits with 1
        if isinstance(error, OSError):
            sys.stdout.write("\n")  # so that there is something to write
            sys.stdout.flush()
        report.crashed()


def _open_what_is_closed() -> None:
    """Give a standard stream that the caller has closed (`>&-`) a place where what is said goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _plan(config: str | None, report: Report) -> Plan:
    from sqlstrata.plan import find, read

    plan = read(find(config))
    report.notes(plan.notes)
    return plan


def _notes(urls: Iterable[str]) -> Iterator[str]:
    """What a person must know of the URLs that a command was given."""
    from sqlstrata.plan.urls import note

    return (found for each in urls if (found := note(each)) is not None)


_LONGEST = 1_000_000.0  # servers count milliseconds in 31 bits


def _seconds(wait: str) -> float:
    """What `--wait` says; Invoke itself would end what is no number with a traceback, and take nan for one."""
    from sqlstrata.errors import WrongUse

    try:
        seconds = float(wait)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST:
        raise WrongUse(f"`--wait {wait}` is no time to wait.", hint=f"Give seconds, from 0 to {_LONGEST:.0f}.")
    return seconds


@task(default=True)
def commands(_: Context) -> None:
    """Show these commands; so does the program's name alone."""
    from invoke import Program

    shown = Program(namespace=namespace, name=_program(), binary=_program())
    with ending(json=False):
        shown.run([_program(), "--list"], exit=False)


@task(
    help=_help(
        "config",
        "json",
        dry_run="show what would be made, write nothing",
        no_apply="leave the development database alone",
        no_proof="skip the proof",
        force="also over revision files that were edited by hand; they are kept beside",
        wait=_HELP["wait"],
    )
)
def rebuild(
    _: Context,
    config: str | None = None,
    json: bool = False,
    dry_run: bool = False,
    no_apply: bool = False,
    no_proof: bool = False,
    force: bool = False,
    wait: str = "60",
) -> None:
    """Make the whole history from the stages, prove it, write it, and bring the development database up."""
    with ending(json) as report:
        from sqlstrata import commands

        with report.progress() as told:
            plan = _plan(config, report)
            done = commands.rebuild(
                plan,
                dry_run=dry_run,
                apply_it=not no_apply,
                proof=not no_proof,
                force=force,
                told=told,
                wait=_seconds(wait),
            )
        report.rebuilt(plan, done)


@task(help=_help("config", "json"))
def check(_: Context, config: str | None = None, json: bool = False) -> None:
    """Look whether the history on disk is, byte for byte, what the stages give; for CI."""
    with ending(json) as report:
        from sqlstrata import commands

        report.checked(commands.check(_plan(config, report), report.tell))


@task(help=_help("config", "json"))
def stages(_: Context, config: str | None = None, json: bool = False) -> None:
    """Show the plan: each stage, its modules, its revision, what changes, and where the database is."""
    with ending(json) as report:
        from sqlstrata import commands

        plan = _plan(config, report)
        report.planned(plan, commands.stages(plan))


@task(help=_help("config", "json", "url"))
def status(_: Context, config: str | None = None, json: bool = False, url: str | None = None) -> None:
    """Show where a database is, what is pending, and whether its schema is what its stage says."""
    with ending(json, url) as report:
        from sqlstrata import commands

        report.status(commands.status(_plan(config, report), url, report.tell))


@task(help=_help("config", "json", "url", "to", "wait", protect=_PROTECT))
def up(
    _: Context,
    config: str | None = None,
    json: bool = False,
    url: str | None = None,
    to: str | None = None,
    wait: str = "60",
    protect: bool = False,
) -> None:
    """Bring a database up, to the last stage or to another."""
    with ending(json, url) as report:
        from sqlstrata import commands

        with report.progress() as told:
            done = commands.up(_plan(config, report), to, url, told, wait=_seconds(wait), protect=protect)
        report.went("up", done)


@task(help=_help("config", "json", "url", "wait", to="the stage to go down to, or `base` for nothing"))
def down(
    _: Context,
    config: str | None = None,
    json: bool = False,
    url: str | None = None,
    to: str | None = None,
    wait: str = "60",
) -> None:
    """Take a database one stage back, or down to a stage."""
    with ending(json, url) as report:
        from sqlstrata import commands

        with report.progress() as told:
            done = commands.down(_plan(config, report), to, url, told, wait=_seconds(wait))
        report.went("down", done)


@task(
    help=_help(
        "config",
        "json",
        from_stage="the stage to start from (default: nothing)",
        to="the stage to end at (default: the last)",
        dialect="sqlite, postgresql, mysql or mariadb (default: that of the plan's database)",
    )
)
def sql(
    _: Context,
    config: str | None = None,
    json: bool = False,
    from_stage: str | None = None,
    to: str | None = None,
    dialect: str | None = None,
) -> None:
    """Print the SQL that leads from one stage to another, without a database."""
    with ending(json) as report:
        from sqlstrata import commands

        report.sql(commands.sql(_plan(config, report), from_stage, to, dialect))


@task(help=_help("config", "json", url="a server to prove on; may be given several times"), iterable=["url"])
def verify(_: Context, url: list[str], config: str | None = None, json: bool = False) -> None:
    """Prove the history on disk on other servers: every stage up, down and up again with rows in it."""
    with ending(json) as report:
        from sqlstrata import commands

        report.notes(_notes(url))
        with report.progress() as told:
            found = commands.verify(_plan(config, report), url, told)
        report.verified(found)


@task(help=_help("config", "json", "url"))
def identify(_: Context, config: str | None = None, json: bool = False, url: str | None = None) -> None:
    """Find the stage that a database is at, by its schema alone."""
    with ending(json, url) as report:
        from sqlstrata import commands

        report.identified(commands.identify(_plan(config, report), url, report.tell))


@task(help=_help("config", "json", "url", "wait", protect=_PROTECT))
def adopt(
    _: Context,
    config: str | None = None,
    json: bool = False,
    url: str | None = None,
    protect: bool = False,
    wait: str = "60",
) -> None:
    """Give a database that was made elsewhere the revision of the stage that its schema is exactly that of."""
    with ending(json, url) as report:
        from sqlstrata import commands

        report.adopted(
            commands.adopt(_plan(config, report), url, protect=protect, wait=_seconds(wait), told=report.tell)
        )


@task(help=_help("config", "json", wait="seconds to wait for a server that is starting (default: 60)"))
def onboard(_: Context, config: str | None = None, json: bool = False, wait: str = "60") -> None:
    """From a fresh clone to a working database: create it, bring it up with its rows, say what is there."""
    with ending(json) as report:
        from sqlstrata import commands

        with report.progress() as told:
            done = commands.onboard(_plan(config, report), wait=_seconds(wait), told=told)
        report.onboarded(done)


@task(help=_help("config", "json", "wait", yes="ask nothing"))
def reset(_: Context, config: str | None = None, json: bool = False, yes: bool = False, wait: str = "60") -> None:
    """Drop the development database and make it anew; never a protected one, or one that is not ours."""
    with ending(json) as report:
        from sqlstrata import commands

        # No line of progress: it would stand over the question.
        done = commands.reset(
            _plan(config, report), (lambda _: True) if yes else _asked, wait=_seconds(wait), told=report.tell
        )
        report.onboarded(done, again=True)


def _asked(question: str) -> bool:
    """Ask on the terminal; without one, say which flag answers."""
    from sqlstrata.errors import WrongUse

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WrongUse(f"{question} There is no terminal to ask.", hint="Say so with `--yes`. Nothing was changed.")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


@task(help=_help("config", "json"))
def eject(_: Context, config: str | None = None, json: bool = False) -> None:
    """Copy the operations beside env.py, so that the migrations folder needs Alembic and SQLAlchemy alone."""
    with ending(json) as report:
        from sqlstrata import commands

        report.ejected(commands.eject(_plan(config, report), report.tell))


@task(
    help=_help(
        "config",
        "json",
        name="the stage's name: a to z, 0 to 9 and _, a letter first",
        enable="a module that it turns on; may be given several times (default: one with its name)",
        extends="the model that the new module gives a column to",
        message="what the stage is for",
    ),
    iterable=["enable"],
)
def new_stage(
    _: Context,
    name: str,
    enable: list[str],
    extends: str | None = None,
    message: str | None = None,
    config: str | None = None,
    json: bool = False,
) -> None:
    """Add a stage to config.yaml, its comments and layout kept, and write its module's skeleton."""
    with ending(json) as report:
        from sqlstrata import commands

        plan = _plan(config, report)
        report.added(commands.new_stage(plan, name, enable=tuple(enable), extends=extends, message=message), plan)


namespace = Collection.from_module(sys.modules[__name__])
