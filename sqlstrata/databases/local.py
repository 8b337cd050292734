"""What a project keeps on this machine, beside config.yaml and ignored by git: `.sqlstrata/`.

Its random id, and for each SQLite file that is the project's which file that is. Losing it loses no data: `inv reset`
then knows none of the project's databases until they are adopted.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path

from sqlstrata.errors import WrongUse

NAME = ".sqlstrata"
_IGNORED = ".gitignore"


def project_id(folder: Path) -> str | None:
    """The id of the project in a folder; None where it has none yet."""
    try:
        return (folder / NAME / "project").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def made_project_id(folder: Path) -> str:
    """The id of the project in a folder, made at the first use. Raises WrongUse where it cannot be written."""
    known = project_id(folder)
    if known is None:
        _write(folder, "project", f"{secrets.token_hex(16)}\n", over=False)
        known = project_id(folder)
    if known is None:
        raise WrongUse(f"{folder / NAME / 'project'} cannot be read.", hint="Remove it, and run the command again.")
    return known


def remember_file(folder: Path, file: str, number: str, tag: int) -> None:
    """Keep which file on the disk (device and inode) a SQLite database of the project is, and its mark's tag."""
    _write(folder, _entry(folder, file), json.dumps({"file": _relative(folder, file), "number": number, "tag": tag}))


def is_known_file(folder: Path, file: str, number: str, tag: int) -> bool:
    """Whether `remember_file` was last told of this very file under this path, with this tag."""
    try:
        known = json.loads((folder / NAME / _entry(folder, file)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(known == {"file": _relative(folder, file), "number": number, "tag": tag})


def _entry(folder: Path, file: str) -> str:
    return f"{hashlib.sha256(_relative(folder, file).encode()).hexdigest()[:16]}.json"


def _relative(folder: Path, file: str) -> str:
    """The file's path as seen from the project, which may be moved as a whole."""
    return os.path.relpath(os.path.realpath(file), os.path.realpath(folder))


def _write(folder: Path, name: str, text: str, *, over: bool = True) -> None:
    """Write a file whole or not at all; what is there already stays where it is not to be written over.

    Git passes the folder over, from its first file on.
    """
    if name != _IGNORED and not (folder / NAME / _IGNORED).exists():
        _write(folder, _IGNORED, "*\n")
    place = folder / NAME / name
    aside = place.with_name(f"{name}.{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        try:
            if over:
                aside.replace(place)
            elif not place.exists():
                os.link(aside, place)
        finally:
            aside.unlink(missing_ok=True)
    except FileExistsError:
        return  # somebody else was quicker
    except OSError as error:
        message = f"{place} cannot be written: {error.strerror}."
        raise WrongUse(message, hint="Look at the folder's rights and room.") from error
