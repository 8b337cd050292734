"""The files of the folder, as values. Nothing here imports or runs one, or writes."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlstrata.disk import is_ignored, real, shown
from sqlstrata.errors import WrongUse
from sqlstrata.folder.folder import reporting
from sqlstrata.revisions.revision import digest, older_digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ID = r"[0-9A-Za-z_.]+"
_LINES = (
    r"Stage: (?P<stage>[a-z][a-z0-9_]*)\n"
    rf"Revision ID: (?P<id>{_ID})\n"
    r"(?:Digest: (?P<digest>[0-9a-f]{12})\n)?"  # where the id is not the digest
    rf"Revises:(?: (?P<parent>{_ID}))?\n"
)
_DOCSTRING = re.compile(rf"(?P<message>.*)\n\n{_LINES}", re.DOTALL)
# How a file begins as a rebuild writes it; the message may have escapes.
_HEAD = re.compile(
    r'"""(?P<message>(?:[^"\\]|\\.)*?)\n\n'
    rf'{_LINES}"""\n\n(?:(?:import|from) .*\n)+\n'
    rf'revision = "(?P=id)"\ndown_revision = (?:"(?P<down>{_ID})"|None)\n'
    r"branch_labels = None\ndepends_on = None\n"
)
_NAME = re.compile(r"(?P<number>\d{4,})_(?P<stage>.+)\.py")
EDITED = "was edited by hand: its id is not that of its content"
_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")


@dataclass(frozen=True, slots=True)
class File:
    """A file or folder in the folder.

    stage, id, parent and message are read from the file; all of them are None where it does not have the form of our
    files (parent also in the first revision). wrong is the end of a sentence that begins with the file's name; None
    where the file is as a rebuild wrote it.
    """

    name: str
    text: str
    stage: str | None = None
    id: str | None = None
    parent: str | None = None
    message: str | None = None
    wrong: str | None = None

    @property
    def ours(self) -> bool:
        """Whether it has the form and the name of our files, edited or not."""
        return self.stage is not None

    @property
    def number(self) -> int | None:
        """2 for `0002_produto.py`; None where the name has no number."""
        match = _NAME.fullmatch(self.name)
        return int(match["number"]) if match else None


def read(versions: Path) -> tuple[File, ...]:
    """Read the folder, sorted by name; a missing folder has no files. Read-only.

    `__pycache__` and hidden files (`.gitkeep`) are left out. Raises WrongUse where it is no folder, or cannot be read.
    """
    place = real(versions)
    with reporting(place, "read"):
        if not place.exists():
            return ()
        if not place.is_dir():
            message = f"{shown(versions)} is not a folder."
            raise WrongUse(message, hint="Move it away, or name another folder with `migrations` in config.yaml.")
        paths = sorted((path for path in place.iterdir() if not is_ignored(path.name)), key=lambda path: path.name)
        return tuple(_file(path) for path in paths)


def foreign(files: Iterable[File]) -> tuple[File, ...]:
    """Give the files that a rebuild must not overwrite without `--force`: edited by hand, or not ours."""
    return tuple(file for file in files if file.wrong is not None)


def parsed(name: str, text: str) -> File:
    """Read the text of a file: by its head where that and the id are as a rebuild writes them, else by parsing it."""
    head = _HEAD.match(text)
    if head and head["parent"] == head["down"] and _is_named(name, head["stage"]) and digest(text) == _expected(head):
        message = head["message"]
        if "\\" in message:
            message = ast.literal_eval(f'"""{message}"""')
        return File(name, text, head["stage"], head["id"], head["parent"], message)
    tree = _tree(text)
    if tree is None:
        return File(name, text, wrong="cannot be read as Python")
    head = _DOCSTRING.fullmatch(ast.get_docstring(tree, clean=False) or "")
    constants = _constants(tree)
    if head is None or any(each not in constants for each in _NAMES):
        return File(name, text, wrong="was not written by a rebuild")
    if not _is_named(name, head["stage"]):
        return File(name, text, wrong=f"does not have the name of its stage, {head['stage']}")
    agreeing = head["id"] == constants["revision"] and head["parent"] == constants["down_revision"]
    wrong = None if agreeing and _fits(_expected(head), text) else EDITED
    return File(name, text, head["stage"], head["id"], head["parent"], head["message"], wrong)


def _expected(head: re.Match[str]) -> str:
    """The digest that the file has where nobody has edited it."""
    return str(head["digest"] or head["id"])


def _is_named(name: str, stage: str) -> bool:
    named = _NAME.fullmatch(name)
    return named is not None and named["stage"] == stage


def _file(path: Path) -> File:
    if not path.name.endswith(".py") or not path.is_file():
        return File(path.name, "", wrong="is a folder" if path.is_dir() else "is not a revision file")
    content = path.read_bytes()
    try:
        return parsed(path.name, content.decode())
    except UnicodeDecodeError:
        return File(path.name, content.decode(errors="surrogateescape"), wrong="is not UTF-8")


def _tree(text: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about "\d" in somebody's file, for example
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # as ast.parse documents
            return None


def _constants(tree: ast.Module) -> dict[str, object]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _fits(expected: str, text: str) -> bool:
    """Whether a digest is the content's; line ends that git or an editor made Windows's do not count as an edit."""
    texts = [text, *([text.replace("\r\n", "\n")] if "\r\n" in text else [])]
    return any(expected in {digest(each), older_digest(each)} for each in texts)
