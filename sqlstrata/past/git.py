"""The trees of a git repository, read without touching a work tree, a ref or an index of it.

What a ref names is its tree; the tree's files are read from git's objects into a folder that is named by the tree's
hash. So no hook, filter or attribute of the repository takes part, and a tree that is there is not read again.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sqlstrata.disk import shown
from sqlstrata.errors import WrongUse

LARGEST = 10_000_000
"""Bytes of the largest file that is read: no module is as long."""
_OF_A_REPOSITORY = frozenset(
    "GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_DIR GIT_INDEX_FILE GIT_NAMESPACE GIT_OBJECT_DIRECTORY "
    "GIT_PREFIX GIT_WORK_TREE".split()
)
"""The variables that name another repository than that of a folder; a hook of git has them."""
_PRE_RELEASES = {"dev": 0, "a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "pre": 3, "preview": 3, "rc": 3}


@dataclass(frozen=True)
class Entry:
    """A file, link or submodule of a tree."""

    mode: str
    name: str
    """Of the object, a hash."""
    path: str


@dataclass(frozen=True)
class Tree:
    """What a ref names: the tree's hash, and its files, links and submodules."""

    ref: str
    name: str
    entries: tuple[Entry, ...]

    @property
    def submodules(self) -> tuple[str, ...]:
        """The paths of submodules, whose files are in other repositories."""
        return tuple(each.path for each in self.entries if each.mode == "160000")

    @property
    def files(self) -> frozenset[str]:
        return frozenset(each.path for each in self.entries if each.mode != "160000")


