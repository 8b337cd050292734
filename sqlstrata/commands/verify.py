"""`verify`: prove the history on disk on other servers, each in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sqlstrata.commands.progress import Clock, Notify, healed, silent
from sqlstrata.commands.target import require_history
from sqlstrata.databases import addresses
from sqlstrata.databases.lost import answering
from sqlstrata.errors import SqlstrataError, accepted
from sqlstrata.migrate.identity import swept
from sqlstrata.plan import Plan, read
from sqlstrata.proof.agreement import Observed, Values, require_agreement
from sqlstrata.proof.mirror import Mirror
from sqlstrata.proof.prove import once, prove
from sqlstrata.proof.verdict import placed
from sqlstrata.result import Line, Table
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
    servers = [addresses.parsed(url) for url in urls or plan.prove_on]
    for server in servers:
        plan.require_server(server.get_backend_name())
    made = steps(plan)
    require_history(plan, made)
    runs = [_Run(plan, url, masked(addresses.address(url)), notify) for url in servers]
    with ThreadPoolExecutor(len(runs) or 1) as threads:
        try:
            outcomes = tuple(each.result() for each in [threads.submit(run.ended) for run in runs])
        finally:
            for run in runs:
                run.process.kill()  # nothing happens to those that have ended
                run.process.wait()
    found = Verified(tuple(step.stage.name for step in made), _agreed(outcomes, runs))
    failures = [f"{server.address}: {server.error['message']}" for server in found.servers if server.error is not None]
    for sentence in failures[1:]:  # the first is the error that is raised
        notify(sentence, "")
    return accepted(found)


def _agreed(servers: tuple[Server, ...], runs: Sequence[_Run]) -> tuple[Server, ...]:
    """The servers; where all have proved the history and make different values, the last one gets that as its error."""
    if any(server.error is not None for server in servers):
        return servers
    try:
        require_agreement({run.address: run.values for run in runs})
    except SqlstrataError as error:
        return *servers[:-1], replace(servers[-1], error=error.to_json())
    return servers


class _Run:
    """One server's process, and what it reports."""

    def __init__(self, plan: Plan, url: sa.URL, address: str, notify: Notify) -> None:
        self.address, self.notify = address, notify
        self.values: Values = {}
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

    def ended(self) -> Server:
        """Pass on the stages that the process begins; at its end, return the result."""
        found: dict[str, Any] = {}
        with self.process as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                report = json.loads(line)
                if "begun" in report:
                    self.notify(f"proving on {self.address}", report["begun"])
                elif "said" in report:
                    self.notify(f"{self.address}: {report['said']}", "")
                else:
                    found |= report
            trace = process.stderr.read()
        if process.returncode and "error" not in found:
            found["error"] = {"code": 1, "message": f"The process ended: {masked(trace.strip())}"}
        self.values = found.pop("values", {})
        return Server(self.address, **found)


def work(config: str, url: str) -> None:
    """Prove on one server, reporting to `_Run` on standard output: this runs in the other process."""
    plan = read(Path(config))
    clock, seen = Clock(lambda _, stage: _report(begun=stage)), Observed()
    try:
        swept(url)
        with answering(), Mirror(url, copies=True) as mirror, placed(plan):
            note = once(lambda sentence: _report(said=sentence))
            prove(url, plan.migrations, steps(plan, mirror.show), clock.during("proving"), mirror, note, seen)
    except SqlstrataError as error:
        _report(error=error.to_json())
    finally:
        _report(seconds=clock.seconds, values=seen.values)


def _report(**values: object) -> None:
    sys.stdout.write(json.dumps(values, default=str) + "\n")
    sys.stdout.flush()
