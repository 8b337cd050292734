"""Measuring: each row of the table runs ours and, if there is one, a peer, in turn, several times."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.projects import growing, replaced

ROOT = Path(__file__).parents[1]
Make = Callable[[Path, str], Path]
"""Writes a project into a folder, given the URL of its database, and gives the folder to work in."""


@dataclass(frozen=True)
class Run:
    """One thing to measure: the project, what to do first, what to measure, and its arguments.

    The database is a SQLite file, or an empty one on the server.
    """

    make: Make
    what: str
    words: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    server: str | None = None


@dataclass(frozen=True)
class Target:
    """A row's target, in words, and whether it is reached."""

    words: str
    reached: Callable[[Measured], bool]


@dataclass(frozen=True)
class Row:
    """Ours and a peer's, and our targets."""

    name: str
    ours: Run
    peer: Run
    peer_name: str
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Measured:
    """The medians of a row, in seconds, the most memory that ours had, and all the times, each beside the peer's."""

    name: str
    ours: float
    peer: float
    peer_name: str
    targets: tuple[Target, ...]
    mebibytes: float
    times: tuple[tuple[float, float], ...] = field(repr=False)

    @property
    def ratio(self) -> float:
        """How many times faster than the peer."""
        return self.peer / self.ours


def _faster(times: float) -> Target:
    return Target(f"{times:g} times faster", lambda found: found.ratio >= times)


def _at_most(times: float) -> Target:
    return Target(f"at most {times:g} times as long", lambda found: found.ours <= times * found.peer)


def _under(seconds: float) -> Target:
    return Target(f"under {seconds:g} s", lambda found: found.ours < seconds)


def _beside(seconds: float) -> Target:
    return Target(f"within {seconds * 1000:g} ms", lambda found: found.ours - found.peer <= seconds)


def _memory(mebibytes: float) -> Target:
    return Target(f"under {mebibytes:g} MiB", lambda found: found.mebibytes < mebibytes)


STAGES, LONGEST = 300, 1000
"""The number of stages in the histories that the targets are for."""


def rows(stages: int, longest: int, servers: Sequence[str]) -> Iterator[Row]:
    """What `inv bench` measures, on databases of the servers that the URLs name."""
    made, proved = Run(_grown(stages), "rebuild"), Run(_grown(stages), "prove")
    given = Run(_grown(stages), "given")
    plain = Run(_grown(stages), "plain", (str(stages),))
    yield Row(f"rebuild --no-proof, {stages} stages", made, plain, "plain Alembic", (_faster(30),))
    yield Row(f"rebuild with the proof, {stages} stages", proved, plain, "plain Alembic", (_faster(12),))
    yield Row(f"rebuild with the proof, {stages} stages", proved, given, "rebuild --no-rows", (_at_most(2),))
    quarter = longest // 4
    yield Row(
        f"rebuild with the proof, {longest} stages",
        Run(_grown(longest), "prove"),
        Run(_grown(quarter), "prove"),
        f"{quarter} stages",
        (_at_most(5), _memory(400)),
    )
    swapped = stages // 5
    yield Row(
        f"{swapped} stages that each replace 100 tables, with the proof",
        Run(lambda folder, _: replaced(folder, swapped), "prove"),
        Run(lambda folder, _: replaced(folder, swapped), "swap", (str(swapped),)),
        "plain Alembic",
    )
    yield Row(
        f"check in a fresh clone, {longest} stages",
        Run(_grown(longest), "check", first=("clone",)),
        Run(_grown(longest), "rebuild"),
        "their rebuild",
        (_under(15),),
    )
    for server in (None, *servers):
        kind = "sqlite" if server is None else server.partition(":")[0].partition("+")[0]
        ours, stock = (Run(_grown(stages), what, first=("make",), server=server) for what in ("up", "stock"))
        target = _faster(2.5) if kind == "sqlite" else _at_most(1.1)
        yield Row(f"up, {stages} stages, {kind}", ours, stock, "stock alembic upgrade head", (target,))
    found, brought = Run(_grown(stages), "identify", first=("rebuild",)), Run(_grown(stages), "up", first=("make",))
    yield Row(f"identify, {stages} stages", found, brought, "one up", (_at_most(2),))
    empty = Run(_empty_tasks, "process", (sys.executable, "-m", "invoke", "--list"))
    yield Row(
        "sqlstrata --list", _process("-m", "sqlstrata", "--list"), empty, "an empty Invoke program", (_beside(0.06),)
    )
    example = Run(_example, "process", (sys.executable, "-m", "invoke", "rebuild"))
    yield Row("inv rebuild of the example, the whole process", example, empty, "an empty tasks.py", (_under(1.3),))


def _grown(count: int) -> Make:
    return lambda folder, url: growing(folder, count, url)


def _example(folder: Path, _: str) -> Path:
    """The example as in a fresh clone, without its history."""
    shutil.copytree(ROOT / "project", folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tasks.py", "config.yaml"):
        shutil.copy(ROOT / name, folder)
    return folder


def _process(*words: str) -> Run:
    return Run(lambda *_: ROOT, "process", (sys.executable, *words))


def _empty_tasks(folder: Path, _: str) -> Path:
    folder.mkdir()
    text = "from invoke import task\n\n\n@task\ndef nothing(_):\n    pass\n"  # of a truly empty one Invoke complains
    (folder / "tasks.py").write_text(text, encoding="utf-8")
    return folder


def measured(row: Row, times: int) -> Measured:
    """Run both, in turn."""
    found, most = [], 0.0
    for number in range(times):
        sides = (row.ours, row.peer) if number % 2 == 0 else (row.peer, row.ours)
        results = {side: once(side) for side in sides}
        found.append((results[row.ours]["seconds"], results[row.peer]["seconds"]))
        most = max(most, results[row.ours]["mebibytes"])
    ours, peer = (statistics.median(each) for each in zip(*found, strict=True))
    return Measured(row.name, ours, peer, row.peer_name, row.targets, most, tuple(found))


def once(run: Run) -> dict[str, float]:
    """Make the project, and measure in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="strata_bench_") as place, _database(run.server) as url:
        folder = run.make(Path(place) / "project", url)
        for what in run.first:
            _worked(what, folder, ())
        if os.name != "nt":
            os.sync()  # so that no run waits for the project's files to be written
        return _worked(run.what, folder, run.words)


@contextmanager
def _database(server: str | None) -> Iterator[str]:
    """The URL of a database that does not exist yet (SQLite) or is empty, and is dropped afterwards."""
    if server is None:
        yield "sqlite:///dev.db"
        return
    from sqlstrata.databases import addresses, creation, removal

    url = addresses.parsed(server).set(database=f"strata_bench_{secrets.token_hex(6)}")
    creation.make(url)
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        removal.drop(url, lambda _: None)


def _worked(what: str, folder: Path, words: Sequence[str]) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bench.work", what, str(folder), *words]
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
    return once(Run(_grown(count), what, words))["seconds"]
