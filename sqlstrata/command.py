"""Making Invoke's tasks of commands: the options that all have, what they print, and their exit codes.

`ending` is the only place that sets an exit code. Nothing slow is imported before a task needs it.
"""

from __future__ import annotations

import codecs
import inspect
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Exit, task

from sqlstrata.asking import is_terminal, with_answers
from sqlstrata.program import Command, program_name

if TYPE_CHECKING:
    from invoke import Context

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
WAIT = 60.0
"""Seconds to wait for another run, unless `--wait` says otherwise."""
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
    except KeyboardInterrupt as stop:
        report.stopped(stop)
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
        codecs.register_error("sqlstrata", _plain)
        sys.stdout.reconfigure(errors="sqlstrata")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What a stream cannot encode: an arrow as `>`, so that columns stay in line, and all else as an escape."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].replace("→", ">")
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


Body = Callable[..., "Result"]
Reading = Callable[["str | None", "Report"], object]
"""Makes what a command works on of the value of `--config`."""


def command(
    *,
    progress: bool = False,
    questions: bool = False,
    iterable: Iterable[str] = (),
    reading: Reading | None = None,
    **help_: str,
) -> Callable[[Body], Command]:
    """Make a task of a function that takes the plan, a function for messages, and options of its own.

    The task has these options after `--config` and `--json`, and prints the function's result. `progress` shows each
    stage while the work goes on. `reading` gives what the function takes instead of the plan. `questions`: on a
    terminal, what the stages would have to allow is asked, and the command begins again with the answers.
    """

    def made(body: Body) -> Command:
        def run(_: Context, config: str | None = None, json: bool = False, **options: Any) -> None:
            url = options.get("url")
            elsewhere = isinstance(url, str) and "url" not in help_  # with a text of its own it is no other database
            with ending(json, url if elsewhere else None) as report:
                report.notes(_notes(url if isinstance(url, list) else [url] if url else []))
                plan: Any = (reading or _plan)(config, report)
                if "wait" in options:
                    options["wait"] = _seconds(options["wait"])

                def once(plan: Any) -> Result:
                    with report.progress() if progress else nullcontext(report.tell) as notify:
                        return body(plan, notify, **options)

                asking = questions and not json and is_terminal()
                report.show(with_answers(once, plan) if asking else once(plan))

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
    own = [each.replace(default=f"{WAIT:.0f}") if each.name == "wait" else each for each in own]
    return inspect.Signature(sorted([*common, *own], key=lambda each: each.default is not each.empty))


def _plan(config: str | None, report: Report) -> Plan:
    from sqlstrata.plan import find, read

    plan = read(find(config))
    report.notes(plan.notes)
    report.stages += [stage.name for stage in plan.stages]
    return plan


def variables(texts: Iterable[str]) -> dict[str, str]:
    """The variables that `--env NAME=VALUE` gives. Raises WrongUse."""
    from sqlstrata.errors import WrongUse

    pairs = [each.partition("=") for each in texts]
    if not all(name and is_set for name, is_set, _ in pairs):
        raise WrongUse("`--env` needs a name and a value.", hint="Write it as in `--env NAME=VALUE`.")
    return {name: value for name, _, value in pairs}


def new_plan(config: str | None, _: Report) -> Path:
    """The config.yaml to write: in the working directory, and in no folder above."""
    from sqlstrata.plan.finding import NAME

    return Path(config or os.environ.get("SQLSTRATA_CONFIG") or NAME)


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
