"""`verify`: the history on disk proved on other servers, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sqlstrata.commands.placing import require_history, swept
from sqlstrata.commands.telling import Told, healed, silent
from sqlstrata.databases import addresses
from sqlstrata.databases.lost import answering
from sqlstrata.errors import SqlstrataError
from sqlstrata.plan import Plan, read
from sqlstrata.proof.mirror import Mirror
from sqlstrata.proof.prove import prove
from sqlstrata.proof.verdict import placed
from sqlstrata.revisions.generate import steps
from sqlstrata.secret import masked

_WORK = """
import json, sys
given = json.load(sys.stdin)
sys.path[:] = given["path"]
from sqlstrata.commands.verifying import work
work(given["plan"], given["url"])
"""


@dataclass(frozen=True)
class Server:
    """What came of one server: seconds for each stage that was proved, and the error that it ended with."""

    address: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Verified:
    """The stages, and what came of each server."""

    stages: tuple[str, ...]
    servers: tuple[Server, ...]


@answering()
def verify(plan: Plan, urls: Sequence[str] = (), told: Told = silent) -> Verified:
    """Prove the history on disk on each server as `rebuild` does: every stage up, down and up again with rows in it.

    Without `urls`, on those of `prove_on`. All at once, each in a process of its own; nothing but scratch databases is
    touched. What goes wrong on a server is in the result. Raises HistoryDiffers where the files are not what the stages
    give, and WrongUse for a URL that is none.
    """
    healed(plan, told)
    made = steps(plan)
    require_history(plan, made)
    servers = [addresses.parsed(url) for url in urls or plan.prove_on]
    runs = [_Run(plan, url, masked(addresses.address(url)), told) for url in servers]
    with ThreadPoolExecutor(len(runs) or 1) as threads:
        try:
            for heard in [threads.submit(run.hear) for run in runs]:
                heard.result()
        finally:
            for run in runs:
                run.process.kill()  # those that ended do not mind
                run.process.wait()
    return Verified(tuple(step.stage.name for step in made), tuple(run.outcome for run in runs))


class _Run:
    """One server's process, and what it says."""

    def __init__(self, plan: Plan, url: sa.URL, address: str, told: Told) -> None:
        self.address, self.told = address, told
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
        """Pass on what the process says, until it ends."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if "begun" in said:
                self.told(f"proving on {self.address}", said["begun"])
            elif "stage" in said:
                self.seconds[said["stage"]] = said["seconds"]
            else:
                self.error = said["error"]
        trace = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        if self.process.wait() and self.error is None:
            self.error = {"code": 1, "message": f"The process ended: {masked(trace.strip())}"}

    @property
    def outcome(self) -> Server:
        return Server(self.address, self.seconds, self.error)


def work(config: str, url: str) -> None:
    """Prove on one server, saying on standard output what `_Run` hears: this is the other process."""
    plan = read(Path(config))
    clock = _Seconds()
    try:
        swept(url)
        with answering(), Mirror(url) as mirror, placed(plan):
            prove(url, plan.migrations, steps(plan, mirror.show), clock.begun, mirror)
        clock.ended()
    except SqlstrataError as error:
        _say(error=error.to_json())


class _Seconds:
    def __init__(self) -> None:
        self.stage: str | None = None
        self.since = 0.0

    def begun(self, stage: str) -> None:
        self.ended()
        self.stage, self.since = stage, time.perf_counter()
        _say(begun=stage)

    def ended(self) -> None:
        if self.stage is not None:
            _say(stage=self.stage, seconds=time.perf_counter() - self.since)


def _say(**said: object) -> None:
    sys.stdout.write(json.dumps(said, default=str) + "\n")
    sys.stdout.flush()


def failure(found: Verified) -> SqlstrataError | None:
    """The error that `verify` ends with: that of the first server that did not do."""
    for server in found.servers:
        if server.error is not None:
            kinds = {each.code: each for each in SqlstrataError.__subclasses__()}
            kind = kinds.get(server.error["code"], SqlstrataError)
            return kind(str(server.error["message"]), where=server.address, hint=server.error.get("hint"))
    return None


__all__ = ["Server", "Verified", "failure", "verify", "work"]
