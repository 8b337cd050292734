"""`inv bench`: the table of `measure`, as text or JSON, and the chart."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from project.bench.chart import svg
from project.bench.measure import ROOT, Measured, curves, measured, rows
from project.errors import WrongUse

CHART = ROOT / "docs" / "bench.svg"


def bench(told: Callable[[str], None], *, quick: bool, times: int, only: str | None) -> tuple[Measured, ...]:
    """Measure, and draw the chart anew where all is measured at full length. `told` hears what is being done.

    `quick` is a tenth of the stages, once; `only` a word in the names of the rows that are wanted.
    Raises WrongUse where the peers are not installed.
    """
    if importlib.util.find_spec("django") is None:
        message = "The peers that we are measured against are not installed."
        raise WrongUse(message, hint="Run: pip install 'strata[bench]'.")
    stages, longest = (30, 100) if quick else (300, 1000)
    servers = [os.environ[name] for name in ("STRATA_BENCH_POSTGRESQL", "STRATA_BENCH_MARIADB") if name in os.environ]
    found = []
    for row in rows(stages, longest, servers):
        if only is None or only in row.name:
            told(row.name)
            found.append(measured(row, 1 if quick else times))
    if not quick and only is None:
        told("the chart")
        Path(CHART).write_text(svg(curves((30, 100, 300))), encoding="utf-8")
    return tuple(found)


def table(found: Iterable[Measured]) -> str:
    """The medians and ratios, as a table in Markdown."""
    lines = ["| what | seconds | beside it | seconds | ratio | to reach |", "|---|---|---|---|---|---|"]
    for each in found:
        reach = f"{each.reach:.2f}" if each.reach else ""
        lines.append(
            f"| {each.name} | {each.ours:.2f} | {each.peer_name} | {each.peer:.2f} | {each.ratio:.2f} | {reach} |"
        )
    return "\n".join(lines)


def values(found: Iterable[Measured]) -> list[dict[str, Any]]:
    """The same for `--json`."""
    return [
        {
            "name": each.name, "seconds": each.ours, "peer": each.peer_name, "peer_seconds": each.peer,
            "ratio": each.ratio, "reach": each.reach or None, "reached": each.reached, "mebibytes": each.mebibytes,
            "times": each.times,
        }
        for each in found
    ]  # fmt: skip
