"""MariaDB: schemas' names in SQL texts, replaced by those of their scratch databases.

`schema_translate_map` alone is not enough: Alembic's operations and hand-written SQL do not use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from sqlstrata.snapshot.tokens import Token
from sqlstrata.snapshot.tokens import mariadb as tokens


def translate_schemas(engine: sa.Engine, schemas: Mapping[str, str]) -> None:
    """Have an engine translate every statement before it is sent."""

    @sa.event.listens_for(engine, "before_cursor_execute", retval=True)
    def _translate(
        _connection: object, _cursor: object, statement: str, parameters: object, _context: object, _many: object
    ) -> tuple[str, object]:
        return translated(statement, schemas), parameters


def translated(statement: str, schemas: Mapping[str, str]) -> str:
    """The statement with schemas' names replaced before a dot, or after SCHEMA, DATABASE or USE.

    A table or alias with a schema's name is taken for the schema: such a statement fails, and does no harm.
    """
    if not any(schema in statement for schema in schemas):
        return statement
    found = tokens(statement)
    pieces, place = [], 0
    for number, token in enumerate(found):
        if token.kind in {"name", "word"} and token.value in schemas and _is_schema(found, number):
            pieces += [statement[place : token.start], f"`{schemas[token.value]}`"]
            place = token.end
    return "".join([*pieces, statement[place:]])


def _is_schema(found: Sequence[Token], number: int) -> bool:
    before = next((t for t in reversed(found[:number]) if not t.says("IF", "NOT", "EXISTS")), None)
    if before is not None and before.says("SCHEMA", "DATABASE", "USE"):
        return True
    first = number == 0 or not found[number - 1].says(".")
    return first and number + 1 < len(found) and found[number + 1].says(".")
