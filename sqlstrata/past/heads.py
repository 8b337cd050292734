"""The revisions that the folder of an Alembic history ended with at git refs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from sqlstrata.disk import shown
from sqlstrata.errors import WrongUse
from sqlstrata.migrate.alembic_files import heads, written
from sqlstrata.past.git import Repository, Tree
from sqlstrata.past.refs import Skipped
from sqlstrata.replay.project import Old


class Heads:
    """The heads of a history in the trees of its repository, in the folders that have its revisions today."""

    def __init__(self, folder: Path, history: Sequence[Old]) -> None:
        """`folder` is one in the repository. Raises WrongUse where the revisions are in no repository."""
        self.repository, self.history = Repository(folder), history
        top = self.repository.top
        self.folders = sorted({self.repository.within(old.path.parent) for old in history})
        outside = [old.path for old in history if top is None or not old.path.resolve().is_relative_to(top.resolve())]
        if outside:
            message = f"{shown(outside[0])} is not in the repository of {shown(folder)}, so it has no tags."
            raise WrongUse(message, hint="`--at` names revisions.")

    def at(self, tree: Tree) -> tuple[str, ...]:
        """The heads in a tree; none where it has no such folder. Raises WrongUse for a file that cannot be read."""
        known = {}
        for path, content in self.repository.contents(tree, self.folders).items():
            try:
                found = written(content)
            except SyntaxError as error:
                raise WrongUse(f"{path} cannot be read by Python: {error.msg}.") from error
            if found is not None:
                known[found.id] = found
        return heads(known)

    def problem(self, found: Sequence[str]) -> str | None:
        """Why heads are not one revision of today's history; None where they are."""
        if not found:
            return f"it has no revision in {' or '.join(self.folders)}"
        if len(found) > 1:
            return f"it has {len(found)} heads: {', '.join(found)}"
        if found[0] not in {old.id for old in self.history}:
            return f"its head {found[0]} is not in today's folder"
        return None

    def tags_of(self, revisions: Collection[str]) -> tuple[str, ...]:
        """All tags at which the history ended with one of these revisions, sorted as versions."""
        found = []
        for tag in self.repository.tags("*"):
            with suppress(WrongUse):  # a file there that cannot be read
                there = self.at(self.repository.tree(tag))
                found += [tag] if len(there) == 1 and there[0] in revisions else []
        return tuple(found)

    def tagged(self, pattern: str) -> tuple[dict[str, str], tuple[Skipped, ...]]:
        """The tags that match a pattern and have a head of their own, with it, sorted as versions; and the others.

        Raises WrongUse where none is left.
        """
        revisions: dict[str, str] = {}
        skipped: list[Skipped] = []
        for tag in self.repository.tags(pattern):
            try:
                found = self.at(self.repository.tree(tag))
                why = self.problem(found)
            except WrongUse as error:
                found, why = (), error.message.rstrip(".")
            same = next((each for each in revisions if not why and revisions[each] == found[0]), None)
            if why or same:
                skipped.append(Skipped(tag, why or f"its head is that of {same}"))
            else:
                revisions[tag] = found[0]
        if not revisions:
            reasons = "; ".join(f"{each.ref}: {each.why}" for each in skipped)
            raise WrongUse(f"No tag that matches `{pattern}` gives a stage. {reasons}.", hint="`--at` names revisions.")
        return revisions, tuple(skipped)
