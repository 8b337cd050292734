"""Frozen stages: each stage's MetaData, made from a file of Tables that has what the stage changes.

`revisions.frozen` writes these files; they need SQLAlchemy alone. A file defines a `metadata` with the tables, types,
sequences and DDL events that the stage adds or changes, and names in `gone` what it removes. All else stays as it was
in the stage before.
"""

from __future__ import annotations

import ast
import hashlib
import re
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from sqlstrata.disk import shown
from sqlstrata.errors import Where, WrongUse
from sqlstrata.modules.views import EVENTS
from sqlstrata.private_names import sequences_of
from sqlstrata.sql_objects import key_of
from sqlstrata.sqlalchemy_versions import types_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from types import CodeType

    from sqlstrata.plan import Plan

_EARLY = frozenset({"before_create", "after_drop"})
"""The events before the first table is created and after the last is dropped."""
_DIGEST = re.compile(r"^Digest: (?P<digest>[0-9a-f]{12})\n", re.MULTILINE)


def path_of(plan: Plan, stage: str) -> Path:
    """The file of a frozen stage."""
    return plan.frozen / f"{stage}.py"


def digest(text: str) -> str:
    """The digest of a frozen file's text, independent of the digest in it."""
    return hashlib.sha256(_DIGEST.sub("", text.replace("\r\n", "\n"), count=1).encode()).hexdigest()[:12]


def signed(text: str) -> str:
    """The text with its own digest in it."""
    return _DIGEST.sub(f"Digest: {digest(text)}\n", text, count=1)


def is_frozen(text: str) -> bool:
    """Whether a text is that of a frozen file, edited or not."""
    return "Written by sqlstrata." in text and _DIGEST.search(text.replace("\r\n", "\n")) is not None


def is_unedited(text: str) -> bool:
    """Whether the digest in a frozen file's text is its own."""
    found = _DIGEST.search(text.replace("\r\n", "\n"))
    return found is not None and found["digest"] == digest(text)


def read(plan: Plan, index: int) -> str:
    """The text of a frozen stage's file. Raises WrongUse where there is none."""
    stage = plan.stages[index]
    path = path_of(plan, stage.name)
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        message = f"The frozen stage `{stage.name}` has no file {shown(path)}."
        hint = "Restore it, from version control for example."
        raise WrongUse(message, where=plan.where("stages", index, "frozen"), hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"The file cannot be read: {error}.", where=shown(path)) from error


# ------------------------------------------------------------------------ one file


@dataclass(frozen=True)
class Definition:
    """A statement of a frozen file that defines one table, type or sequence, or one DDL event of an object.

    kind is the kind of what it defines, name its name: a table's key, `type cor`, `view gastos`.
    """

    kind: str
    name: str
    code: CodeType
    path: Path
    namespace: dict[str, Any]

    def execute(self, metadata: sa.MetaData) -> None:
        """Define it in a MetaData. Raises WrongUse with the line."""
        self.namespace["metadata"] = metadata
        _run(self.code, self.path, self.namespace)


def definitions(text: str, path: Path) -> tuple[list[Definition], list[str]]:
    """What a frozen file defines, statement by statement, and the names of what it removes.

    Raises WrongUse with the line where it fails, or where it does not have what it must.
    """
    namespace: dict[str, Any] = {"__name__": f"frozen_{path.stem}", "__file__": str(path)}
    found: list[Definition] = []
    known: set[tuple[str, str]] = set()
    for node in _parsed(text, path).body:
        code = compile(ast.Module([node], type_ignores=[]), str(path), "exec", dont_inherit=True)
        _run(code, path, namespace)
        metadata = namespace.get("metadata")
        now = set(_defined(metadata)) if isinstance(metadata, sa.MetaData) else set()
        new = sorted(now - known, key=lambda each: _KINDS.index(each[0]))
        if new:  # a table brings the types and sequences of its columns with it
            found.append(Definition(*new[0], code, path, namespace))
        known = now
    gone = namespace.get("gone", [])
    if not isinstance(namespace.get("metadata"), sa.MetaData) or not isinstance(gone, list):
        message = "A frozen file defines `metadata`, a MetaData, and perhaps `gone`, a list of names."
        raise WrongUse(message, where=shown(path), hint=_REPAIR)
    return found, [str(each) for each in gone]


_KINDS = ("table", *EVENTS, "type", "sequence")


