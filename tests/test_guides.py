"""What the guides show is true: each is played in an empty folder, and its outputs are those that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sqlstrata.tasks import namespace
from tests import guides
from tests.commands.running import rows

OTHERS = [guides.ROOT / "README.md", guides.ROOT / "docs" / "reference.md"]
DOCUMENTS = {path.stem: path.read_text(encoding="utf-8") for path in [*OTHERS, *guides.GUIDES]}


def test_there_are_guides() -> None:
    """The README names each."""
    assert len(guides.GUIDES) >= 10
    for path in guides.GUIDES:
        assert f"](docs/{path.name})" in DOCUMENTS["README"]


@pytest.mark.parametrize("name", [path.stem for path in guides.GUIDES])
def test_a_guide_does_what_it_shows(name: str, tmp_path: Path) -> None:
    """Its commands end as it says, and print what it shows."""
    with guides.player(tmp_path) as playing:
        for command, code, output in guides.play(DOCUMENTS[name], playing):
            assert code == command.code, f"{command.text}\n{output}"
            if command.shown:
                assert guides.is_as_shown(command.shown, output), f"{command.text}\n{output}"
        if name == "new-project":
            _application_works(playing)


def _application_works(playing: guides.Player) -> None:
    """The application has Ada and Alan on both servers, as the five changes made them, and takes another."""
    expected = [
        ("Ada", "Lovelace", "user1@example.com", "invited"),
        ("Alan", "Turing", "alan@example.com", "active"),
    ]
    query = "SELECT first_name, last_name, email, status FROM users ORDER BY id"
    (postgresql,) = playing.databases
    assert rows(f"sqlite:///{playing.place / 'blog.db'}", query) == expected
    assert rows(postgresql, query) == expected
    (playing.place / "ask.py").write_text(
        """\
from blog.app import app

client = app.test_client()
client.post("/users", json=dict(first_name="Grace", last_name="Hopper", email="grace@example.com", status="invited"))
print(*[user["first_name"] for user in client.get("/users").json])
""",
        encoding="utf-8",
    )
    assert playing.run("python ask.py") == (0, "Ada Alan Grace\n")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_that_the_text_names_exists(name: str) -> None:
    """`sqlstrata COMMAND --option` or `inv COMMAND --option`, also where it is not run."""
    tasks = {each.replace("_", "-"): task for each, task in namespace.tasks.items()}
    for command, rest in re.findall(r"\b(?:sqlstrata|inv) ([a-z-]+)((?: [^`\s]+)*)", "".join(_code(DOCUMENTS[name]))):
        if command in {"test", "lint", "bench"}:
            continue
        assert command in tasks, command
        options = {flag for each in tasks[command].get_arguments() for flag in _flags(each.names)}
        assert set(re.findall(r"(--[a-z-]+)", rest)) <= options | {"--help"}, f"{command}{rest}"


def _code(text: str) -> list[str]:
    """The commands of a document: those that are run, and those within its sentences, a line each."""
    shown = [f"{command.text}\n" for block in guides.blocks(text) for command in block.commands()]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return shown + [f"{each}\n" for each in re.findall(r"`((?:sqlstrata|inv) [^`]*)`", prose)]


def _flags(names: tuple[str, ...]) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in names]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    """To a file of the repository, and to a heading in it."""
    folder = guides.ROOT if name == "README" else guides.ROOT / "docs"
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", DOCUMENTS[name]):
        file, _, heading = target.partition("#")
        path = folder / file if file else folder / f"{name}.md"
        assert path.is_file(), target
        if heading:
            heads = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}, target


def test_the_hook_of_the_guide_is_that_of_the_repository() -> None:
    """Which .pre-commit-hooks.yaml has."""
    shown = next(block.text for block in guides.blocks(DOCUMENTS["ci"]) if block.text.startswith("repos:"))
    (hook,) = yaml.safe_load(shown)["repos"][0]["hooks"]
    (ours,) = yaml.safe_load((guides.ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook.items() <= ours.items()


def test_an_output_is_compared_but_for_what_differs_each_time() -> None:
    """Ids, times and line breaks; and what the guide leaves out."""
    output = "stage  revision      time\nusers  0123456789ab  12 ms\nProved on: SQLite in memory\n"
    assert guides.is_as_shown("stage revision time\nusers ba9876543210 5.2 s\nProved on:\nSQLite in memory\n", output)
    assert guides.is_as_shown("stage … time\n…\nProved on: SQLite in memory\n", output)
    assert not guides.is_as_shown("stage … time\nposts 0123456789ab 12 ms\nProved on: SQLite in memory\n", output)
    assert not guides.is_as_shown("Proved on: SQLite in memory\n", output)
