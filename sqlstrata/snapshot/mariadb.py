"""MariaDB: the texts of SHOW CREATE, which have all of a table, are compared.

A schema is a database there. A scratch database's schemas are scratch databases too, named by the connection's
`schema_translate_map`; in the texts they get their schemas' names back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.dialects import quoted
from sqlstrata.snapshot import tokens as sql
from sqlstrata.snapshot.tokens import Cursor, Token
from sqlstrata.snapshot.values import OURS, Element, Read, Thing, arranged, facts, key, split

_COLUMN_WORDS = frozenset(
    "CHARACTER COLLATE NOT DEFAULT AUTO_INCREMENT GENERATED ON COMMENT CHECK INVISIBLE COMPRESSED WITHOUT".split()
)
_PHRASES = {
    "CHARACTER": ("SET",),
    "NOT": ("NULL",),
    "GENERATED": ("ALWAYS", "AS"),
    "ON": ("UPDATE",),
    "WITHOUT": ("SYSTEM", "VERSIONING"),
}
_CALLED = {"GENERATED": "generated", "COLLATE": "collation"}
_INVENTED_CHECK = re.compile(r"(CONSTRAINT_)?\d+")
_DEFINER = re.compile(r" DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")


@dataclass(frozen=True, slots=True)
class _Database:
    """One database to read: the schema that it is, and the names to replace in its texts."""

    schema: str | None
    name: str
    spellings: tuple[tuple[str, str], ...]

    def worded(self, text: str) -> str:
        """The text with schemas' own names."""
        for real, name in self.spellings:
            text = text.replace(real, name)
        return text

    def unowned(self, text: str) -> str:
        """The text with schemas' own names, and without the user who made the view or routine."""
        return _DEFINER.sub("", self.worded(text), count=1)


def things(
    connection: sa.Connection, schemas: Sequence[str], tables: Collection[str] | None, read: Read
) -> dict[str, Thing]:
    """The things in the current database and in the schemas' databases."""
    found: dict[str, Thing] = {}
    for database in _databases(connection, schemas):
        names = None if tables is None else {n for s, n in (split(t, schemas) for t in tables) if s == database.schema}
        found |= {key(database.schema, name): thing for name, thing in _things(connection, database, names, read)}
    return found


def _databases(connection: sa.Connection, schemas: Sequence[str]) -> Iterator[_Database]:
    main = str(connection.exec_driver_sql("SELECT DATABASE()").scalar())
    translated = connection.get_execution_options().get("schema_translate_map", {})
    real = {schema: str(translated.get(schema, schema)) for schema in schemas}
    there = {row[0] for row in connection.exec_driver_sql("SHOW DATABASES")} if schemas else set()
    spellings = tuple((f"`{name}`.", f"`{schema}`.") for schema, name in real.items() if name != schema)
    yield _Database(None, main, spellings)
    for schema, name in real.items():
        if name in there:
            yield _Database(schema, name, ((f"`{main}`.", ""), *spellings))


def _things(
    connection: sa.Connection, database: _Database, names: Collection[str] | None, read: Read
) -> Iterator[tuple[str, Thing]]:
    kinds = {
        name: kind
        for name, kind in _rows(connection, f"SHOW FULL TABLES FROM {quoted(connection, database.name)}")
        if name not in OURS and (names is None or name in names)
    }
    triggers = _triggers(connection, database) if kinds else {}
    for name, kind in kinds.items():
        yield name, _thing(connection, database, name, kind, triggers.get(name, []), read)
    if names is None:
        yield from _routines(connection, database)
        yield from _events(connection, database)


def _rows(connection: sa.Connection, statement: str) -> Sequence[Sequence[str]]:
    return connection.exec_driver_sql(statement).all()


def _thing(
    connection: sa.Connection, database: _Database, name: str, kind: str, triggers: Sequence[Element], read: Read
) -> Thing:
    what = {"VIEW": "VIEW", "SEQUENCE": "SEQUENCE"}.get(kind, "TABLE")
    place = quoted(connection, database.name, name)
    text = _rows(connection, f"SHOW CREATE {what} {place}")[0][1]
    if what == "TABLE":
        worded = name, database.worded(text)
        if worded not in read:
            read[worded] = _table(*worded)
        table = read[worded]
        return Thing("table", table.facts, arranged([*table.elements, *triggers])) if triggers else table
    return Thing(what.lower(), facts(definition=database.unowned(text)))


def _triggers(connection: sa.Connection, database: _Database) -> dict[str, list[Element]]:
    found: dict[str, list[Element]] = {}
    triggers = connection.exec_driver_sql(f"SHOW TRIGGERS FROM {quoted(connection, database.name)}")
    for row in triggers.mappings():
        text = database.worded(f"{row['Timing']} {row['Event']} {row['Statement']}")
        found.setdefault(row["Table"], []).append(Element("trigger", row["Trigger"], facts=facts(definition=text)))
    return found


