"""One revision: its text, and the id that is a hash of it."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlstrata.diff import Migration, Operation
from sqlstrata.plan import Sql, Stage
from sqlstrata.servers import DIALECTS, keys_of
from sqlstrata.source import Call, Source, call, items, laid_out, quoted

_MODULES = ("mysql", "postgresql", "sqlite")
# What of a text is no part of its digest: the docstring, the line with the id, and the layout inside brackets. Texts in
# quotes are kept as they are.
_DOCSTRING = re.compile(r'"""(?:[^"\\]|\\.)*"""\n', re.DOTALL)
_ID_LINE = re.compile(r'^revision = ".*"\n(?=down_revision = )', re.MULTILINE)
_OLDER_ID_LINES = re.compile(
    r'^Revision ID:.*\n(?=Revises:.*\n"""\n)|^revision = ".*"\n(?=down_revision = )', re.MULTILINE
)
_LAYOUT = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<=[(\[{,])\s+|,?\s+(?=[)\]}])|\s+(?=\.)""",
)


@dataclass(frozen=True)
class Revision:
    """A stage's revision file. The id depends on the parent's id and the code, or is that of a released stage."""

    stage: str
    message: str
    number: int
    parent: str | None
    text: str
    id: str
    changes: tuple[str, ...]
    fixed: bool = False
    """Whether the id is that of a released stage, and not the digest of what the stage does now."""

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
        downgrade = [call("op.irreversible", quoted("This stage cannot be undone (downgrade: false)."))]
    content = digest(_text(stage, parent, "", "", upgrade, downgrade))
    identity = stage.revision or content
    text = _text(stage, parent, identity, content, upgrade, downgrade)
    changes = (*up.changes, "data") if stage.upgrade or stage.downgrade_sql else up.changes
    return Revision(stage.name, stage.message, number, parent, text, identity, changes, fixed=identity != content)


def digest(text: str) -> str:
    """The digest of a revision's code: of what it does, and of the parent's id.

    Neither the docstring, which has the message and the stage's name, nor the revision's own id, nor the layout are
    part of it.
    """
    found = _ID_LINE.sub("", code(text), count=1)
    return hashlib.sha256(_LAYOUT.sub(r"\1", found).encode()).hexdigest()[:12]


def older_digest(text: str) -> str:
    """The id that older versions gave a text: a digest of all of it but the two lines with the id."""
    return hashlib.sha256(_OLDER_ID_LINES.sub("", text, count=2).encode()).hexdigest()[:12]


def does_the_same(text: str, other: str) -> bool:
    """Whether two revision files have the same code, but for its layout and comments. Both must be valid Python."""
    return ast.dump(ast.parse(code(text))) == ast.dump(ast.parse(code(other)))


def code(text: str) -> str:
    """A file's text without the docstring that it begins with."""
    docstring = _DOCSTRING.match(text)
    return text[docstring.end() :] if docstring else text


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


def _text(
    stage: Stage, parent: str | None, identity: str, content: str, upgrade: list[Source], downgrade: list[Source]
) -> str:
    """The file. The digest of its content stands beside an id that is not that digest."""
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
            *([f"Digest: {content}"] if content != identity else []),
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
