"""PostgreSQL: its catalogue, as text (`format_type`, `pg_get_expr`, `pg_get_constraintdef`, …).

A fixed number of queries, however many tables there are; with names given, all use object ids and indexes.
With the search path set to the default schema alone, names in it are bare and all others qualified.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby

import sqlalchemy as sa

from sqlstrata.snapshot.values import OURS, Element, Read, Thing, arranged, facts, key, split

_NAME_BYTES = 63  # NAMEDATALEN - 1

_PLACE = sa.text("SELECT coalesce(current_schema(), 'public') AS schema, current_setting('search_path') AS path")
_NARROW = sa.text("SELECT set_config('search_path', quote_ident(:schema), true)")
_RESTORE = sa.text("SELECT set_config('search_path', :path, true)")

_RELATIONS = sa.text("""
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
           c.relpersistence::text AS persistence, array_to_string(c.reloptions, ', ') AS options,
           obj_description(c.oid, 'pg_class') AS comment, pg_get_partkeydef(c.oid) AS partition_by,
           pg_get_expr(c.relpartbound, c.oid) AS partition_of, am.amname AS access_method,
           (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace) AS tablespace,
           (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
            FROM pg_inherits WHERE inhrelid = c.oid) AS inherits,
           NULLIF(c.reloftype, 0)::regtype::text AS of_type, NULLIF(c.relreplident::text, 'd') AS replica_identity,
           c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced_row_security, c.relacl::text AS privileges,
           CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am am ON am.oid = c.relam
    WHERE n.nspname = ANY(CAST(:schemas AS text[])) AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
      AND (CAST(:names AS text[]) IS NULL OR c.relname = ANY(CAST(:names AS text[])))
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
""")

# Some servers give every column the option pg_attver=<number>, another one for each table that is created. No DDL sets
# it, and it is no part of the schema: it alone is left out, all other options of a column are compared.
_COLUMNS = sa.text(r"""
    SELECT a.attrelid AS relation, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           a.attnotnull AS not_null, NULLIF(a.attidentity::text, '') AS identity,
           NULLIF(a.attgenerated::text, '') AS generated,
           pg_get_expr(d.adbin, d.adrelid) AS default, col_description(a.attrelid, a.attnum) AS comment,
           CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END AS collation,
           CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END AS storage,
           NULLIF(a.attcompression::text, '') AS compression, NULLIF(a.attstattarget, -1)::text AS statistics,
           (SELECT string_agg(o, ', ' ORDER BY o)
            FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg\_attver=%') AS options,
           a.attacl::text AS privileges,
           NOT a.attislocal AS inherited
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ANY(CAST(:relations AS oid[])) AND a.attnum > 0 AND NOT a.attisdropped
""")

_CONSTRAINTS = sa.text("""
    SELECT c.conrelid AS relation, c.conname AS name, c.contype::text AS kind,
           pg_get_constraintdef(c.oid) AS definition, obj_description(c.oid, 'pg_constraint') AS comment,
           c.confrelid::regclass::text AS target,
           ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(n, place)
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.place) AS columns,
           ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(n, place)
                 JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.place) AS targets,
           ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = NULLIF(c.conindid, 0)
                 AND c.contype IN ('u', 'x') ORDER BY attnum) AS indexed,
           (SELECT spcname FROM pg_class i JOIN pg_tablespace s ON s.oid = i.reltablespace
            WHERE i.oid = c.conindid AND c.contype IN ('p', 'u', 'x')) AS tablespace
    FROM pg_constraint c
    WHERE c.conrelid = ANY(CAST(:relations AS oid[])) AND c.contype IN ('p', 'u', 'f', 'c', 'x') AND c.conparentid = 0
