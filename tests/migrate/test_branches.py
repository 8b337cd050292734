"""The development database is at the last stage of whatever branch is checked out, and no common value is lost.

`STRATA_SWITCHES=50 pytest -o faulthandler_timeout=3000 tests/migrate/test_branches.py` makes fifty switches on each
server, other ones each time; `STRATA_SEED` repeats those that failed.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import database
from sqlstrata.errors import Refused
from tests.migrate import branches as b
from tests.projects import Project, write

NAMES = ("b0", "b1", "b2", "b3", "b4")
LIVE = ("b0", "b1", "b2")
"""The branches whose last stage is live; the others turn modules on and off."""
SWITCHES = int(os.environ.get("STRATA_SWITCHES", "0"))
SEED = int(os.environ.get("STRATA_SEED", "0")) or (random.randrange(10**6) if SWITCHES else 7)
COMMANDS: tuple[Callable[..., object], ...] = (commands.up, commands.rebuild, commands.onboard)


@dataclass
class Repository:
    """A git repository with the project, the stages of its branches, and the schema that the database is to have."""

    project: Project
    branches: dict[str, tuple[b.Stage, ...]]
    now: b.Schema

    def git(self, *words: str) -> None:
        identity = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "core.hooksPath=/dev/null")
        subprocess.run(["git", *identity, *words], cwd=self.project.folder, check=True, capture_output=True)

    def commit(self, branch: str, stages: tuple[b.Stage, ...]) -> None:
        """Write the stages' models and history on the branch that is checked out, and commit all."""
        written(self.project, stages, live=branch in LIVE)
        self.branches[branch] = stages
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", branch)


@pytest.fixture
def repository(tmp_path: Path, url: str) -> Repository:
    seed = random.Random(f"stages {SEED}")
    stages = [{"name": "inicio", "live": True}]
    project = write(tmp_path / "projeto", {"tabelas": "pass"}, stages, url=url, prove_on=[url])
    made = Repository(project, {}, {})
    made.git("init", "--quiet", "--initial-branch", NAMES[0])
    (project.folder / ".gitignore").write_text("*.db\n__pycache__\n")
    for name in NAMES:
        made.git("checkout", "--quiet", "-B", name)
        made.commit(name, b.random_stages(seed, seed.randint(2, 4)))
    return made


def test_the_database_is_at_each_branch_that_is_checked_out(repository: Repository) -> None:
    print(f"STRATA_SEED={SEED}")  # noqa: T201 - shown where the test fails
    seed, slowest = random.Random(f"switches {SEED}"), 0.0
    commands.onboard(repository.project.plan())
    repository.now = b.after(repository.branches[NAMES[-1]])
    for number in range(SWITCHES or 3):
        with_rows(repository)
        name = seed.choice(NAMES)
        repository.git("checkout", "--quiet", name)
        how = b.EDITS[number % len(b.EDITS)]
        change(repository, seed, name, how)
        begun = time.process_time()
        switched(repository, b.after(repository.branches[name]), COMMANDS[number % len(COMMANDS)])
        slowest = max(slowest, time.process_time() - begun)
    print(f"The slowest switch took {slowest:.2f} s of the processor.")  # noqa: T201 - the same


def change(repository: Repository, seed: random.Random, name: str, how: str) -> None:
    """Edit the stages of the branch that is checked out, and commit them; the database knows nothing of it yet."""
    other = seed.choice([each for each in NAMES if each != name])
    stages = b.edited(seed, how, repository.branches[name], repository.branches[other])
    if how == "merge":
        repository.git("merge", "--quiet", "--no-commit", "--no-ff", "--strategy=ours", other)
    repository.commit(name, stages)


def switched(repository: Repository, to: b.Schema, command: Callable[..., object]) -> None:
    """Run the command; what would be lost is refused first, and the database is exactly at the last stage."""
    project, before = repository.project, repository.now
    rows = {table.name: contents(project, table) for table in before.values()}
    named = {name for stage in project.plan().stages for name in stage.drop}
    lost = {f"{name} (2 {what})" for name, what in b.missing(before, to) if name not in named}
    if lost:
        with pytest.raises(Refused) as error:
            command(project.plan())
        assert set(error.value.details["lost"]) == lost
        assert rows == {table.name: contents(project, table) for table in before.values()}
    command(project.plan(), confirmed=lambda _: bool(lost))
    commands.status(project.plan())
    for old, new in b.common(before, to):
        found = contents(project, new)
        for one, other in b.common_columns(old, new):
            assert [row[other.name] for row in found] == [row[one.name] for row in rows[old.name]], (one, other)
    repository.now = to


