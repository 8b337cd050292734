"""`verify`: prove the history on disk on other servers, each in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.commands.target import require_history
from sqlstrata.databases import database
from sqlstrata.databases.lost import answering
from sqlstrata.errors import SqlstrataError
from sqlstrata.migrate.identity import swept
from sqlstrata.plan import Plan, read
from sqlstrata.proof.mirror import Mirror
from sqlstrata.proof.prove import placed, prove
from sqlstrata.result import Line, Table, accepted
from sqlstrata.revisions.generate import steps
from sqlstrata.secret import masked

_WORK = """
import json, sys
given = json.load(sys.stdin)
sys.path[:] = given["path"]
from sqlstrata.commands.verify import work
work(given["plan"], given["url"])
"""


@dataclass(frozen=True)
class Server:
    """One server: the seconds for each stage that was proved, and the error that it ended with."""

    address: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, object]:
        stages = [{"name": name, "seconds": round(seconds, 4)} for name, seconds in self.seconds.items()]
        return {"server": self.address, "ok": self.error is None, "stages": stages, "error": self.error}

    def cell(self, place: int, stage: str) -> str:
        """The time of a stage, or where the proof ended."""
        if stage in self.seconds:
            return f"{self.seconds[stage] * 1000:.0f} ms"
        return "failed" if place == len(self.seconds) else "-"


@dataclass(frozen=True)
class Verified:
    """The stages, and the servers that they were proved on."""

    stages: tuple[str, ...]
    servers: tuple[Server, ...]

    def to_json(self) -> dict[str, object]:
        ok = all(server.error is None for server in self.servers)
        return {"ok": ok, "servers": [server.to_json() for server in self.servers]}

    def lines(self) -> Iterator[Line]:
        rows = [
            (stage, *(server.cell(place, stage) for server in self.servers)) for place, stage in enumerate(self.stages)
        ]
        total = ("total", *(f"{sum(server.seconds.values()):.2f} s" for server in self.servers))
        yield Table(("stage", *(server.address for server in self.servers)), [*rows, total])

    @property
    def error(self) -> SqlstrataError | None:
        """The error of the first server on which the history was not proved."""
        for server in self.servers:
            if server.error is not None:
                kinds = {each.code: each for each in SqlstrataError.__subclasses__()}
                kind = kinds.get(server.error["code"], SqlstrataError)
                return kind(str(server.error["message"]), where=server.address, hint=server.error.get("hint"))
        return None


@answering()
def verify(plan: Plan, urls: Sequence[str] = (), notify: Notify = silent) -> Verified:
    """Prove the history on disk on each server as `rebuild` does: every stage up, down and up again with rows in it.

    Without `urls`, on those of `prove_on`; all at once, each in its own process. Only scratch databases are changed.
    Raises the error of the first server on which the proof failed, with the Verified as its `result`; the other
    servers' errors are reported. Raises HistoryDiffers where the files are not what the stages give, and WrongUse for a
    URL that is not one.
    """
    healed(plan, notify)
    made = steps(plan)
    require_history(plan, made)
    servers = [database.parsed(url) for url in urls or plan.prove_on]
    runs = [_Run(plan, url, masked(database.address(url)), notify) for url in servers]
    with ThreadPoolExecutor(len(runs) or 1) as threads:
        try:
            for heard in [threads.submit(run.hear) for run in runs]:
                heard.result()
        finally:
            for run in runs:
                run.process.kill()  # nothing happens to those that have ended
                run.process.wait()
    found = Verified(tuple(step.stage.name for step in made), tuple(run.outcome for run in runs))
    failures = [f"{server.address}: {server.error['message']}" for server in found.servers if server.error is not None]
    for sentence in failures[1:]:  # the first is the error that is raised
        notify(sentence, "")
    return accepted(found)


class _Run:
    """One server's process, and what it reports."""

    def __init__(self, plan: Plan, url: sa.URL, address: str, notify: Notify) -> None:
        self.address, self.notify = address, notify
        self.seconds: dict[str, float] = {}
        self.error: dict[str, Any] | None = None
        self.process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", _WORK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        given = {"path": sys.path, "plan": str(plan.path), "url": url.render_as_string(hide_password=False)}
        json.dump(given, self.process.stdin)  # no password in `ps`
        self.process.stdin.close()

    def hear(self) -> None:
        """Pass on what the process reports, until it ends."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for line in self.process.stdout:
            report = json.loads(line)
            if "begun" in report:
                self.notify(f"proving on {self.address}", report["begun"])
            elif "stage" in report:
                self.seconds[report["stage"]] = report["seconds"]
            else:
                self.error = report["error"]
        trace = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        if self.process.wait() and self.error is None:
            self.error = {"code": 1, "message": f"The process ended: {masked(trace.strip())}"}

    @property
    def outcome(self) -> Server:
        return Server(self.address, self.seconds, self.error)


def work(config: str, url: str) -> None:
    """Prove on one server, reporting to `_Run` on standard output: this runs in the other process."""
    plan = read(Path(config))
    clock = _Seconds()
    try:
        swept(url)
        with answering(), Mirror(url) as mirror, placed(plan):
            prove(url, plan.migrations, steps(plan, mirror.show), clock.begun, mirror)
        clock.ended()
    except SqlstrataError as error:
        _report(error=error.to_json())


class _Seconds:
    def __init__(self) -> None:
        self.stage: str | None = None
        self.since = 0.0

    def begun(self, stage: str) -> None:
        self.ended()
        self.stage, self.since = stage, time.perf_counter()
        _report(begun=stage)

    def ended(self) -> None:
        if self.stage is not None:
            _report(stage=self.stage, seconds=time.perf_counter() - self.since)


def _report(**values: object) -> None:
    sys.stdout.write(json.dumps(values, default=str) + "\n")
    sys.stdout.flush()