def _defined(metadata: sa.MetaData) -> Iterator[tuple[str, str]]:
    """Everything in a MetaData: its kind and name."""
    yield from (("table", key) for key in metadata.tables)
    for event in EVENTS:
        for number, ddl in enumerate(getattr(metadata.dispatch, event)):
            if isinstance(ddl, sa.DDL):
                yield event, f"{key_of(ddl.statement % {}, early=event in _EARLY)}\0{number}"
    yield from (("type", f"type {_name(each)}") for each in types_of(metadata) if isinstance(each, sa.types.SchemaType))
    yield from (("sequence", f"sequence {_name(each)}") for each in sequences_of(metadata))


def _name(element: sa.Sequence | sa.types.SchemaType) -> str:
    return str(element.name) if element.schema is None else f"{element.schema}.{element.name}"


def _parsed(text: str, path: Path) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:
        where = Where(shown(path), getattr(error, "lineno", 1) or 1, 1)
        raise WrongUse(f"The file is not Python: {error}.", where=where, hint=_REPAIR) from error


def _run(code: CodeType, path: Path, namespace: dict[str, Any]) -> None:
    try:
        exec(code, namespace)  # noqa: S102 - as importing the file would
    except Exception as error:
        frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == str(path)]
        where = Where(shown(path), frames[-1].lineno or 1 if frames else 1, 1)
        raise WrongUse(f"The file fails: {type(error).__name__}: {error}.", where=where, hint=_REPAIR) from error


_REPAIR = "Restore it, from version control for example."


# ------------------------------------------------------------------- one after another


class Accumulated:
    """What one frozen file after another defines, and the MetaData of all of it; extend is called with each new one."""

    def __init__(self, extend: Callable[[sa.MetaData], None]) -> None:
        self._extend = extend
        self._definitions: dict[str, list[Definition]] = {}
        self._metadata: sa.MetaData | None = None

    def add(self, text: str, path: Path) -> sa.MetaData:
        """Add what the next file defines, and give the MetaData of all, valid until the next is added.

        Tables that have not changed are the same objects as before, if no other table that they refer to has changed.
        Raises WrongUse where the file fails, and for a name in `gone` that does not exist.
        """
        found, gone = definitions(text, path)
        stale = {}
        for name in gone:
            if name not in self._definitions:
                raise WrongUse(f"`gone` names `{name}`, which does not exist before.", where=shown(path), hint=_REPAIR)
            stale[name] = self._definitions.pop(name)[0].kind
        new: dict[str, list[Definition]] = {}
        for each in found:
            name = each.name.partition("\0")[0]
            new.setdefault(name, []).append(each)
            stale[name] = each.kind
            if each.kind == "table":
                self._definitions.pop(name, None)
        self._definitions |= new
        metadata = self._metadata
        if metadata is None or not set(stale.values()) <= {"table"} or not self._renew(metadata, stale.keys()):
            metadata = self._metadata = self._whole()
        return metadata

    def _whole(self) -> sa.MetaData:
        """A new MetaData with everything; what is dropped is dropped in the opposite order."""
        made = sa.MetaData()
        listed = [each for definitions in self._definitions.values() for each in definitions]
        drops = [each for each in listed if each.kind.endswith("_drop")]
        for each in (*(each for each in listed if each not in drops), *reversed(drops)):
            each.execute(made)
        self._extend(made)
        return made

    def _renew(self, metadata: sa.MetaData, changed: Collection[str]) -> bool:
        """Have the MetaData hold new tables for these and for all that refer to them, if that is possible.

        It is not where they have types (enums) or sequences of their own, which would stay.
        """
        stale = set(changed)
        size = -1
        while size != (size := len(stale)):
            stale |= {key for key, table in metadata.tables.items() if not stale.isdisjoint(_targets(table))}
        old = [metadata.tables[key] for key in metadata.tables if key in stale]
        columns = [column for table in old for column in table.columns]
        if any(_is_registered(each.type) or isinstance(each.default, sa.Sequence) for each in columns):
            return False
        for table in old:
            metadata.remove(table)
        for name, definitions in self._definitions.items():
            if name in stale:
                definitions[0].execute(metadata)
        return True


def _is_registered(type_: sa.types.TypeEngine[Any]) -> bool:
    """Whether the MetaData knows a column's type by itself; of a Boolean only the table has a constraint."""
    return isinstance(type_, sa.types.SchemaType) and not isinstance(type_, sa.Boolean)


def _targets(table: sa.Table) -> Iterator[str]:
    """The keys of the tables that a table's foreign keys refer to."""
    return (key.target_fullname.rpartition(".")[0] for key in table.foreign_keys)
