"""The pre-commit hook and the example for GitHub Actions: their commands are run on a project."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sqlstrata import commands
from tests.commands.running import CIDADES, PESSOAS, UNREACHABLE
from tests.projects import Project, write
from tests.servers import answering

ROOT = Path(__file__).parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
WORKFLOW = yaml.safe_load((ROOT / "docs" / "github-actions.yml").read_text(encoding="utf-8"))
STAGES = [{"name": "pessoas", "enable": ["pessoas"]}, {"name": "cidades", "enable": ["cidades"]}]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a history, whose database cannot be reached."""
    made = write(tmp_path / "p", {"pessoas": PESSOAS, "cidades": CIDADES}, STAGES, servers=["sqlite", "postgresql"])
    made.configure(database={"url": UNREACHABLE})
    commands.rebuild(made.plan(), apply_it=False)
    return made


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the program `sqlstrata`, for the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "sqlstrata"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sqlstrata "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return folder


def run(command: str, project: Project, programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        **variables,
    }
    environ = {name: value for name, value in environ.items() if name not in {"CONFIG", "SQLSTRATA_CONFIG"}}
    return subprocess.run(
        ["sh", "-e", "-c", command], cwd=project.folder, env=environ, capture_output=True, text=True, check=False
    )


def steps() -> Iterator[tuple[Mapping[str, Any], str]]:
    """The commands of the workflow, each with its job."""
    for job in WORKFLOW["jobs"].values():
        yield from ((job, step["run"]) for step in job["steps"] if "run" in step)


def test_the_hook_passes_what_the_stages_give_and_stops_a_hand_edit(project: Project, programs: Path) -> None:
    (hook,) = HOOKS
    assert (hook["id"], hook["pass_filenames"]) == ("sqlstrata-check", False)
    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert run(hook["entry"], project, programs).returncode == 0
    revision = project.versions / "0002_cidades.py"
    revision.write_text(revision.read_text("utf-8").replace("length=50", "length=51"), encoding="utf-8")
    done = run(hook["entry"], project, programs)
    assert (done.returncode, "0002_cidades.py" in done.stderr) == (3, True)


def test_each_step_of_the_workflow_is_run_or_installs(project: Project, programs: Path) -> None:
    ran = []
    for job, command in steps():
        if command.startswith("pip install"):
            assert command == 'pip install --editable . "sqlstrata[postgresql]"'
            continue
        variables = {name: answering("postgresql") for name in job.get("env", {})}
        done = run(command, project, programs, **variables)
        assert done.returncode == 0, done.stderr
        ran.append(command.split()[1])
    assert ran == ["check", "verify"]


def test_the_workflow_names_the_server_that_it_starts() -> None:
    job = WORKFLOW["jobs"]["verify"]
    (service,) = job["services"].values()
    password = service["env"]["POSTGRES_PASSWORD"]
    assert job["env"] == {"SERVER": f"postgresql+psycopg://postgres:{password}@localhost:5432/postgres"}
    assert service["ports"] == ["5432:5432"]
    assert WORKFLOW[True] == ["push", "pull_request"]  # how YAML 1.1 reads `on`