def _routines(connection: sa.Connection, database: _Database) -> Iterator[tuple[str, Thing]]:
    query = sa.text(
        "SELECT routine_type, routine_name FROM information_schema.routines"
        " WHERE routine_schema = :name AND routine_type IN ('FUNCTION', 'PROCEDURE')"
    )
    for kind, name in connection.execute(query, {"name": database.name}).all():
        place = quoted(connection, database.name, name)
        text = _rows(connection, f"SHOW CREATE {kind} {place}")[0][2]
        yield f"{name}()", Thing(kind.lower(), facts(definition=database.unowned(text or "")))


def _events(connection: sa.Connection, database: _Database) -> Iterator[tuple[str, Thing]]:
    query = sa.text(
        "SELECT event_name, concat_ws(' ', event_type, execute_at, interval_value, interval_field, starts, ends,"
        " status, on_completion), event_definition FROM information_schema.events WHERE event_schema = :name"
    )
    for name, schedule, text in connection.execute(query, {"name": database.name}).all():
        yield f"event {name}", Thing("event", facts(schedule=schedule, definition=database.worded(text)))


def _table(name: str, text: str) -> Thing:
    """A table, parsed from SHOW CREATE TABLE."""
    cursor = Cursor(sql.mariadb(text))
    cursor.until(frozenset("("))
    elements = [_element(name, text, part) for part in sql.split(cursor.group())]
    return Thing("table", _options(text, cursor.rest()), arranged(elements))


def _text(text: str, tokens: Sequence[Token]) -> str:
    return text[tokens[0].start : tokens[-1].end] if tokens else ""


def _options(text: str, tokens: Sequence[Token]) -> dict[str, str]:
    """ENGINE=InnoDB DEFAULT CHARSET=… COMMENT='…': by name. The counter of AUTO_INCREMENT depends on rows."""
    options: dict[str, str] = {}
    others: list[str] = []
    cursor = Cursor(tokens)
    while cursor and not cursor.sees("PARTITION"):
        cursor.skip("DEFAULT")
        token = cursor.take()
        if cursor.skip("="):
            options[token.value.lower()] = _text(text, [cursor.take()])
        else:
            others.append(token.value)
    options.pop("auto_increment", None)
    return options | facts(options=" ".join(others), partitions=_text(text, cursor.rest()))


def _element(table: str, text: str, part: Sequence[Token]) -> Element:
    cursor = Cursor(part)
    first = cursor.take()
    if first.kind == "name":
        return Element("column", first.value, facts=_column(text, cursor))
    if first.says("PRIMARY"):
        return Element("primary key", None, "", facts(definition=_text(text, part[2:])))
    if first.says("CONSTRAINT"):
        return _constraint(table, text, cursor)
    if cursor.skip("KEY") or first.says("KEY"):
        return _index(text, "" if first.says("KEY") else first.value.lower(), cursor)
    return Element("constraint", None, _text(text, part), facts(definition=_text(text, part)))


def _constraint(table: str, text: str, cursor: Cursor) -> Element:
    name = cursor.take().value
    definition = _text(text, cursor.rest())
    if definition.startswith("FOREIGN KEY "):
        invented = re.fullmatch(re.escape(table) + r"_ibfk_\d+|\d+", name)
        about = _reference(definition)
        return Element("foreign key", None if invented else name, about, facts(definition=definition[12:]))
    name_given = None if _INVENTED_CHECK.fullmatch(name) else name
    about = definition.removeprefix("CHECK ")
    return Element("check", name_given, about, facts(definition=about))


def _reference(definition: str) -> str:
    """(`a`) REFERENCES `t` (`b`) ON DELETE …: `(a) -> t(b)`."""
    match = re.match(r"FOREIGN KEY (\(.*?\)) REFERENCES (.*?) (\(.*?\))(?: ON|$)", definition)
    columns, target, theirs = match.groups() if match else (definition, "", "")
    return f"{columns} -> {target}{theirs}".replace("`", "")


def _index(text: str, sort: str, cursor: Cursor) -> Element:
    name = cursor.take().value
    rest = cursor.rest()
    first = rest[1].value if len(rest) > 1 else ""
    invented = re.fullmatch(re.escape(first) + r"(_\d+)?", name)
    kind, sort = ("unique", "") if sort == "unique" else ("index", sort)
    definition = f"{sort} {_text(text, rest)}".strip()
    return Element(kind, None if invented else name, definition.replace("`", ""), facts(definition=definition))


def _column(text: str, cursor: Cursor) -> dict[str, str]:
    """A column's definition, split at its keywords with nothing left out; DEFAULT NULL is the same as none."""
    parts = {"type": _text(text, cursor.until(_COLUMN_WORDS))}
    while cursor:
        words = [cursor.take().value.upper()]
        words += [word for word in _PHRASES.get(words[0], ()) if cursor.skip(word)]
        name = _CALLED.get(words[0], " ".join(words).lower())
        value = _text(text, cursor.until(_COLUMN_WORDS)) or "yes"
        parts[name] = f"{parts[name]} {value}" if name in parts else value
    return {name: value for name, value in parts.items() if (name, value) != ("default", "NULL")}