""")

_PARTS = sa.text("""
    SELECT i.indrelid AS relation, 'index' AS kind, c.relname AS name, pg_get_indexdef(c.oid) AS definition,
           obj_description(c.oid, 'pg_class') AS comment,
           concat_ws(', ', CASE WHEN NOT i.indisvalid THEN 'invalid' END,
                     CASE WHEN i.indisclustered THEN 'clustered' END,
                     CASE WHEN i.indisreplident THEN 'replica identity' END,
                     (SELECT 'tablespace ' || spcname FROM pg_tablespace WHERE oid = c.reltablespace)) AS state
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = ANY(CAST(:relations AS oid[]))
      AND NOT EXISTS (SELECT FROM pg_constraint k
                      WHERE k.conrelid = i.indrelid AND k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT tgrelid, 'trigger', tgname, pg_get_triggerdef(oid, true), obj_description(oid, 'pg_trigger'),
           CASE tgenabled WHEN 'O' THEN '' ELSE 'enabled ' || tgenabled::text END
    FROM pg_trigger WHERE tgrelid = ANY(CAST(:relations AS oid[])) AND NOT tgisinternal
    UNION ALL
    SELECT ev_class, 'rule', rulename, pg_get_ruledef(oid, true), obj_description(oid, 'pg_rewrite'),
           CASE ev_enabled WHEN 'O' THEN '' ELSE 'enabled ' || ev_enabled::text END
    FROM pg_rewrite WHERE ev_class = ANY(CAST(:relations AS oid[])) AND rulename <> '_RETURN'
    UNION ALL
    SELECT polrelid, 'policy', polname,
           concat_ws(' ', CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END, polcmd::text,
                     'to ' || ARRAY(SELECT r::regrole::text FROM unnest(polroles) r ORDER BY 1)::text,
                     'using ' || pg_get_expr(polqual, polrelid), 'with check ' || pg_get_expr(polwithcheck, polrelid)),
           obj_description(oid, 'pg_policy'), ''
    FROM pg_policy WHERE polrelid = ANY(CAST(:relations AS oid[]))
    UNION ALL
    SELECT stxrelid, 'statistics', stxname, pg_get_statisticsobjdef(oid), obj_description(oid, 'pg_statistic_ext'),
           NULLIF(stxstattarget, -1)::text
    FROM pg_statistic_ext WHERE stxrelid = ANY(CAST(:relations AS oid[]))
""")

# A sequence that belongs to a column is found by the table, any other by itself.
_SEQUENCES = sa.text("""
    SELECT s.seqrelid AS oid, d.refobjid AS relation, a.attname AS column, d.deptype::text AS owned, c.relname AS name,
           c.oid::regclass::text AS spelled, format_type(s.seqtypid, NULL) AS type, s.seqstart AS start,
           s.seqincrement AS increment, s.seqmin AS minimum, s.seqmax AS maximum, s.seqcache AS cache,
           s.seqcycle AS cycle
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
         LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
              AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
         LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE s.seqrelid = ANY(CAST(:relations AS oid[]) || ARRAY(
        SELECT objid FROM pg_depend
        WHERE refclassid = 'pg_class'::regclass AND refobjid = ANY(CAST(:relations AS oid[]))
          AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')))
""")

_TYPES = sa.text("""
    SELECT n.nspname AS schema, t.typname AS name, t.typtype::text AS kind,
           obj_description(t.oid, 'pg_type') AS comment,
           (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
            FROM pg_enum WHERE enumtypid = t.oid) AS labels,
           CASE WHEN t.typbasetype <> 0 THEN format_type(t.typbasetype, t.typtypmod) END AS type,
           t.typnotnull AS not_null, t.typdefault AS default,
           CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation THEN t.typcollation::regcollation::text END
               AS collation,
           (SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), ', ' ORDER BY conname)
            FROM pg_constraint WHERE contypid = t.oid AND contype <> 'n') AS checks,
           (SELECT concat_ws(' ', rngsubtype::regtype, rngsubopc, NULLIF(rngcollation, 0)::regcollation,
                             NULLIF(rngcanonical, 0), NULLIF(rngsubdiff, 0))
            FROM pg_range WHERE rngtypid = t.oid) AS range
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_type b ON b.oid = t.typbasetype
    WHERE n.nspname = ANY(CAST(:schemas AS text[])) AND t.typtype IN ('e', 'd', 'r')
      AND (CAST(:names AS text[]) IS NULL OR t.typname = ANY(CAST(:names AS text[])))
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
""")

_FUNCTIONS = sa.text("""
    SELECT n.nspname AS schema, p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
           p.prokind::text AS kind, obj_description(p.oid, 'pg_proc') AS comment,
           CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid)
                ELSE (SELECT concat_ws(' ', aggtransfn, aggtranstype::regtype, NULLIF(aggfinalfn::oid, 0)::regproc,
                                       agginitval,
                                       NULLIF(aggcombinefn::oid, 0)::regproc)
                      FROM pg_aggregate WHERE aggfnoid = p.oid) END AS definition
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = ANY(CAST(:schemas AS text[]))
      AND (CAST(:names AS text[]) IS NULL OR p.proname = ANY(CAST(:names AS text[])))
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
""")

_EXTENSIONS = sa.text("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'")  # that one is everywhere

_KINDS = {"r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view", "c": "type"}
_CONSTRAINT_KINDS = {"p": "primary key", "u": "unique", "f": "foreign key", "c": "check", "x": "exclude"}
_SUFFIXES = {"p": "pkey", "u": "key", "f": "fkey", "c": "check", "x": "excl"}

Row = sa.RowMapping


def things(
    connection: sa.Connection, schemas: Sequence[str], tables: Collection[str] | None, _: Read
) -> dict[str, Thing]:
    """The things in the default schema and in `schemas`."""
    place = connection.execute(_PLACE).one()
    connection.execute(_NARROW, {"schema": place.schema})
    found = _read(connection, _Names(place.schema, schemas, tables))
    connection.execute(_RESTORE, {"path": place.path})
    return found


class _Names:
    """The names to read, and the keys that they get."""

    def __init__(self, main: str, schemas: Sequence[str], tables: Collection[str] | None) -> None:
        self.main = main
        self.tables = None if tables is None else frozenset(tables)
        names = None if tables is None else [split(table, schemas)[1] for table in tables]
        self.parameters = {"schemas": [main, *schemas], "names": names}

    def key(self, row: Row) -> str | None:
        """The key for a row; None where it is not to be read."""
        name = key(None if row["schema"] == self.main else row["schema"], row["name"])
        return name if row["name"] not in OURS and (self.tables is None or name in self.tables) else None


def _read(connection: sa.Connection, names: _Names) -> dict[str, Thing]:
    def rows(query: sa.TextClause, **parameters: object) -> Sequence[Row]:
        return connection.execute(query, parameters).mappings().all()

    relations = {row["oid"]: row for row in rows(_RELATIONS, **names.parameters) if names.key(row)}
    elements: dict[int, list[Element]] = {oid: [] for oid, row in relations.items() if row["kind"] in _KINDS}
    found: dict[str, Thing] = {}
    if relations:
        asked = {"relations": list(elements)}
        sequences = rows(_SEQUENCES, relations=list(relations))
        own = {(row["relation"], row["column"]): row["spelled"] for row in sequences}
        for row in rows(_COLUMNS, **asked):
            elements[row["relation"]].append(_column(row, own.get((row["relation"], row["name"]))))
        for row in rows(_CONSTRAINTS, **asked):
            elements[row["relation"]].append(_constraint(row, relations[row["relation"]]["name"]))
        for row in rows(_PARTS, **asked):
            elements[row["relation"]].append(_part(row))
        for row in sequences:
            if row["relation"] in elements:
                elements[row["relation"]].append(_own_sequence(row))
            elif row["relation"] is None:
                found[names.key(relations[row["oid"]]) or ""] = _sequence(row, relations[row["oid"]])
    found |= {names.key(relations[oid]) or "": _relation(relations[oid], parts) for oid, parts in elements.items()}
    found |= {name: _type(row) for row in rows(_TYPES, **names.parameters) if (name := names.key(row))}
    found |= _functions(names, rows(_FUNCTIONS, **names.parameters))
    if names.tables is None:
        found |= {f"extension {row['extname']}": Thing("extension") for row in rows(_EXTENSIONS)}
    return found


_RELATION_FACTS = (
    "options comment partition_by partition_of access_method tablespace inherits of_type replica_identity row_security"
    " forced_row_security privileges definition"
).split()


def _relation(row: Row, elements: Sequence[Element]) -> Thing:
    unusual = None if row["persistence"] == "p" else row["persistence"]
    found = facts(persistence=unusual, **{fact: row[fact] for fact in _RELATION_FACTS})
    return Thing(_KINDS[row["kind"]], found, arranged(elements))


def _column(row: Row, sequence: str | None) -> Element:
    found = {fact: row[fact] for fact in row if fact not in {"relation", "name"}}
    found["default"] = _default(row["default"], sequence)
    if found["generated"]:
        found["generated"] = f"{found.pop('default')} {'stored' if row['generated'] == 's' else 'virtual'}"
    if found["identity"]:
        found["identity"] = "always" if row["identity"] == "a" else "by default"
    return Element("column", row["name"], facts=facts(**found))


def _default(default: str | None, sequence: str | None) -> str | None:
    """A default's text; the name of a column's own sequence does not count, and NULL is no default."""
    if default is None or re.fullmatch(r'NULL::[\w ."]+(\([\d,]+\))?(\[\])*', default):
        return None
    if sequence is not None and default == f"nextval('{sequence.replace(chr(39), chr(39) * 2)}'::regclass)":
        return "nextval(its own sequence)"
    return default


def _constraint(row: Row, table: str) -> Element:
    about = row["definition"]
    if row["kind"] == "p":
        about = ""
    elif row["kind"] == "f":
        about = f"({', '.join(row['columns'])}) -> {row['target']}({', '.join(row['targets'])})"
    else:
        about = re.sub(r"^(UNIQUE|CHECK|EXCLUDE) ?", "", about)
    name = None if _generated(row, table) else row["name"]
    found = facts(definition=row["definition"], comment=row["comment"], tablespace=row["tablespace"])
    return Element(_CONSTRAINT_KINDS[row["kind"]], name, about, found)


def _generated(row: Row, table: str) -> bool:
    """Whether the server generates this name where the models give none (ChooseConstraintName, ChooseIndexName)."""
    label = _SUFFIXES[row["kind"]]
    columns = "_".join(row["indexed"] or (row["columns"] if row["kind"] == "f" else row["columns"][:1]))
    if row["kind"] == "p" or (row["kind"] == "c" and len(row["columns"]) != 1):
        columns = ""
    digits = re.search(r"\d*$", row["name"])
    return bool(row["name"] == _object_name(table, columns, label + (digits.group() if digits else "")))


def _object_name(table: str, columns: str, label: str) -> str:
    """`table_columns_label`, the longer of the first two cut until it fits (makeObjectName)."""
    first, second = table.encode(), columns.encode()
    room = _NAME_BYTES - len(label.encode()) - 1 - (1 if columns else 0)
    while len(first) + len(second) > room:
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    parts = [first.decode(errors="ignore"), *([second.decode(errors="ignore")] if columns else []), label]
    return "_".join(parts)


def _part(row: Row) -> Element:
    definition = row["definition"]
    if row["kind"] == "index":
        unique = "unique " if definition.startswith("CREATE UNIQUE") else ""
        definition = unique + definition.partition(" USING ")[2]
    elif row["kind"] == "statistics":
        definition = re.sub(r"^CREATE STATISTICS .*? (?=\(|ON )", "", definition)
    about = definition if row["kind"] == "index" else None
    return Element(
        row["kind"], row["name"], about, facts(definition=definition, comment=row["comment"], state=row["state"])
    )


def _sequence_facts(row: Row) -> Iterator[tuple[str, str]]:
    for fact in ("type", "start", "increment", "minimum", "maximum", "cache"):
        yield fact, str(row[fact])
    if row["cycle"]:
        yield "cycle", "yes"


def _own_sequence(row: Row) -> Element:
    name = None if re.fullmatch(r".*_seq\d*", row["name"]) else row["name"]
    return Element("sequence", name, f"of column {row['column']}", dict(_sequence_facts(row)))


def _sequence(row: Row, relation: Row) -> Thing:
    more = facts(comment=relation["comment"], privileges=relation["privileges"])
    return Thing("sequence", dict(_sequence_facts(row)) | more)


def _type(row: Row) -> Thing:
    found = {fact: row[fact] for fact in row if fact not in {"schema", "name", "kind"}}
    return Thing({"e": "enum", "d": "domain", "r": "range"}[row["kind"]], facts(**found))


def _functions(names: _Names, rows: Sequence[Row]) -> Mapping[str, Thing]:
    """Functions by name; those of one name differ by their arguments."""
    found: dict[str, Thing] = {}
    for name, same in groupby(sorted(rows, key=lambda row: (names.key(row) or "", row["arguments"])), names.key):
        if name:
            bodies = [
                Element("function", f"({row['arguments']})", facts=_function_facts(row, names.main)) for row in same
            ]
            found[name + "()"] = Thing("function", {}, arranged(bodies))
    return found


def _function_facts(row: Row, main: str) -> dict[str, str]:
    definition = re.sub(rf'^(CREATE OR REPLACE \w+) "?{re.escape(main)}"?\.', r"\1 ", row["definition"])
    return facts(kind=row["kind"], definition=definition, comment=row["comment"])
