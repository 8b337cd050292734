"""SQLite: the texts of sqlite_master, which are its whole catalogue, are compared token by token.

ALTER TABLE edits these texts (ADD COLUMN inserts the user's text, RENAME quotes names), so spelling, quotes, comments
and the order of columns are normalized first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import sqlalchemy as sa

from sqlstrata.dialects import quoted
from sqlstrata.snapshot import tokens as sql
from sqlstrata.snapshot.tokens import Cursor, Token
from sqlstrata.snapshot.values import OURS, Element, Read, Thing, arranged, facts, key
from sqlstrata.snapshot.values import split as split_key

_COLUMN_WORDS = frozenset("CONSTRAINT PRIMARY NOT NULL UNIQUE CHECK DEFAULT COLLATE REFERENCES GENERATED AS".split())
_TABLE_WORDS = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
_SILENT = frozenset({"on delete no action", "on update no action", "not deferrable", "initially immediate"})

Row = tuple[str, str, str]


def things(
    connection: sa.Connection, schemas: Sequence[str], tables: Collection[str] | None, read: Read
) -> dict[str, Thing]:
    """The things in the main database and in those attached under the schemas' names."""
    found: dict[str, Thing] = {}
    for schema in (None, *_attached(connection, schemas)):
        names = None if tables is None else [name for s, name in (split_key(t, schemas) for t in tables) if s == schema]
        for name, rows in _rows(connection, schema, names).items():
            texts = tuple(sorted(rows))
            if texts not in read:
                read[texts] = _thing(texts)
            found[key(schema, name)] = read[texts]
    return found


def _attached(connection: sa.Connection, schemas: Sequence[str]) -> list[str]:
    if not schemas:
        return []
    there = {row.name for row in connection.exec_driver_sql("PRAGMA database_list")}
    return [schema for schema in schemas if schema in there]


def _rows(connection: sa.Connection, schema: str | None, names: Collection[str] | None) -> dict[str, list[Row]]:
    """The rows of sqlite_master by the table or view that they belong to."""
    master = quoted(connection, schema, "sqlite_master")
    of_them = "" if names is None else f"tbl_name IN ({', '.join('?' * len(names))}) AND "
    query = f"SELECT type, name, tbl_name, sql FROM {master} WHERE {of_them}sql IS NOT NULL"
    grouped: dict[str, list[Row]] = {}
    for kind, name, table, text in connection.exec_driver_sql(query, tuple(names or ())):
        if table not in OURS and not table.startswith("sqlite_"):
            grouped.setdefault(table, []).append((kind, name, text))
    return grouped


def _thing(rows: tuple[Row, ...]) -> Thing:
    """A table or view with its indexes and triggers."""
    kind, _, text = next(row for row in rows if row[0] in {"table", "view"})
    parts = [_part(*row) for row in rows if row[0] in {"index", "trigger"}]
    if kind == "view":
        return Thing("view", {"definition": sql.spelled(sql.sqlite(text))}, arranged(parts))
    described = sql.sqlite(text)
    if described[1].says("VIRTUAL"):
        return Thing("table", {"virtual": sql.spelled(described)}, arranged(parts))
    cursor = Cursor(described)
    cursor.until(frozenset("("))
    elements = [element for part in sql.split(cursor.group()) for element in _described(part)]
    options = {sql.spelled(option): "yes" for option in sql.split(cursor.rest())}
    return Thing("table", options, arranged([*elements, *parts]))


def _part(kind: str, name: str, text: str) -> Element:
    tokens = sql.sqlite(text)
    if kind == "trigger":
        return Element("trigger", name, facts=facts(definition=sql.spelled(tokens)))
    cursor = Cursor(tokens)
    cursor.skip("CREATE")
    unique = "unique " if cursor.skip("UNIQUE") else ""
    cursor.until(frozenset("("))
    columns = _list(cursor.group())
    where = " where " if cursor.skip("WHERE") else ""
    definition = f"{unique}{columns}{where}{sql.spelled(sql.bare(cursor.rest()))}"
    return Element("index", name, definition, facts(definition=definition))


def _list(tokens: Sequence[Token]) -> str:
    """Columns or expressions in parentheses, without ASC, which is the default."""
    parts = [part[:-1] if part[-1].says("ASC") else part for part in sql.split(tokens)]
    return f"({', '.join(sql.spelled(part) for part in parts)})"


def _described(part: Sequence[Token]) -> Iterator[Element]:
    """The elements in one part of CREATE TABLE's list: a column with its constraints, or constraints."""
    cursor = Cursor(part)
    if not cursor.sees_one(_TABLE_WORDS):
        yield from _column(cursor)
        return
    while cursor:  # the commas between table constraints may be left out
        name = cursor.take().value if cursor.skip("CONSTRAINT") else None
        element = _constraint(cursor, name, None)
        if element is None:
            yield Element("constraint", name, facts=facts(definition=sql.spelled(cursor.rest())))
        else:
            yield element


