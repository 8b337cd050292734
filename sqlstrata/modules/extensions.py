"""PostgreSQL's extensions that the models need, created by the models themselves: before anything else.

They are DDL events of the MetaData. So `create_all` creates them in every scratch database, and the first revision in
all others. As an extension that an event of the models creates, none is dropped on the way down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from sqlstrata.dialects import dialect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlstrata.plan.values import Extension


class Extensions:
    """The DDL of a plan's extensions."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        texts = dict.fromkeys(text for each in extensions for text in _statements(each))
        ddl: Any = sa.DDL  # is not annotated
        self._ddl = [ddl(text.replace("%", "%%")).execute_if(dialect="postgresql") for text in texts]

    def created_by(self, metadata: sa.MetaData) -> None:
        """Have create_all of a MetaData create the extensions first, if it does not yet."""
        made = metadata.dispatch.before_create
        if self._ddl and self._ddl[0] not in made:
            for each in reversed(self._ddl):
                sa.event.listen(metadata, "before_create", each, insert=True)


def _statements(extension: Extension) -> list[str]:
    quote = dialect("postgresql").identifier_preparer.quote
    text = f"CREATE EXTENSION IF NOT EXISTS {quote(extension.name)}"
    if extension.schema is None:
        return [text]
    schema = quote(extension.schema)
    # In a block, by which `sql_objects` knows that it is not dropped on the way down.
    return [f"DO $$BEGIN CREATE SCHEMA IF NOT EXISTS {schema}; END$$", f"{text} SCHEMA {schema}"]
