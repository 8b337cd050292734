"""The guides: Markdown whose commands are run in order, whose files are written, and whose outputs are compared.

- A `console` block has commands after `$`, each with what it prints, and `# exit 6` where it does not end with 0. Where
  nothing is shown it need only end so. `…` stands for anything.
- A block whose first line is `# shop/app.py` is that file, `# config.yaml, at the end` is added to it, and in a `diff`
  block the lines with `-` are replaced by those with `+`.
- Databases at postgresql+psycopg://localhost/ are made on the server of the tests, under other names.

`python -m tests.guides --write docs/teams.md …` writes the outputs again, by default those of all guides.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from sqlstrata.databases import creation, removal
from tests.servers import SERVERS, answering, anything

ROOT = Path(__file__).parents[1]
REFERENCES = {"bench.md", "changes.md", "reference.md", "safety.md"}
GUIDES = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in REFERENCES]
HOME = "/path/to/project"
"""The folder that a guide starts in, as it shows it."""
_SERVER = re.compile(r"postgresql\+psycopg://localhost/(\w+)")
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"(?:#|--) (?P<path>[\w./-]+)(?P<end>, at the end)?\n")
_COMMAND = re.compile(
    r"^\$ (?P<text>(?:.*\\\n)*.*?)(?:  # exit (?P<code>\d+))?\n(?P<shown>(?:(?!\$ ).*\n)*)", re.MULTILINE
)
_PROGRESS = re.compile(r"^(?:making|up|down|proving on .*): \S+(?: \(\d+ of \d+\))?\n", re.MULTILINE)
_WIDTH = 100
_PROGRAMS = ("sqlstrata", "alembic", "pytest", "flask")


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind and its text."""

    kind: str
    text: str

    def commands(self) -> list[Command]:
        """Its commands, for a `console` block."""
        found = _COMMAND.finditer(self.text if self.kind == "console" else "")
        return [Command(each["text"], int(each["code"] or 0), each["shown"]) for each in found]


@dataclass(frozen=True)
class Command:
    """A command, the exit code that it has, and the output that is shown."""

    text: str
    code: int
    shown: str


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a document."""
    return [Block(kind, inner) for kind, inner in _BLOCK.findall(text)]


@dataclass
class Player:
    """Plays blocks in a folder, as one shell would."""

    folder: Path
    environ: Mapping[str, str]
    suffix: str = field(default_factory=lambda: f"_{secrets.token_hex(6)}")
    databases: set[str] = field(default_factory=set)
    """The databases that a guide names, on the server of the tests."""

    def run(self, command: str) -> tuple[int, str]:
        """Run a command where the one before ended; give its exit code and what it printed, errors last."""
        save = f"{{ export -p; echo \"cd '$PWD'\"; }} >'{self._state}'"
        script = f". '{self._state}'\n{self._there(command)}\ncode=$?\n{save}\nexit $code"
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, self._here(f"{done.stdout}{done.stderr}")

    def write(self, block: Block) -> None:
        """Write the file that a block shows, or change it. Raises AssertionError."""
        found = _FILE.match(block.text)
        if found is None:
            return
        path, text = self.place / found["path"], block.text[found.end() :]
        path.parent.mkdir(parents=True, exist_ok=True)
        if block.kind == "diff":
            text = _patched(path.read_text("utf-8"), text, self._there)
        else:
            text = (path.read_text("utf-8") if found["end"] else "") + self._there(text)
        path.write_text(text, encoding="utf-8")

    @property
    def place(self) -> Path:
        """The working directory."""
        found = re.search(r"^cd '(.*)'$", self._state.read_text("utf-8"), re.MULTILINE)
        return Path(found[1]) if found else self.folder

    @property
    def _state(self) -> Path:
        """A script that gives the next command the variables and the working directory of the one before."""
        return self.folder.parent / ".shell"

    def _there(self, text: str) -> str:
        """A guide's text with the server of the tests. Skips the test where it is needed and does not answer."""
        return _SERVER.sub(lambda found: self._database(found[1]), text)

    def _database(self, name: str) -> str:
        server = answering("postgresql")
        if name == "postgres":
            return server
        url = sa.make_url(server).set(database=f"{name}{self.suffix}").render_as_string(hide_password=False)
        self.databases.add(url)
        return url

    def _here(self, output: str) -> str:
        """What was printed, as a guide shows it."""
        output = output.replace(str(self.folder.parent), str(Path(HOME).parent)).replace(self.suffix, "")
        server = sa.make_url(SERVERS["postgresql"])
        return _PROGRESS.sub(
            "", output.replace(f"PostgreSQL at {server.host}:{server.port or 5432}", "PostgreSQL at localhost:5432")
        )


