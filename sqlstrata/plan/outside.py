"""What a database has beside the models' tables: tables of somebody else, Alembic's version table, and extensions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlstrata.plan.form import ExtensionForm, filled
from sqlstrata.plan.values import Extension, VersionTable

if TYPE_CHECKING:
    from pathlib import Path

    from sqlstrata.plan.document import Entry
    from sqlstrata.plan.form import ConfigForm


def not_ours(top: Entry) -> tuple[str, ...]:
    """Read `not_ours`. Raises WrongUse for an empty pattern, and for one that is for every table."""
    for entry in top.inside("not_ours"):
        if not filled(entry).strip("*."):
            hint = "Write a name, or a pattern such as `plugin_*`."
            raise entry.wrong(f"`{entry.text}` is every table, so nothing would be compared.", hint)
    return tuple(entry.text.strip() for entry in top.inside("not_ours"))


def version_table(top: Entry, form: ConfigForm, servers: tuple[str, ...]) -> VersionTable:
    """Read `version_table`, a name or schema.name. Raises WrongUse."""
    match = re.fullmatch(r"(?:(\w+)\.)?(\w+)", form.version_table)
    if match is None:
        message = f"`{form.version_table}` is not the name of a table."
        hint = "Write it as in `version_table: alembic_version`, or with its schema, `version_table: app.versions`."
        raise top["version_table"].wrong(message, hint)
    if match[1] and "sqlite" in servers:
        message = f"`{form.version_table}` has a schema, and SQLite has none."
        raise top["version_table"].wrong(message, f"Write `version_table: {match[2]}`.")
    return VersionTable(match[2], match[1])


def legacy(top: Entry, folder: Path) -> tuple[Path, ...]:
    """Read `legacy`, folders relative to that of the file. Raises WrongUse for an empty path."""
    return tuple(folder / filled(entry) for entry in top.inside("legacy"))


def extensions(top: Entry, form: ConfigForm, servers: tuple[str, ...]) -> tuple[Extension, ...]:
    """Read `extensions`. Raises WrongUse where the history is not for PostgreSQL, or one is there twice."""
    found: list[Extension] = []
    for entry, each in zip(top.inside("extensions"), form.extensions, strict=True):
        read = Extension(each.name, each.schema or None) if isinstance(each, ExtensionForm) else Extension(each)
        filled(entry["name"] if isinstance(each, ExtensionForm) else entry)
        if any(other.name == read.name for other in found):
            raise entry.wrong(f"The extension `{read.name}` is there twice.", "Remove one of the two.")
        found.append(read)
    if found and "postgresql" not in servers:
        message = "`extensions` are PostgreSQL's, which `servers` does not name."
        raise top["extensions"].wrong(message, "Remove them, or add postgresql to `servers`.")
    return tuple(found)
