"""SQL of a stage that reads what the stage changes: its values are computed before anything changes.

On every server a `fill` or `cast` reads the row as it was: old names and old values. Where it reads nothing that the
stage changes, any order does. Else `op.prepare_values` puts its values into columns of their own first, and
op.change_table reads these.
"""

from __future__ import annotations

from sqlstrata.dialects import path_on
from sqlstrata.diff.changes import Changes
from sqlstrata.diff.hints import by_server, given_sql, words_of
from sqlstrata.diff.order import Draft, Prepared
from sqlstrata.diff.words import words
from sqlstrata.plan import Sql
from sqlstrata.schema.values import Column
from sqlstrata.source import Source, call, flat, quoted

_LONGEST = 63  # PostgreSQL's names; MariaDB has 64


def prepared(draft: Draft, changes: Changes, key: str, name: str, column: Column) -> Source | None:
    """The stage's `fill` or `cast` (the key) for a column: its SQL, or the name of the column that has its values.

    `name` is the column's name in the stage, `column` what it becomes.
    """
    sql = (draft.hints.fill if key == "fill" else draft.hints.cast).get(name)
    source = (draft.fill if key == "fill" else draft.cast)(name, changes.text_names)
    if sql is None or source is None or not _reads_changes(draft, changes, key, name, sql, column):
        return source
    return _aside(draft, changes, key, sql, column)


def _reads_changes(draft: Draft, changes: Changes, key: str, name: str, sql: Sql, column: Column) -> bool:
    """Whether the SQL reads other rows, or a column that the stage changes, fills or drops."""
    names = words_of(sql, draft.hints.servers)
    if "select" in map(str.lower, names):
        return True
    changing = {changes.name_before(each.name) for each in changes.removed}
    changing |= {changes.name_before(old.name) for old, _ in changes.changed}
    for each in changes.old.columns.values():
        if each.computed is not None and words(flat(each.computed)) & changing:
            changing.add(changes.name_before(each.name))
    own = changes.name_before(column.name)
    is_alone = name not in (draft.hints.cast if key == "fill" else draft.hints.fill)
    return bool(names & (changing - {own} if is_alone else changing))


def _aside(draft: Draft, changes: Changes, key: str, sql: Sql, column: Column) -> Source:
    """Draft the column that holds the values, and give its name as SQL."""
    servers, prefix = draft.hints.servers, "_new_" if key == "cast" else "_fill_"
    name = f"{prefix}{column.name}"[:_LONGEST]
    own = changes.name_before(column.name)
    texts = given_sql(sql, servers)
    if key == "cast" and "default" not in texts:  # where the type stays nobody has to say how values cross
        texts |= {server: path_on(server, own) for server in servers if server not in texts}
    as_text = bool(column.enum) or changes.new.has_type(column.name, draft.new_types)
    if as_text and "postgresql" in servers:  # the type itself may be made later
        texts["postgresql"] = f"({texts.get('postgresql', texts.get('default'))})::text"
    type_ = "sa.Text()" if as_text else column.rest[0]
    added = call("sa.Column", quoted(name), type_, nullable="True")
    draft.prepared.append(Prepared(changes.before, changes.new.key, added, by_server(texts, servers)))
    names = {server: path_on(server, name) for server in servers}
    if as_text and "postgresql" in servers:
        names["postgresql"] += f"::{column.types['postgresql']}"
    return by_server(names, servers)