def _patched(text: str, change: str, translated: Callable[[str], str]) -> str:
    """The text with what a diff removes replaced by what it adds, translated. Raises AssertionError."""
    lines = change.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] != "+")
    new = "".join(translated(line[1:]) if line[0] == "+" else line[1:] for line in lines if line[0] != "-")
    assert text.count(old) == 1, f"the file has this {text.count(old)} times:\n{old}"
    return text.replace(old, new)


@contextmanager
def player(folder: Path) -> Iterator[Player]:
    """Give a player for an empty folder; the databases that it creates are dropped at the end."""
    programs, work = folder / ".programs", folder / Path(HOME).name
    programs.mkdir()
    work.mkdir()
    for name, words in {**{each: f"-m {each}" for each in _PROGRAMS}, "inv": "-m invoke", "python": ""}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    (folder / ".shell").write_text("", encoding="utf-8")
    (folder / ".gitconfig").write_text("[user]\nname=Ada\nemail=ada@example.com\n[init]\ndefaultBranch=main\n", "utf-8")
    gone = {"CONFIG", "SQLSTRATA_CONFIG", "DATABASE_URL", "FLASK_APP"}
    environ = {name: value for name, value in os.environ.items() if name not in gone and not name.startswith("PYTEST")}
    environ |= {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": str(folder / ".gitconfig"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    playing = Player(work, environ)
    try:
        yield playing
    finally:
        for url in playing.databases:
            if creation.exists(sa.make_url(url)):
                removal.drop(url, anything)


def play(text: str, playing: Player) -> Iterator[tuple[Command, int, str]]:
    """Play a document; give each command, with its exit code and its output."""
    for block in blocks(text):
        playing.write(block)
        for command in block.commands():
            yield command, *playing.run(command.text)


def is_as_shown(shown: str, output: str) -> bool:
    """Whether an output is the one that is shown: ids, times and line breaks do not count."""
    pattern = ".*?".join(re.escape(part) for part in _plain(shown).split("…"))
    return re.fullmatch(rf"\s*{pattern}\s*", _plain(output), re.DOTALL) is not None


def _plain(output: str) -> str:
    output = re.sub(r"\b[0-9a-f]{12}\b", "ID", output)
    output = re.sub(r"\b\d+(\.\d+)? ?m?s\b", "TIME", output)
    return re.sub(r"\s+", " ", output).strip()


def written(text: str, playing: Player) -> str:
    """The document with the outputs that its commands have now, where it shows any that differ."""
    for command, code, output in play(text, playing):
        if code != command.code:
            sys.stderr.write(f"exit {code}: {command.text}\n{output}")
        if command.shown and not is_as_shown(command.shown, output):
            exits = f"  # exit {code}" if code else ""
            start = text.index(f"$ {command.text}{f'  # exit {command.code}' if command.code else ''}\n{command.shown}")
            end = text.index(command.shown, start) + len(command.shown)
            text = f"{text[:start]}$ {command.text}{exits}\n{_wrapped(output)}{text[end:]}"
    return text


def _wrapped(output: str) -> str:
    wrap = textwrap.TextWrapper(_WIDTH, break_long_words=False, break_on_hyphens=False)
    lines = (each for line in output.splitlines() for each in ([line] if "  " in line else wrap.wrap(line) or [""]))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def main() -> None:
    """Write the outputs of the guides that are named again."""
    for path in [Path(word).resolve() for word in sys.argv[1:] if word != "--write"] or GUIDES:
        with tempfile.TemporaryDirectory() as folder, player(Path(folder).resolve()) as playing:
            path.write_text(written(path.read_text("utf-8"), playing), encoding="utf-8")


if __name__ == "__main__":
    main()
