"""The guides are true: each is walked through in an empty folder, command by command, with what it shows.

A block of Python is the file that the text before it names; a diff changes that file; YAML is added at its end. Of a
command, the lines under it are in its output, in their order, and `# exit 6` is its exit code.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from sqlstrata import commands
from sqlstrata.databases import creation, removal
from tests.commands.running import PESSOAS, rows
from tests.projects import write
from tests.servers import answering, anything

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
PATH = re.compile(r"`([\w/]+\.(?:py|yaml))`")
VARYING = re.compile(r"\b(\d+(?= ms\b)|[0-9a-f]{12})\b")


@dataclass
class Walk:
    """One guide in a folder, with the names that its URLs have and those of real databases."""

    folder: Path
    places: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)

    def follow(self, text: str) -> None:
        before = 0
        for block in BLOCK.finditer(text):
            names = PATH.findall(text[before : block.start()])
            before = block.end()
            match block["kind"]:
                case "console":
                    self.run_all(block["text"])
                case "python":
                    self.path(names).write_text(block["text"], encoding="utf-8")
                case "yaml":
                    with self.path(names).open("a", encoding="utf-8") as file:
                        file.write(block["text"])
                case "diff":
                    self.change(self.path(names), block["text"])
                case kind:
                    assert kind == "text"

    def path(self, names: list[str]) -> Path:
        return self.folder / names[-1]

    def change(self, path: Path, diff: str) -> None:
        lines = diff.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if line.startswith("-"))
        new = "".join(f"{line[1:]}\n" for line in lines if line.startswith("+"))
        content = path.read_text("utf-8")
        assert content.count(old) == 1, f"{path.name} has not once:\n{old}"
        path.write_text(content.replace(old, new), encoding="utf-8")

    def run_all(self, text: str) -> None:
        for command, *shown in shown_commands(text):
            if command.startswith("export "):
                name, _, value = command.removeprefix("export ").partition("=")
                self.environment[name] = self.placed(value)
                continue
            words, _, code = command.partition("  # exit ")
            done = self.run(self.placed(words))
            output = done.stdout + done.stderr
            assert done.returncode == int(code or 0), f"{command}\n{output}"
            assert_shown(shown, output, command)

    def placed(self, text: str) -> str:
        for name, place in self.places.items():
            text = text.replace(name, place)
        return text

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        first, *rest = command.split()
        assert first in {"sqlstrata", "flask", "pytest"}
        dropped = {"CONFIG", "SQLSTRATA_CONFIG", "DATABASE_URL"}
        environment = {name: value for name, value in os.environ.items() if name not in dropped} | self.environment
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(self.folder)])
        words = [sys.executable, "-m", first, *rest]
        return subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


def shown_commands(text: str) -> Iterator[list[str]]:
    """Each command of a block, and the lines that are shown under it."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ ") and found:
            yield found
            found = []
        found.append(line.removeprefix("$ "))
    yield found


def assert_shown(shown: list[str], output: str, command: str) -> None:
    """The lines are in the output, in their order; times, ids and the gaps that they make do not count."""
    rest = plain(output)
    for line in map(plain, shown):
        _, found, rest = rest.partition(line)
        assert found, f"{command} does not show, or not there: {line}\n{output}"


def plain(text: str) -> str:
    return "\n".join(" ".join(VARYING.sub("…", line).split()) for line in text.splitlines())


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a PostgreSQL database that is not there yet; dropped at the end."""
    made = sa.make_url(answering("postgresql")).set(database=f"strata_guide_{secrets.token_hex(6)}")
    yield made.render_as_string(hide_password=False)
    if creation.exists(made):
        removal.drop(made, anything)


def test_a_new_project_comes_to_where_its_guide_says(tmp_path: Path, database: str) -> None:
    """At the end the application has Ada and Alan on both servers, as the five changes made them."""
    (tmp_path / "blog").mkdir()
    places = {
        "postgresql+psycopg://localhost/postgres": answering("postgresql"),
        "postgresql+psycopg://localhost/blog": database,
    }
    walk = Walk(tmp_path / "blog", places)
    walk.follow((ROOT / "docs" / "new-project.md").read_text(encoding="utf-8"))
    expected = [
        ("Ada", "Lovelace", "user1@example.com", "invited"),
        ("Alan", "Turing", "alan@example.com", "active"),
    ]
    query = "SELECT first_name, last_name, email, status FROM users ORDER BY id"
    assert rows(f"sqlite:///{walk.folder / 'blog.db'}", query) == expected
    assert rows(database, query) == expected
    grace = {"first_name": "Grace", "last_name": "Hopper", "email": "grace@example.com", "status": "invited"}
    program = f"""\
from blog.app import app
client = app.test_client()
client.post("/users", json={grace})
print(*[user["first_name"] for user in client.get("/users").json])
"""
    environment = {**os.environ, "DATABASE_URL": database, "PYTHONPATH": str(walk.folder)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("Ada Alan Grace\n", 0), done.stderr


def test_the_tests_of_the_guide_pass_and_find_a_hand_edit(tmp_path: Path) -> None:
    made = write(tmp_path / "p", {"pessoas": PESSOAS}, [{"name": "pessoas", "enable": ["pessoas"]}])
    commands.rebuild(made.plan())
    walk = Walk(made.folder, {})
    walk.follow((ROOT / "docs" / "ci.md").read_text(encoding="utf-8"))
    revision = made.versions / "0001_pessoas.py"
    revision.write_text(revision.read_text("utf-8").replace("length=50", "length=51"), encoding="utf-8")
    done = walk.run("pytest --quiet")
    assert (done.returncode, "HistoryDiffers" in done.stdout) == (1, True)


def test_the_hook_of_the_guide_is_that_of_the_repository() -> None:
    (shown,) = re.findall(r"```text\n(repos:.*?)```", (ROOT / "docs" / "ci.md").read_text(encoding="utf-8"), re.DOTALL)
    (hook,) = yaml.safe_load(shown)["repos"][0]["hooks"]
    (ours,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook.items() <= ours.items()