def _constraint(cursor: Cursor, name: str | None, column: Token | None) -> Element | None:
    """The constraint that starts here, of a table or of one column; None where there is none."""
    own = (column,) if column else ()
    if cursor.skip("CHECK"):
        text = sql.spelled(sql.bare(cursor.group()))
        return Element("check", name, text, facts(definition=text))
    if cursor.skip("PRIMARY", "KEY"):
        columns = _list(own or cursor.group())
        columns += " desc" if cursor.skip("DESC") else ""  # of a column, and then it is no alias of the rowid
        cursor.skip("ASC")
        return Element("primary key", name, "", facts(definition=columns + _conflict(cursor)))
    if cursor.skip("UNIQUE"):
        columns = _list(own or cursor.group())
        return Element("unique", name, columns, facts(definition=columns + _conflict(cursor)))
    if column is None and not cursor.skip("FOREIGN", "KEY"):
        return None
    columns = _list(own or cursor.group())
    return _reference(cursor, name, columns) if cursor.skip("REFERENCES") else None


def _conflict(cursor: Cursor) -> str:
    return f" on conflict {cursor.take().value.lower()}" if cursor.skip("ON", "CONFLICT") else ""


def _reference(cursor: Cursor, name: str | None, columns: str) -> Element:
    target = sql.spelled([cursor.take()])
    target += _list(cursor.group()) if cursor.sees("(") else ""
    about = f"{columns} -> {target}"
    options = sorted(option for option in _options(cursor) if option not in _SILENT)
    return Element("foreign key", name, about, facts(definition=" ".join([about, *options])))


def _options(cursor: Cursor) -> Iterator[str]:
    while cursor:
        start = cursor.place
        if cursor.skip("ON"):
            cursor.take()
            if cursor.take().says("SET", "NO"):
                cursor.take()
        elif cursor.skip("MATCH") or cursor.skip("INITIALLY"):
            cursor.take()
        elif not cursor.skip("NOT", "DEFERRABLE") and not cursor.skip("DEFERRABLE"):
            return
        yield sql.spelled(cursor.tokens[start : cursor.place])


def _column(cursor: Cursor) -> Iterator[Element]:
    column = cursor.take()
    found: dict[str, str | bool | None] = {"type": sql.spelled(cursor.until(_COLUMN_WORDS)).upper()}
    while cursor:
        name = cursor.take().value if cursor.skip("CONSTRAINT") else None
        if not _property(cursor, found):
            constraint = _constraint(cursor, name, column)
            if constraint is None:
                found["rest"] = sql.spelled(cursor.rest())
            else:
                yield constraint
            found["autoincrement"] = cursor.skip("AUTOINCREMENT") or found.get("autoincrement")
    yield Element("column", column.value, facts=facts(**found))


def _property(cursor: Cursor, found: dict[str, str | bool | None]) -> bool:
    """Read one property of a column into `found`; False where a constraint or something unknown comes."""
    if cursor.skip("NOT", "NULL"):
        found["not null"] = "yes" + _conflict(cursor)
    elif cursor.skip("NULL"):
        _conflict(cursor)
    elif cursor.skip("DEFAULT"):
        found["default"] = _default(cursor)
    elif cursor.skip("COLLATE"):
        found["collation"] = cursor.take().value.upper()
    elif cursor.skip("GENERATED", "ALWAYS", "AS") or cursor.skip("AS"):
        found["generated"] = sql.spelled(sql.bare(cursor.group()))
        found["stored"] = cursor.skip("STORED") or (cursor.skip("VIRTUAL") and False)
    else:
        return False
    return True


_CONSTANTS = ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "TRUE", "FALSE", "NULL")
"""The words that are defaults with or without parentheses."""


def _default(cursor: Cursor) -> str | None:
    """A default's text; a constant in parentheses is that constant, and NULL is no default."""
    if cursor.sees("("):
        inner = sql.bare(cursor.group())
        unsigned = inner[1:] if inner[0].says("-", "+") else inner
        is_constant = len(unsigned) == 1 and (unsigned[0].kind in {"text", "number"} or inner[0].says(*_CONSTANTS))
        text = "".join(sql.spelled([each]) for each in inner) if is_constant else f"({sql.spelled(inner)})"
    else:
        sign = cursor.take().value if cursor.sees("-") or cursor.sees("+") else ""
        text = sign + sql.spelled([cursor.take()])
    return None if text == "null" else text
