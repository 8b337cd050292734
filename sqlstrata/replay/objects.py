"""What a database has besides tables, as DDL events of its MetaData: views, functions, triggers, types, policies.

Their definitions are the server's own. The events are in an order in which the objects can be created.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from sqlstrata.dialects import quoted

Event = tuple[str, str]
"""When it is executed, before or after the tables are created or dropped, and the statement."""


def objects(connection: sa.Connection) -> Iterator[Event]:
    """Give the statements that create them, read from the catalogue."""
    kind = {"sqlite": _sqlite, "postgresql": _postgresql}.get(connection.dialect.name, _mariadb)
    yield from kind(connection)


def add(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Have create_all of a MetaData that was reflected create them, too."""
    for event, text in objects(connection):
        made: Any = sa.DDL  # is not annotated
        sa.event.listen(metadata, event, made(text.replace("%", "%%")))


def _sqlite(connection: sa.Connection) -> Iterator[Event]:
    query = "SELECT sql FROM sqlite_master WHERE type IN ('view', 'trigger') ORDER BY type = 'trigger', rowid"
    yield from (("after_create", str(text)) for text in connection.exec_driver_sql(query).scalars())


# ------------------------------------------------ PostgreSQL

_NOT_OF_EXTENSION = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = {}.oid AND d.deptype = 'e')"
_OURS = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"

_EXTENSIONS = "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY oid"
_TYPES = f"""
    SELECT t.oid::regtype::text, string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', '
                                            ORDER BY a.attnum)
    FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
    JOIN pg_namespace n ON n.oid = t.typnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE {_OURS} AND {_NOT_OF_EXTENSION.format("t")} GROUP BY t.oid ORDER BY t.oid
"""
_DOMAINS = f"""
    SELECT t.oid::regtype::text, format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault,
           (SELECT string_agg(' CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid), ''
                              ORDER BY oid)
            FROM pg_constraint WHERE contypid = t.oid AND contype = 'c')
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype = 'd' AND {_OURS} AND {_NOT_OF_EXTENSION.format("t")} ORDER BY t.oid
"""
_FUNCTIONS = f"""
    SELECT pg_get_functiondef(p.oid), l.lanname = 'sql'
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
    WHERE p.prokind IN ('f', 'p') AND {_OURS} AND {_NOT_OF_EXTENSION.format("p")} ORDER BY p.oid
"""
_VIEWS = f"""
    SELECT c.oid::regclass::text, c.relkind::text, pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND {_OURS} AND {_NOT_OF_EXTENSION.format("c")} ORDER BY c.oid
"""
_VIEW_INDEXES = f"""
    SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND {_OURS} ORDER BY i.indexrelid
"""
_TRIGGERS = f"""
    SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND {_OURS} ORDER BY t.oid
"""
_RULES = f"""
    SELECT pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND {_OURS} ORDER BY r.oid
"""
_SECURED = f"""
    SELECT c.oid::regclass::text, c.relforcerowsecurity FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relrowsecurity AND {_OURS} ORDER BY c.oid
"""
_POLICIES = f"""
    SELECT quote_ident(p.polname), c.oid::regclass::text, p.polpermissive,
           CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
           ELSE 'ALL' END,
           (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ')
            FROM unnest(p.polroles) r),
           pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_OURS} ORDER BY p.oid
"""


def _postgresql(connection: sa.Connection) -> Iterator[Event]:
    before, after = "before_create", "after_create"

    def rows(query: str) -> Iterator[tuple[str, ...]]:
        yield from (tuple(row) for row in connection.exec_driver_sql(query.replace("%", "%%")))

    for (name,) in rows(_EXTENSIONS):
        yield before, f"CREATE EXTENSION IF NOT EXISTS {quoted(connection, name)}"
    for name, attributes in rows(_TYPES):
        yield before, f"CREATE TYPE {name} AS ({attributes})"
    for name, base, required, default, checks in rows(_DOMAINS):
        parts = (f" DEFAULT {default}" if default else "", " NOT NULL" if required else "", checks or "")
        yield before, f"CREATE DOMAIN {name} AS {base}{''.join(parts)}"
    functions = [(text.strip(), is_sql) for text, is_sql in rows(_FUNCTIONS)]
    yield from ((before, text) for text, is_sql in functions if not is_sql)
    yield from ((after, text) for text, is_sql in functions if is_sql)  # whose bodies are checked when it is created
    for name, kind, text in rows(_VIEWS):
        words = "VIEW" if kind == "v" else "MATERIALIZED VIEW"
        yield after, f"CREATE {words} {name} AS {text.strip().rstrip(';')}"
    for query in (_VIEW_INDEXES, _RULES, _TRIGGERS):
        yield from ((after, text.rstrip(";")) for (text,) in rows(query))
    for name, forced in rows(_SECURED):
        for word, back in (("ENABLE", "DISABLE"), ("FORCE", "NO FORCE"))[: 1 + bool(forced)]:
            yield after, f"ALTER TABLE {name} {word} ROW LEVEL SECURITY"
            yield "before_drop", f"ALTER TABLE {name} {back} ROW LEVEL SECURITY"
    for name, table, permissive, command, roles, using, checked in rows(_POLICIES):
        text = f"CREATE POLICY {name} ON {table}{'' if permissive else ' AS RESTRICTIVE'} FOR {command} TO {roles}"
        text += f" USING ({using})" if using else ""
        yield after, text + (f" WITH CHECK ({checked})" if checked else "")


def add_sequences(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Add PostgreSQL's sequences that belong to no column."""
    if connection.dialect.name != "postgresql":
        return
    default = connection.dialect.default_schema_name
    for schema, name, start, increment, least, most, cycle, cache in connection.exec_driver_sql(_SEQUENCES):
        options = {"start": start, "increment": None if increment == 1 else increment, "cycle": cycle or None}
        options |= {"cache": None if cache == 1 else cache}
        if increment > 0:
            options |= {"minvalue": None if least == 1 else least, "maxvalue": None if most == 2**63 - 1 else most}
        else:
            options |= {"minvalue": None if least == -(2**63) else least, "maxvalue": None if most == -1 else most}
        sa.Sequence(name, schema=None if schema == default else schema, metadata=metadata, **options)


_SEQUENCES = f"""
    SELECT n.nspname, c.relname, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle, s.seqcache
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_OURS.replace("%", "%%")} AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i', 'e')
    )
    ORDER BY c.oid
"""


# ------------------------------------------------ MariaDB


def _mariadb(connection: sa.Connection) -> Iterator[Event]:
    database = connection.exec_driver_sql("SELECT DATABASE()").scalar_one()

    def names(query: str) -> list[str]:
        return [str(each) for each in connection.exec_driver_sql(query).scalars()]

    def shown(what: str, name: str, place: int) -> str:
        text = str(connection.exec_driver_sql(f"SHOW CREATE {what} {quoted(connection, name)}").one()[place])
        head, _, rest = text.partition(f" {what} ")
        own = f"{quoted(connection, str(database))}."
        return f"CREATE {what} {rest}".replace(own, "") if head.startswith("CREATE") else text

    routines = (
        "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_type = "
    )
    for what in ("FUNCTION", "PROCEDURE"):
        for name in names(f"{routines}'{what}' ORDER BY routine_name"):
            yield "before_create", shown(what, name, 2)
    views = "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE() ORDER BY table_name"
    for name in names(views):
        yield "after_create", shown("VIEW", name, 1)
    triggers = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY 1"
    for name in names(triggers):
        yield "after_create", shown("TRIGGER", name, 2)
