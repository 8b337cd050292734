"""The world of one scenario: a project, a user with a password, databases with random names, strangers beside them.

Everything that a scenario does goes through here, so that all of it is watched: what is said, what is left behind, and
what becomes of databases that are not the project's. At the end all of it is removed.
"""

from __future__ import annotations

import os
import random
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import stages
from .commands import HOOK, ROOT, OnTerminal, Ran, Running, alembic, inv
from .knowledge import Knowledge, configure, knowledge
from .servers import SERVERS, Picture, Server

FAULTS = ("lost", "strangers", "stuck", "left", "secrets", "tracebacks")
"""Lost rows; strangers' databases changed; states that no command can leave; things left behind; passwords seen."""
_SCRATCH = re.compile(r"(sql)?strata_")
_NASTY = ("p@ss:word/%21", "quo\"te's %s", "a b+c&d=e#f?", "$HOME`x`;\\n", "[]{}<>|~^*!")


@dataclass(frozen=True)
class Fault:
    """Something that must not be: one of FAULTS, and what it is."""

    what: str
    sentence: str


class World:
    """What a scenario acts in; `faults` and `ran` are what came of it."""

    def __init__(self, kind: str, chance: random.Random, hole: str | None = None) -> None:
        self.server: Server = SERVERS[kind]
        self.chance, self.hole = chance, hole
        self.known: Knowledge = knowledge(kind)
        self.user = f"chaos_{secrets.token_hex(5)}"
        self.token = secrets.token_hex(8)
        self.password = chance.choice(_NASTY) + self.token
        self.root = Path(tempfile.mkdtemp(prefix=f"{self.user}_"))
        self.placed = self.root
        self.folder, self.tmp, self.log = self.root / "p", self.root / "tmp", self.root / "log"
        self.faults: list[Fault] = []
        self.ran: list[Ran] = []
        self.watched: dict[tuple[str, str], Picture | None] = {}
        self.where: dict[str, Any] = {}

    # ------------------------------------------------------------- setting it up

    def make(self) -> None:
        """Make the folders, the user, the project and the strangers' databases."""
        for each in (self.tmp, self.root / "home"):
            each.mkdir()
        self.server.make_user(self.user, self.password, f"{self.user}_")
        shutil.copytree(self.known.folder, self.folder)
        self.configure()
        self.stranger = self.place("stranger")
        self.put(self.stranger, stages.LAST, self.rows(stages.LAST, 20))
        self.watch(self.stranger)
        if self.server.kind != "sqlite":
            file = str(self.root / "stranger.db")
            SERVERS["sqlite"].execute(file, *stages.ddl("sqlite", 1))
            SERVERS["sqlite"].insert(file, self.rows(1, 20))
            self.watch(file, "sqlite")

    def configure(self, url: str | None = None, prove_on: str | None = None, **more: Any) -> None:
        """Write config.yaml: the development database, and where to prove."""
        configure(self.folder, url or self.url(), prove_on or self.scratch_url(), **more)

    def place(self, name: str) -> str:
        """The full name of one of the scenario's databases."""
        return str(self.placed / f"{name}.db") if self.server.kind == "sqlite" else f"{self.user}_{name}"

    @property
    def dev(self) -> str:
        return self.place("dev")

    def url(self, name: str | None = None, **where: Any) -> str:
        return self.server.url(self.user, self.password, self.dev if name is None else name, **self.where, **where)

    def scratch_url(self, **where: Any) -> str:
        """The URL of the server alone."""
        name = {"sqlite": "", "postgresql": "postgres", "mariadb": ""}[self.server.kind]
        return "sqlite://" if self.server.kind == "sqlite" else self.url(name, **where)

    def put(
        self, name: str, stage: int, rows: stages.Rows, *, revision: str | None = None, owner: str | None = None
    ) -> None:
        """Make a database at a stage by hand, without any mark of the program; with owner "" it is the administrator's."""
        user = self.user if owner is None else owner
        said = self.known.revisions[stage] if revision is None else revision
        self.server.create(name, user)
        made = [*stages.ddl(self.server.kind, stage), *(stages.version(said) if said else [])]
        self.server.execute(name, *made, user=user)
        self.server.insert(name, rows, user=user)

    def rows(self, stage: int, most: int = 40) -> stages.Rows:
        """Random rows that a database at a stage may have."""
        numbers = range(10, 10 + self.chance.randint(most // 4 + 1, most))
        names = ["Zoé %s", "O'Hara", '"q"', "a\\b", "100%", "日本", ":x", "?", "--", "Ana"]
        first = [
            {"id": n, "nome": f"{self.chance.choice(names)} {n}", "credito": str(self.chance.randint(-99, 9999))}
            for n in numbers
        ]
        rows: stages.Rows = {"clientes": first}
        for each in range(2, stage + 1):
            rows = stages.moved(rows, each - 1, each)
            if each == 2:
                rows["pedidos"] = [{"id": n, "cliente": self.chance.choice(numbers)} for n in numbers]
            if each == 3:
                rows["itens"] = [{"id": n, "pedido": self.chance.choice(numbers)} for n in numbers]
        return rows if stage else {}

    def onboarded(self, most: int = 20) -> stages.Rows:
        """Have the program make the development database; give it more rows; say which it has then."""
        self.must("onboard")
        more = self.rows(stages.LAST, most)
        self.server.insert(self.dev, more, user=self.user)
        rows = stages.development()
        return {name: [*rows[name], *more[name]] for name in rows}

    @property
    def address(self) -> tuple[str, int]:
        """Where the server listens."""
        known: dict[str, Any] = getattr(self.server, "address", {})
        return known["host"], known["port"]

    @contextmanager
    def through(self, port: int) -> Iterator[None]:
        """Have the commands reach the server through another port of this machine."""
        self.where = {"host": "127.0.0.1", "port": port}
        self.configure()
        try:
            yield
        finally:
            self.where = {}
            self.configure()

    # ------------------------------------------------------------------ commands

    def environ(self, **more: str) -> dict[str, str]:
        hole = {"CHAOS_HOLE": self.hole} if self.hole else {}
        path = f"{HOOK}{os.pathsep}{ROOT}"
        known = {
            "PYTHONPATH": path,
            "TMPDIR": str(self.tmp),
            "HOME": str(self.root / "home"),
            "CHAOS_LOG": str(self.log),
        }
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "DATABASE_URL": self.url(), **known, **hole, **more}

    def start(self, *words: str, **variables: str) -> Running:
        """Start `inv`, or, where the first word says so, Alembic."""
        command = alembic(*words[1:]) if words[0] == "alembic" else inv(*words)
        return Running(words, command, self.folder, self.environ(**variables))

    def heard(self, ran: Ran) -> Ran:
        """Look through what a command said."""
        self.ran.append(ran)
        if self.token in ran.output:
            self.fault("secrets", f"`{' '.join(ran.words)}` shows the password")
        if ran.words[0] != "alembic" and ("Traceback (most recent call last)" in ran.output or ran.code == 1):
            self.fault("tracebacks", f"`{' '.join(ran.words)}` ends with a traceback")
        if ran.code == 124:
            self.fault("stuck", f"`{' '.join(ran.words)}` does not end")
        return ran

    def run(self, *words: str, **variables: str) -> Ran:
        return self.heard(self.start(*words, **variables).ended())

    def must(self, *words: str) -> Ran:
        """Run a command that has no reason to fail: the scenario means nothing without it."""
        ran = self.run(*words)
        if ran.code:
            raise RuntimeError(f"The scenario could not be set up:\n{ran}")
        return ran

    def on_terminal(self, *words: str) -> OnTerminal:
        return OnTerminal(words, inv(*words), self.folder, self.environ())

    # ------------------------------------------------------------------ watching

    def fault(self, what: str, sentence: str) -> None:
        assert what in FAULTS
        self.faults.append(Fault(what, sentence))

    def watch(self, name: str, kind: str | None = None) -> None:
        """From now on a database is a stranger's: it must stay as it is."""
        server = SERVERS[kind or self.server.kind]
        self.watched[server.kind, name] = server.picture(name)

    def compare_strangers(self) -> None:
        for (kind, name), before in self.watched.items():
            after = SERVERS[kind].picture(name)
            if after != before:
                self.fault("strangers", f"{name} is {_change(before, after)}")

    def wait_for_quiet(self) -> None:
        """Wait until the server has noticed that killed clients are gone."""
        end = time.monotonic() + 15
        while self.server.connections(self.user):
            if time.monotonic() > end:
                self.fault("left", f"{self.server.connections(self.user)} connections of ended processes")
                return
            time.sleep(0.05)

    def look_for_leftovers(self) -> None:
        """What is there that a command made for itself."""
        made = set(self.log.read_text(encoding="utf-8").split()) if self.log.exists() else set()
        for name in sorted(made & self.server.names()):
            if _SCRATCH.match(name):
                self.fault("left", f"the database {name}")
        paths = [*self.tmp.iterdir(), *self.folder.rglob("*strata-*"), *self.root.glob("*.db-*")]
        for path in paths:
            self.fault("left", f"{path.relative_to(self.root)}")

    # ------------------------------------------------------------------- the end

    def remove(self) -> None:
        """Remove all that the scenario made."""
        made = set(self.log.read_text(encoding="utf-8").split()) if self.log.exists() else set()
        for name in self.server.names():
            if name.startswith(f"{self.user}_") or (name in made and _SCRATCH.match(name)):
                self.server.drop(name)
        self.server.drop_user(self.user)
        shutil.rmtree(self.root)


def _change(before: Picture | None, after: Picture | None) -> str:
    if before is None or after is None:
        return "gone" if before else "there, and was not"
    lost = [name for name, rows in before.rows.items() if after.rows.get(name) != rows]
    parts = [f"rows of {', '.join(lost)}"] if lost else []
    parts += ["its schema"] if before.schema != after.schema else []
    parts += [f"what it says of itself ({before.about!r} → {after.about!r})"] if before.about != after.about else []
    return f"changed: {'; '.join(parts) or 'tables were added'}"


@contextmanager
def world(kind: str, chance: random.Random, hole: str | None = None) -> Iterator[World]:
    """A world that is there for as long as the bracket."""
    made = World(kind, chance, hole)
    try:
        made.make()
        yield made
    finally:
        made.remove()


__all__ = ["FAULTS", "Fault", "World", "world"]
