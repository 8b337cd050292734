"""One revision: its text, and the id that is a hash of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlstrata.diff import Migration, Operation
from sqlstrata.plan import Sql, Stage
from sqlstrata.servers import DIALECTS, keys_of
from sqlstrata.source import Call, Source, call, items, laid_out, quoted

_MODULES = ("mysql", "postgresql", "sqlite")
# The two lines with the id: one in the docstring, and the assignment. No message can look like them, because it cannot
# end the docstring.
_ID_LINES = re.compile(r'^Revision ID:.*\n(?=Revises:.*\n"""\n)|^revision = ".*"\n(?=down_revision = )', re.MULTILINE)


@dataclass(frozen=True)
class Revision:
    """A stage's revision file. The id depends on the parent's id and the text, on nothing else."""

    stage: str
    message: str
    number: int
    parent: str | None
    text: str
    id: str
    changes: tuple[str, ...]

    @property
    def filename(self) -> str:
        """`0001_usuario.py`."""
        return f"{self.number:04}_{self.stage}.py"


def make(
    stage: Stage,
    number: int,
    parent: str | None,
    up: Migration,
    down: Migration,
    dialects: Collection[str] = DIALECTS,
) -> Revision:
    """The revision of a stage, given its upgrade and downgrade, and SQLAlchemy's names for the servers."""
    keys = keys_of(dialects)
    upgrade = [*_sources(up.operations), *_data(stage.upgrade, keys), *_sources(up.beyond_data)]
    if stage.reversible:
        downgrade = [*_sources(down.beyond_data), *_data(stage.downgrade_sql, keys), *_sources(down.operations)]
    else:
        downgrade = [call("op.irreversible", quoted(f"Stage {stage.name} cannot be undone (downgrade: false)."))]
    identity = digest(_text(stage, parent, "", upgrade, downgrade))
    text = _text(stage, parent, identity, upgrade, downgrade)
    changes = (*up.changes, "data") if stage.upgrade or stage.downgrade_sql else up.changes
    return Revision(stage.name, stage.message, number, parent, text, identity, changes)


def digest(text: str) -> str:
    """The id of a revision's text, independent of the id in it. The parent's id is part of the text."""
    return hashlib.sha256(_ID_LINES.sub("", text, count=2).encode()).hexdigest()[:12]


def _sources(operations: Iterable[Operation]) -> list[Source]:
    return [operation.source for operation in operations]


def _data(sql: Sql, keys: Sequence[str]) -> list[Source]:
    """The stage's own SQL, which runs after the schema has changed (on the way down, before)."""
    given = sql.given(keys)
    if not given:
        return []
    default = given.pop("default", None) or (given.pop(keys[0]) if len(keys) == 1 else None)
    arguments = () if default is None else (_statements(default),)
    return [Call("op.run_sql", arguments, tuple((name, _statements(texts)) for name, texts in given.items()))]


def _statements(texts: Sequence[str]) -> Source:
    return quoted(texts[0]) if len(texts) == 1 else items("[]", map(quoted, texts))


def _text(stage: Stage, parent: str | None, identity: str, upgrade: list[Source], downgrade: list[Source]) -> str:
    bodies = [_body(upgrade), _body(downgrade)]
    written = "\n".join(bodies)
    modules = [name for name in _MODULES if re.search(rf"(?<![\w.\"]){name}\.[A-Z]", written)]
    imports = ["import sqlalchemy as sa"] if re.search(r"(?<![\w.\"])sa\.", written) else []
    imports.append("from alembic import op")
    if modules:
        imports.append(f"from sqlalchemy.dialects import {', '.join(modules)}")
    message = stage.message.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        [
            f'"""{message}\n',
            f"Stage: {stage.name}",
            f"Revision ID: {identity}",
            f"Revises: {parent}" if parent else "Revises:",
            '"""\n',
            *imports,
            "",
            f"revision = {quoted(identity)}",
            f"down_revision = {quoted(parent)}",
            "branch_labels = None",
            "depends_on = None",
            "\n",
            f"def upgrade() -> None:\n{bodies[0]}",
            "\n",
            f"def downgrade() -> None:\n{bodies[1]}",
            "",
        ]
    )


def _body(operations: Iterable[Source]) -> str:
    lines = ["    " + laid_out(operation, 4) for operation in operations]
    return "\n".join(lines) if lines else "    pass"
