"""Measuring: each row of the table is ours and, where there is one, a peer's, in turn, several times."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from project.bench.projects import growing, replaced

ROOT = Path(__file__).parents[2]
Make = Callable[[Path], Path]


@dataclass(frozen=True)
class Run:
    """One thing to measure: the project, what must have been done to it before, what is done, with which words."""

    make: Make
    what: str
    words: tuple[str, ...] = ()
    first: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """Ours and a peer's; `reach` is the least that peer's time divided by ours shall be."""

    name: str
    ours: Run
    peer: Run
    peer_name: str
    reach: float
    unit: str = "times faster"


@dataclass(frozen=True)
class Measured:
    """The medians of a row, in seconds, and all the times that they come from."""

    name: str
    ours: float
    peer: float
    peer_name: str
    reach: float
    mebibytes: float
    times: tuple[tuple[float, float], ...] = field(repr=False)

    @property
    def ratio(self) -> float:
        return self.peer / self.ours

    @property
    def reached(self) -> bool:
        return self.ratio >= self.reach


def rows(stages: int, longest: int, servers: Sequence[str]) -> Iterator[Row]:
    """What `inv bench` measures; `stages` stands for 300, `longest` for 1,000."""

    def grown(count: int, url: str = "sqlite:///dev.db") -> Make:
        return lambda folder: growing(folder, count, url)

    made, proved = Run(grown(stages), "rebuild"), Run(grown(stages), "prove")
    plain = Run(grown(stages), "plain", (str(stages),))
    yield Row(f"rebuild --no-proof, {stages} stages", made, plain, "plain Alembic", 50)
    yield Row(f"rebuild with the proof, {stages} stages", proved, plain, "plain Alembic", 15)
    long, quarter = Run(grown(longest), "prove"), Run(grown(longest // 4), "prove")
    yield Row(f"rebuild with the proof, {longest} stages", long, quarter, f"{longest // 4} stages", 1 / 4.4)
    swapped = max(3, stages // 5)
    swap = Run(lambda folder: replaced(folder, swapped), "prove")
    adding = Run(grown(swapped), "plain", (str(swapped),))
    yield Row(f"{swapped} stages that each replace 100 tables, proved", swap, adding, "plain Alembic, that add one", 0)
    checked, remade = Run(grown(longest), "check", first=("rebuild",)), Run(grown(longest), "rebuild")
    yield Row(f"check, {longest} stages", checked, remade, "their rebuild", 0)
    for url in ("sqlite:///dev.db", *servers):
        kind = url.partition(":")[0].partition("+")[0]
        ours, stock = (Run(grown(stages, url), what, first=("rebuild",)) for what in ("up", "stock"))
        reach = 3 if kind == "sqlite" else 1
        yield Row(f"up, {stages} stages, {kind}", ours, stock, "stock alembic upgrade head", reach)
    found, brought = (Run(grown(stages), what, first=("rebuild",)) for what in ("identify", "up"))
    yield Row(f"identify, {stages} stages", found, brought, "one up", 0.5)
    empty = Run(_empty_tasks, "process", (sys.executable, "-m", "invoke", "--list"))
    yield Row("inv --list", _process("-m", "invoke", "--list"), empty, "an empty tasks.py", 0)
    example = _process("-m", "invoke", "rebuild", "--dry-run")
    yield Row("inv rebuild of the example, the whole process", example, empty, "an empty tasks.py", 0)


def _process(*words: str) -> Run:
    return Run(lambda _: ROOT, "process", (sys.executable, *words))


def _empty_tasks(folder: Path) -> Path:
    folder.mkdir()
    (folder / "tasks.py").write_text("", encoding="utf-8")
    return folder


def measured(row: Row, times: int) -> Measured:
    """Run both, in turn."""
    found, most = [], 0.0
    for number in range(times):
        sides = (row.ours, row.peer) if number % 2 == 0 else (row.peer, row.ours)
        said = {side: once(side) for side in sides}
        found.append((said[row.ours]["seconds"], said[row.peer]["seconds"]))
        most = max(most, said[row.ours]["mebibytes"])
    ours, peer = (statistics.median(each) for each in zip(*found, strict=True))
    return Measured(row.name, ours, peer, row.peer_name, row.reach, most, tuple(found))


def once(run: Run) -> dict[str, float]:
    """Make the project, and measure in a process of its own."""
    scratch = Path(tempfile.mkdtemp(prefix="strata_bench_"))
    try:
        folder = run.make(scratch / "project")
        for what in run.first:
            _worked(what, folder, ())
        return _worked(run.what, folder, run.words)
    finally:
        shutil.rmtree(scratch)


def _worked(what: str, folder: Path, words: Sequence[str]) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "project.bench.work", what, str(folder), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise ChildProcessError(f"{what} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


_CURVES = {
    "rebuild --no-proof": "rebuild",
    "rebuild with the proof": "prove",
    "plain Alembic": "plain",
    "Django": "django",
}


def curves(counts: Sequence[int]) -> dict[str, list[tuple[int, float]]]:
    """Seconds by number of stages, for ours and the peers."""
    return {name: [(count, _point(what, count)) for count in counts] for name, what in _CURVES.items()}


def _point(what: str, count: int) -> float:
    words = (str(count),) if what in {"plain", "django"} else ()
    return once(Run(lambda folder: growing(folder, count), what, words))["seconds"]
