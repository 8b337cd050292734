"""`inv bench`: the table of `measure`, as text or JSON, and the chart."""

from __future__ import annotations

import compileall
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from bench.chart import svg
from bench.measure import LONGEST, ROOT, STAGES, Measured, curves, measured, rows
from sqlstrata.databases import database
from sqlstrata.errors import SqlstrataError, WrongUse
from sqlstrata.result import Line, Verbatim

CHART = ROOT / "docs" / "bench.svg"


def bench(notify: Callable[[str], None], *, quick: bool, times: int, only: str | None) -> Found:
    """Measure, and draw the chart if everything is measured at full length. `notify` is called with what is being done.

    quick: a tenth of the stages, once, without targets; only: a word in the names of the rows to measure.
    STRATA_POSTGRESQL and STRATA_MARIADB name other servers than those on 127.0.0.1. Raises WrongUse if the peers are
    not installed.
    """
    if importlib.util.find_spec("django") is None:
        message = "The programs to compare with are not installed."
        raise WrongUse(message, hint="Run: pip install 'sqlstrata[bench]'.")
    compileall.compile_dir(ROOT / "sqlstrata", quiet=1)  # as pip does with what it installs, and so with the peers
    if sys.dont_write_bytecode:
        notify("without bytecode (PYTHONDONTWRITEBYTECODE): every load of a revision compiles it again")
    stages, longest = (STAGES // 10, LONGEST // 10) if quick else (STAGES, LONGEST)
    found = []
    for row in rows(stages, longest, list(_servers(notify))):
        if only is None or only in row.name:
            notify(f"measuring: {row.name}")
            found.append(measured(replace(row, targets=()) if quick else row, 1 if quick else times))
    if not quick and only is None:
        notify("drawing the chart")
        CHART.write_text(svg(curves((STAGES // 10, STAGES // 3, STAGES))), encoding="utf-8")
    return Found(found)


_SERVERS = {
    "STRATA_POSTGRESQL": "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "STRATA_MARIADB": "mariadb+pymysql://root@127.0.0.1:3306/",
}


def _servers(notify: Callable[[str], None]) -> Iterator[str]:
    """The servers that answer."""
    for variable, usual in _SERVERS.items():
        url = os.environ.get(variable, usual)
        try:
            database.connect(database.engine(url)).close()
        except SqlstrataError as error:
            notify(f"without {variable}: {error}")
        else:
            yield url


class Found(tuple[Measured, ...]):
    """What was measured, row by row."""

    __slots__ = ()

    def to_json(self) -> dict[str, object]:
        return {"rows": values(self)}

    def lines(self) -> Iterator[Line]:
        yield Verbatim(table(self))


def table(found: Iterable[Measured]) -> str:
    """The medians and ratios, as a table in Markdown."""
    lines = ["| what | seconds | MiB | beside it | seconds | ratio | to reach | |", "|---|--:|--:|---|--:|--:|---|---|"]
    for each in found:
        words = ", ".join(target.words for target in each.targets)
        reached = {True: "reached", False: "**not reached**"}[_reached(each)] if each.targets else ""
        lines.append(
            f"| {each.name} | {each.ours:.2f} | {each.mebibytes:.0f} | {each.peer_name} | {each.peer:.2f} "
            f"| {each.ratio:.2f} | {words} | {reached} |"
        )
    return "\n".join(lines)


def _reached(measured: Measured) -> bool:
    return all(target.reached(measured) for target in measured.targets)


def values(found: Iterable[Measured]) -> list[dict[str, Any]]:
    """The same for `--json`."""
    return [
        {
            "name": each.name, "seconds": each.ours, "peer": each.peer_name, "peer_seconds": each.peer,
            "ratio": each.ratio, "targets": [target.words for target in each.targets], "reached": _reached(each),
            "mebibytes": each.mebibytes, "times": each.times,
        }
        for each in found
    ]  # fmt: skip
