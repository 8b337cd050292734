"""What a project keeps on this machine, beside config.yaml and ignored by git: `.sqlstrata/`.

Its random id, the identity of each SQLite file that belongs to the project, and the schema of each development
database. Losing it loses no data: `inv reset` then drops none of the project's databases until they are adopted, and a
development database that is at a revision of another branch cannot follow.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sqlstrata.disk import write_whole
from sqlstrata.errors import WrongUse

NAME = ".sqlstrata"


def project_id(folder: Path) -> str | None:
    """The id of the project in a folder; None where it has none yet."""
    try:
        return (folder / NAME / "project").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def made_project_id(folder: Path) -> str:
    """The id of the project in a folder, created at the first use. Raises WrongUse where it cannot be written."""
    known = project_id(folder)
    if known is None:
        _write(folder, "project", f"{secrets.token_hex(16)}\n", replace=False)
        known = project_id(folder)
    if known is None:
        raise WrongUse(f"{folder / NAME / 'project'} cannot be read.", hint="Remove it, and run the command again.")
    return known


def remember_file(folder: Path, file: str, number: str, tag: int) -> None:
    """Store which file on the disk (device and inode) a SQLite database of the project is, and its mark's tag."""
    _write(folder, _entry(folder, file), json.dumps({"file": _relative(folder, file), "number": number, "tag": tag}))


def is_known_file(folder: Path, file: str, number: str, tag: int) -> bool:
    """Whether `remember_file` last stored this file for this path, with this tag."""
    try:
        known = json.loads((folder / NAME / _entry(folder, file)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(known == {"file": _relative(folder, file), "number": number, "tag": tag})


def remember_schemas(folder: Path, url: sa.URL | None, schemas: Mapping[str, object]) -> None:
    """Store the schemas of a development database, as JSON, by its revisions. Raises WrongUse.

    Without a URL it is the schema that the last rebuild here ended with, whatever database is brought to it.
    """
    _write(folder, _schemas(folder, url), json.dumps(schemas, indent=1))


def known_schemas(folder: Path, url: sa.URL | None) -> Mapping[str, Any]:
    """What `remember_schemas` last stored for this database, or for none; empty where there is nothing."""
    try:
        known = json.loads((folder / NAME / _schemas(folder, url)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def following(folder: Path, url: sa.URL) -> Path:
    """The folder of the revision by which a development database follows; it is there while that runs."""
    return folder / NAME / f"{_schemas(folder, url)}.migrations"


def trees(folder: Path) -> Path:
    """The folder of the git trees whose models were read, each by its hash; git ignores it. Raises WrongUse."""
    _ignore(folder)
    return folder / NAME / "trees"


def _schemas(folder: Path, url: sa.URL | None) -> str:
    if url is None:
        return "schemas.json"
    is_file = url.get_backend_name() == "sqlite" and url.database
    name = _relative(folder, str(url.database)) if is_file else url.set(password=None).render_as_string()
    return f"schemas-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"


def _entry(folder: Path, file: str) -> str:
    return f"{hashlib.sha256(_relative(folder, file).encode()).hexdigest()[:16]}.json"


def _relative(folder: Path, file: str) -> str:
    """The file's path relative to the project, which may be moved as a whole."""
    return os.path.relpath(os.path.realpath(file), os.path.realpath(folder))


def _write(folder: Path, name: str, text: str, *, replace: bool = True) -> None:
    """Write one of the files; git ignores the folder from its first file on."""
    _ignore(folder)
    _whole(folder / NAME / name, text, replace=replace)


def _ignore(folder: Path) -> None:
    ignored = folder / NAME / ".gitignore"
    if not ignored.exists():
        _whole(ignored, "*\n")


def _whole(place: Path, text: str, *, replace: bool = True) -> None:
    try:
        place.parent.mkdir(exist_ok=True)
        write_whole(place, text.encode(), replace=replace)
    except OSError as error:
        message = f"{place} cannot be written: {error.strerror}."
        raise WrongUse(message, hint="Check the folder's permissions and free space.") from error
