"""The mark of a history that was written without a proof: a file beside the revisions, to be committed with them."""

from __future__ import annotations

from pathlib import Path

from sqlstrata.disk import write_whole
from sqlstrata.folder.folder import reporting

_NAME = "not-proved.txt"
_TEXT = b"These revisions were written with `--no-proof`. The next `rebuild` that proves them removes this file.\n"


def is_proved(migrations: Path) -> bool:
    """Whether no rebuild has left out the proof since the last one that proved the history. Read-only."""
    return not (migrations / _NAME).exists()


def mark_unproved(migrations: Path) -> None:
    """Leave the mark. Raises WrongUse where it cannot be written."""
    with reporting(migrations / _NAME, "written"):
        write_whole(migrations / _NAME, _TEXT)


def mark_proved(migrations: Path) -> None:
    """Remove the mark. Raises WrongUse where it cannot be removed."""
    with reporting(migrations / _NAME, "removed"):
        (migrations / _NAME).unlink(missing_ok=True)