class Repository:
    """A git repository, with a work tree or bare, shallow or whole."""

    def __init__(self, folder: Path) -> None:
        """Raises WrongUse where the folder is in no repository, or there is no git."""
        self.folder = folder
        self.git_folder = Path(self._line("rev-parse", "--absolute-git-dir"))
        is_bare = self._line("rev-parse", "--is-bare-repository") == "true"
        self.top = None if is_bare else Path(self._line("rev-parse", "--show-toplevel"))

    def within(self, folder: Path) -> str:
        """The path of a folder in the work tree; that of the top where it is outside, or there is no work tree."""
        if self.top is None or not folder.resolve().is_relative_to(self.top.resolve()):
            return ""
        path = folder.resolve().relative_to(self.top.resolve()).as_posix()
        return "" if path == "." else path

    def tags(self, pattern: str) -> list[str]:
        """The tags that match a pattern, sorted as versions. Raises WrongUse where there is none."""
        listed = self._run("for-each-ref", "--format=%(refname:strip=2)", f"refs/tags/{pattern}").decode().split("\n")
        found = sorted(filter(None, listed), key=_version)
        if not found:
            message = f"No tag of {shown(self.folder)} matches `{pattern}`."
            raise WrongUse(message, hint=self._fetching() or "`git tag` lists the tags.")
        return found

    def tree(self, ref: str) -> Tree:
        """The tree of a ref. Raises WrongUse where there is none."""
        done = self._ended("rev-parse", "--verify", "--quiet", f"{ref}^{{tree}}") if not ref.startswith("-") else None
        if done is None or done.returncode:
            message = f"There is no `{ref}` in the repository {shown(self.folder)}."
            raise WrongUse(message, hint=self._fetching() or "`git tag` and `git log` list what there is.")
        name = done.stdout.decode().strip()
        return Tree(ref, name, tuple(map(_entry, filter(None, self._run("ls-tree", "-rz", name).split(b"\0")))))

    def extract(self, tree: Tree, folder: Path) -> None:
        """Write the files of a tree into a folder that does not exist; it appears whole, or not at all.

        Left out are files of more than LARGEST bytes, and those that the clone does not have. Raises WrongUse where
        that is a module, and OSError where a file cannot be written.
        """
        partial = folder.with_name(f"{folder.name}.partial-{secrets.token_hex(4)}")
        try:
            partial.mkdir(parents=True)
            wanted = self._present(tree)
            for each, content in zip(wanted, self._contents([each.name for each in wanted]), strict=True):
                _write(partial, each, content)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def contents(self, tree: Tree, folders: Collection[str]) -> dict[str, bytes]:
        """The Python files of a tree that are in one of these folders, by their paths. Raises WrongUse."""
        inside = tuple(f"{folder}/" if folder else "" for folder in folders)
        wanted = [each for each in tree.entries if each.path.endswith(".py") and each.path.startswith(inside)]
        files = self._present(Tree(tree.ref, tree.name, tuple(each for each in wanted if each.mode != "120000")))
        paths, names = [each.path for each in files], [each.name for each in files]
        return dict(zip(paths, self._contents(names), strict=True))

    def _present(self, tree: Tree) -> list[Entry]:
        entries = [each for each in tree.entries if each.mode != "160000"]
        sizes = self._batch("--batch-check=%(objectsize)", [each.name for each in entries]).decode().splitlines()
        for each, size in zip(entries, sizes, strict=True):
            if not size.isdigit() and each.path.endswith(".py"):
                message = f"The file {each.path} of {tree.ref} is missing in the repository {shown(self.folder)}."
                raise WrongUse(message, hint="`git fetch --refetch` gets all files of a partial clone.")
        found = zip(entries, sizes, strict=True)
        return [each for each, size in found if size.isdigit() and int(size) <= LARGEST]

    def _contents(self, names: Sequence[str]) -> Iterator[bytes]:
        answer, place = self._batch("--batch=%(objectsize)", names), 0
        for _ in names:
            end = answer.index(b"\n", place)
            place = end + 1 + int(answer[place:end])
            yield answer[end + 1 : place]
            place += 1

    def _batch(self, form: str, names: Sequence[str]) -> bytes:
        return self._run("cat-file", form, input_="".join(f"{name}\n" for name in names).encode())

    def _fetching(self) -> str | None:
        if self._line("rev-parse", "--is-shallow-repository") == "true":
            return "It is a shallow clone: `git fetch --unshallow --tags` gets the rest."
        return None

    # ---- git itself

    def _line(self, *words: str) -> str:
        return self._run(*words).decode().strip()

    def _run(self, *words: str, input_: bytes | None = None) -> bytes:
        done = self._ended(*words, input_=input_)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().partition("\n")[0] or f"it ended with {done.returncode}"
            raise WrongUse(f"git cannot read {shown(self.folder)}: {said}.", hint="`--repository` names another.")
        return done.stdout

    def _ended(self, *words: str, input_: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        names = {name: value for name, value in os.environ.items() if name not in _OF_A_REPOSITORY}
        env = {**names, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
        try:
            return subprocess.run(
                ["git", "-C", str(self.folder), *words], input=input_, capture_output=True, env=env, check=False
            )
        except FileNotFoundError:
            raise WrongUse("There is no git.", hint="Install it; what is in the repository is read with it.") from None


def _entry(line: bytes) -> Entry:
    given, _, path = line.partition(b"\t")
    mode, _, name = given.decode().split()
    return Entry(mode, name, os.fsdecode(path))


def _write(folder: Path, entry: Entry, content: bytes) -> None:
    """Write a file or a link; a link that leads out of the tree is left out."""
    path = folder / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.mode != "120000":
        path.write_bytes(content)
        return
    target = PurePosixPath(os.path.normpath(PurePosixPath(entry.path).parent / os.fsdecode(content)))
    if not target.is_absolute() and target.parts[:1] != ("..",):
        path.symlink_to(os.fsdecode(content))


def _version(tag: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which versions are sorted: 1.9 before 1.10, 2.0rc1 before 2.0, which is before 2.0.1."""
    start = re.search(r"\d", tag)
    text = tag[start.start() :] if start is not None else tag
    parts = re.findall(r"\d+|[a-z]+", text.lower())
    return (*map(_part, parts), (0, 0, ""))


def _part(part: str) -> tuple[int, int, str]:
    if part.isdigit():
        return 2, int(part), ""
    return (-1, _PRE_RELEASES[part], "") if part in _PRE_RELEASES else (1, 0, part)