# ------------------------------------------------------------------- the files


def written(project: Project, stages: Sequence[b.Stage], *, live: bool) -> None:
    """Write models and config.yaml, and the history without any database."""
    for folder in (project.folder / "stages", project.folder / project.package):
        for path in folder.glob("*.py"):
            if path.name not in {"__init__.py", "base.py"}:
                path.unlink()
    for number in range(1, len(stages) + 1) if live else [len(stages)]:
        made = live_stages(project, stages[:number]) if live else module_stages(project, stages)
        rebuilt(project, made)


def live_stages(project: Project, stages: Sequence[b.Stage]) -> list[dict[str, Any]]:
    """The last stage is live, and the others are as an earlier rebuild froze them."""
    found = b.schemas(stages)
    project.module("tabelas", b.module(found[-1], list(found[-1])))
    made = [said(stage, one, other) for stage, one, other in zip(stages, [{}, *found], found, strict=False)]
    return [{**stage, "frozen": True} for stage in made[:-1]] + [{**made[-1], "live": True}]


def module_stages(project: Project, stages: Sequence[b.Stage]) -> list[dict[str, Any]]:
    """A module for each table as it is in some stages."""
    found = b.schemas(stages)
    made, on = [], dict[str, None]()
    for stage, before, now in zip(stages, [{}, *found], found, strict=False):
        texts = {table: b.module(now, [table]) for table in now}
        names = {f"m{hashlib.sha256(text.encode()).hexdigest()[:8]}": text for text in texts.values()}
        for name, text in names.items():
            project.module(name, text)
        turned = {
            "disable": [each for each in on if each not in names],
            "enable": [each for each in names if each not in on],
        }
        made.append({**said(stage, before, now), **{key: each for key, each in turned.items() if each}})
        on = dict.fromkeys(names)
    return made


def said(stage: b.Stage, before: b.Schema, now: b.Schema) -> dict[str, Any]:
    hints = {"rename": b.renames(before, now), "fill": b.fills(before, now)}
    return {"name": stage.name, **{key: each for key, each in hints.items() if each}}


def rebuilt(project: Project, stages: list[dict[str, Any]]) -> None:
    """Write the history; what is asked for is pasted."""
    project.configure(stages=stages)
    try:
        commands.rebuild(project.plan(), apply_it=False, proof=False)
    except Refused as error:
        needs = error.details["needs"]
    else:
        return
    for need in needs:
        stage = next(each for each in stages if each["name"] == need["stage"])
        if need["key"] == "drop":
            stage.setdefault("drop", []).append(need["name"])
        else:
            stage.setdefault(need["key"], {})[need["name"]] = need["value"]
    project.configure(stages=stages)
    commands.rebuild(project.plan(), apply_it=False, proof=False)


# ------------------------------------------------------------------- the rows


def contents(project: Project, table: b.Table) -> list[dict[str, Any]]:
    with database.connect(database.engine(project.url)) as connection:
        found = connection.execute(sa.text(f"SELECT * FROM {table.name} ORDER BY id"))
        return [dict(row) for row in found.mappings()]


def with_rows(repository: Repository) -> None:
    """Give every table two rows, and every column of them a value."""
    project = repository.project
    first = sorted(repository.now.values(), key=lambda table: table.first_name != "um")
    with database.connect(database.engine(project.url)) as connection:
        for table in first:
            there = set(connection.execute(sa.text(f"SELECT id FROM {table.name}")).scalars())
            for key in {1, 2} - there:
                names, values = texts(table, key)
                connection.execute(sa.text(f"INSERT INTO {table.name} (id{names}) VALUES ({key}{values})"))
            for column in table.columns:
                for key in (1, 2):
                    value = b.VALUES[column.kind].format(key)
                    text = f"UPDATE {table.name} SET {column.name} = {value} WHERE id = {key} AND {column.name} IS NULL"
                    connection.execute(sa.text(text))
        connection.commit()


def texts(table: b.Table, key: int) -> tuple[str, str]:
    names = "".join(f", {each.name}" for each in table.columns)
    return names, "".join(f", {b.VALUES[each.kind].format(key)}" for each in table.columns)
