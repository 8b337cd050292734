"""What `rebuild` has done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlstrata import folder
from sqlstrata.disk import shown
from sqlstrata.migrate.follow import Followed
from sqlstrata.migrate.place import Repointed
from sqlstrata.result import Line, Table, Verbatim, changed, counted, listed
from sqlstrata.revisions.revision import Revision

_MOST = 20
"""How many replaced files are listed."""


@dataclass(frozen=True)
class Rebuilt:
    """The history, the folder it is for, and what was done: written, proved, applied to the development database.

    `kept` is the folder with the copy of files that were edited by hand, `seconds` the time that each stage took.
    `changes` are the files that differ; `development` is a sentence on the development database, where it is at a
    revision that is replaced.
    """

    versions: Path
    revisions: tuple[Revision, ...]
    written: bool
    proved_on: tuple[str, ...]
    seconds: Mapping[str, float]
    applied: tuple[str, ...] = ()
    kept: Path | None = None
    taken: Repointed | Followed | None = None
    dry: bool = False
    changes: tuple[folder.Change, ...] = ()
    development: str | None = None

    def to_json(self) -> dict[str, object]:
        stages = [
            {
                "name": each.stage,
                "revision": each.id,
                "file": str(self.versions / each.filename),
                "changes": list(each.changes),
            }
            for each in self.revisions
        ]
        done = {"written": self.written, "applied": list(self.applied), "proved_on": list(self.proved_on)}
        more: dict[str, object] = {}
        if self._replaced:
            more["replaces"] = [
                {"file": old.name, "before": old.id, "after": None if each.new is None else each.new.id}
                for each in self._replaced
                if (old := each.old) is not None
            ]
        if self.development is not None:
            more["development"] = self.development
        if self.dry:
            more["diff"] = self._diff
        if self.kept is not None:
            more["kept"] = str(self.kept)
        return {"stages": stages, **done, **more}

    @property
    def _replaced(self) -> list[folder.Change]:
        return [each for each in self.changes if each.old is not None]

    @property
    def _diff(self) -> str:
        return "\n".join(each.diff for each in self.changes)

    def lines(self) -> Iterator[Line]:
        if self.dry and self.changes:
            yield Verbatim(self._diff)
        yield from self._stages()
        for each in self._replaced[:_MOST]:
            yield str(each)
        if len(self._replaced) > _MOST:
            yield f"… and {len(self._replaced) - _MOST} more files."
        if self.development is not None:
            yield self.development
        yield "Proved on: " + ", ".join(self.proved_on) if self.proved_on else "Not proved."
        if self.dry:
            yield f"Not written: this is what {shown(self.versions)} would hold."
        else:
            yield f"{'Written to' if self.written else 'Nothing changed in'} {shown(self.versions)}."
        if self.kept is not None:
            yield f"What was edited by hand is kept in {shown(self.kept)}."
        if self.taken is not None:
            yield str(self.taken)
        if self.applied:
            yield f"Development database: applied {listed(self.applied)}."

    def _stages(self) -> Iterator[Line]:
        """The stages whose files differ, and the number of the others."""
        changes = {each.new.stage for each in self.changes if each.new is not None}
        rows = [
            (
                each.stage,
                each.id,
                changed(each.changes, of=len(changes)),
                f"{self.seconds.get(each.stage, 0) * 1000:.0f} ms",
            )
            for each in self.revisions
            if each.stage in changes
        ]
        unchanged = len(self.revisions) - len(rows)
        if unchanged:
            seconds = sum(self.seconds.get(each.stage, 0) for each in self.revisions if each.stage not in changes)
            yield f"{counted(unchanged, 'stage')} {'is' if unchanged == 1 else 'are'} unchanged ({seconds:.1f} s)."
        if rows:
            yield Table(("stage", "revision", "changes", "time"), rows)
