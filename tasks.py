"""The commands of sqlstrata, and three for people who work on it."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from invoke import Context, Exit, task

from sqlstrata.command import ending
from sqlstrata.tasks import namespace as ns

ROOT = Path(__file__).parent


@task(help={"args": "further words for pytest, for example --args='-k proof'"})
def test(_: Context, args: str = "") -> None:
    """Run the tests. Where no server answers, the tests that need it are skipped; with CI set they fail."""
    compileall.compile_dir(ROOT / "sqlstrata", quiet=1)  # no process writes bytecode that Invoke has started
    workers = 2 * (os.cpu_count() or 1)  # half of the time they wait for servers and for other processes
    _run("-m", "pytest", "-n", str(workers), *args.split())


@task(help={"fix": "repair what can be repaired"})
def lint(_: Context, fix: bool = False) -> None:
    """Look over the code: ruff, its formatter, mypy."""
    _run("-m", "ruff", "check", *(["--fix"] if fix else []), ".")
    _run("-m", "ruff", "format", *([] if fix else ["--check"]), ".")
    _run("-m", "mypy")


@task(
    help={
        "json": "print one JSON object and nothing else",
        "quick": "a tenth of the stages, once",
        "times": "how often each is measured",
        "only": "a word in the names of the rows that are wanted",
    }
)
def bench(_: Context, json: bool = False, quick: bool = False, times: int = 3, only: str | None = None) -> None:
    """Measure the work against plain Alembic and Django, side by side; needs the extra `bench`."""
    with ending(json) as report:
        from bench import command

        tell = partial(report.tell, stage="")
        report.show(command.bench(tell, quick=quick, times=times, only=only))


for each in (test, lint, bench):
    ns.add_task(each)


def _run(*words: str) -> None:
    code = subprocess.run([sys.executable, *words], cwd=ROOT, check=False).returncode
    if code:
        raise Exit(code=code)
