"""Tables that come, go or change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlstrata.dialects import dialect
from sqlstrata.diff import columns, constraints, plain, rows
from sqlstrata.diff.changes import Changes
from sqlstrata.diff.columns import original
from sqlstrata.diff.constraints import on
from sqlstrata.diff.order import Draft, Phase
from sqlstrata.diff.words import words
from sqlstrata.errors import WrongUse
from sqlstrata.schema.values import Constraint, Index, Schema, Table, equal
from sqlstrata.source import Call, Source, call, flat, items, quoted


def compare(draft: Draft, before: Schema, moved: Schema, after: Schema) -> None:
    """Draft what makes the tables of `after` out of `moved`, which is `before` with its renames done."""
    _added(draft, moved, after)
    _removed(draft, moved, after)
    kept = {key: _changes(draft, before, moved, new) for key, new in after.tables.items() if key in moved.tables}
    for changes in kept.values():
        _changed(draft, changes)
    _disturbed_keys(draft, moved, after, kept)


def _changes(draft: Draft, before: Schema, moved: Schema, new: Table) -> Changes:
    origin = {to: old for old, to in draft.hints.tables.items()}
    old_key = origin.get(new.key, new.key)
    there = before.tables.get(old_key, before.tables.get(new.key))
    if there is None:
        raise WrongUse(f"Table {new.key} has no counterpart before this stage.")
    names = draft.hints.columns.get(there.key, {})
    return Changes(there, moved.tables[new.key], new, {to: old for old, to in names.items() if old in there.columns})


# -------------------------------------------------------------------------------- added


def _added(draft: Draft, moved: Schema, after: Schema) -> None:
    new = constraints.sorted_by_need([table for key, table in after.tables.items() if key not in moved.tables])
    made: set[str] = {key for key in moved.tables if moved.tables[key] == after.tables.get(key)}
    for table in new:
        later = [key for key in table.foreign_keys() if key.deferred or key.target not in made | {table.key}]
        draft.do(Phase.TABLES_ON, creation(table, later))
        for key in later:
            constraints.add_key(draft, table, key)
        made.add(table.key)
    for table in (table for key, table in after.tables.items() if key not in moved.tables):
        count = len(table.columns)
        draft.say(f"+ {table.key} ({count} {'column' if count == 1 else 'columns'})")


def creation(table: Table, later: list[Constraint]) -> Source:
    """op.create_table, with the indexes; keys in `later` are made afterwards, where the server can."""
    elements: list[Source] = [column.source for column in table.columns.values()]
    elements += [each.written(deferred=any(each is key for key in later)) for each in table.constraints]
    elements += [_makeable(index).source for index in table.indexes.values()]
    return Call("op.create_table", (quoted(table.name), *elements), table.keywords)


def _makeable(index: Index) -> Index:
    """The index, as one that a revision can make. Raises WrongUse where it cannot."""
    if "postgresql_concurrently" in dict(index.keywords):
        raise WrongUse(
            f"Index {index.name} is created concurrently, which PostgreSQL cannot do inside a transaction.",
            hint="Remove postgresql_concurrently from the model; create the index by hand where the table is large.",
        )
    return index


# ------------------------------------------------------------------------------ removed


def _removed(draft: Draft, moved: Schema, after: Schema) -> None:
    gone = [table for key, table in moved.tables.items() if key not in after.tables]
    new = [table for key, table in after.tables.items() if key not in moved.tables]
    order = constraints.sorted_by_need(gone)
    for position, table in enumerate(order):
        for key in table.foreign_keys():
            # A key to a table that goes before this one would hold that one back.
            if any(other.key == key.target for other in order[position + 1 :]):
                constraints.drop_key(draft, table, key)
    for table in reversed(order):
        name = original(table.key)
        allowed = draft.allowed_to_drop(name)
        if draft.hints.up and not allowed:
            alike = next((each.key for each in new if list(each.columns) == list(table.columns)), None)
            rename = None if alike is None else (name, alike)
            draft.need("drop", name, None, f"table {name} is dropped, with its rows", rename=rename)
        draft.do(Phase.TABLES_OFF, on("op.drop_table", table))
    for table in gone:
        draft.say(f"- {original(table.key)}")


# ------------------------------------------------------------------------------ changed


def _changed(draft: Draft, changes: Changes) -> None:
    old, new = changes.old, changes.new
    if old is new:
        return
    gone = [columns.remove(draft, changes, column) for column in changes.removed]
    marks = {column.name: columns.add(draft, changes, column) for column in changes.added}
    marks |= {other.name: columns.change(draft, changes, one, other) for one, other in changes.changed}
    prepared = [each for each in draft.prepared if each.key == new.key]
    if prepared:
        values = [call("op.added", each.column, fill=each.sql) for each in prepared]
        draft.do(Phase.PREPARE, on("op.prepare_values", changes.before, *values))
        gone += [call("op.removed", each.column) for each in prepared]
    marked, lost = _constraints(draft, changes)
    kept_indexes = _indexes(draft, changes)
    options = _options(draft, old, new)
    if not (marks or gone or marked or lost or options):
        return
    if not marked and not lost and not options and plain.draft_columns(draft, changes):
        return
    light = not (prepared and "sqlite" in draft.hints.servers) and not _touches_sqlite(changes, marked, lost)
    light = light and not _recodes(old, new)
    elements = [marks.get(name, column.source) for name, column in new.columns.items() if not light or name in marks]
    elements += [] if light else [marked.get(id(each), each.source) for each in new.constraints]
    if light:
        elements = [*_needed(changes, marks, marked), *_understood_checks(changes, marked), *marked.values()]
    elements += gone + lost
    elements += [] if light else [index.source for index in kept_indexes]
    keywords = (*new.keywords, ("was", options)) if options else new.keywords
    draft.do(Phase.TABLES_CHANGED, Call("op.change_table", (quoted(new.name), *elements), keywords))


def _needed(changes: Changes, marks: dict[str, Source], marked: dict[int, Source]) -> list[Source]:
    """Columns that are marked, and those that marked constraints name; then the key, which says what counts."""
    new = changes.new
    named = {name for each in changes.old.constraints for name in _options_of(each)}
    named |= {name for each in new.constraints if id(each) in marked for name in (*each.columns, *_options_of(each))}
    named |= set(new.primary_key) if marks else set()
    found = [marks.get(name, column.source) for name, column in new.columns.items() if name in marks or name in named]
    key = next((each for each in new.constraints if each.kind == "primary key"), None)
    return [*found, key.source] if marks and key is not None and id(key) not in marked else found


def _understood_checks(changes: Changes, marked: dict[int, Source]) -> list[Source]:
    """Checks that stay, and that PostgreSQL keeps as it understood them when a column was of another kind."""
    kept = (each for each in changes.new.constraints if each.kind == "check" and id(each) not in marked)
    return [each.source for each in kept if not changes.of_another_kind.isdisjoint(constraints.words_of(each))]


def _options_of(constraint: Constraint) -> set[str]:
    """Names in a constraint's options, as in postgresql_include."""
    return words(" ".join(flat(value) for _, value in constraint.keywords).replace("'", '"'))


def _constraints(draft: Draft, changes: Changes) -> tuple[dict[int, Source], list[Source]]:
    """New and changed constraints, marked, and those to drop. Foreign keys also have operations of their own."""
    marked: dict[int, Source] = {}
    lost: list[Source] = []
    for old, new in constraints.pairs(changes.old.constraints, changes.new.constraints):
        if old is not None and new is not None and equal(old, new):
            continue
        one = old or new
        assert one is not None
        if one.kind == "foreign key":
            _key(draft, changes, old, new)
        is_part = one.kind != "foreign key" or "sqlite" in draft.hints.servers
        if new is None and old is not None:
            lost += [call("op.removed", old.source)] if is_part else []
            draft.say(f"{changes.new.key}: - {constraints.describe(old)}")
        elif new is not None:
            mark = call("op.added", new.source) if old is None else call("op.changed", new.source, was=old.source)
            marked |= {id(new): mark} if is_part else {}
            draft.say(f"{changes.new.key}: {'+' if old is None else '~'} {constraints.describe(new)}")
            if old is None or (old.columns, old.condition) != (new.columns, new.condition):
                rows.constraint(draft, changes, new)
    return marked, lost


def _key(draft: Draft, changes: Changes, old: Constraint | None, new: Constraint | None) -> None:
    if old is not None:
        constraints.drop_key(draft, changes.old, old)
    if new is not None:
        constraints.add_key(draft, changes.new, new)


# ------------------------------------------------------------------------------- indexes


def _indexes(draft: Draft, changes: Changes) -> list[Index]:
    """Draft what becomes of the indexes; those that stay as they are are given back."""
    old, new, kept = changes.old, changes.new, []
    rebuilt = {other.name for one, other in changes.changed if columns.is_made_again(one, other)}
    for name, index in old.indexes.items():
        other = new.indexes.get(name)
        stays = other is not None and equal(index, other)
        if other is not None and stays and not rebuilt & set(other.columns) and not _understood(other, changes):
            kept.append(other)
            continue
        for key in _held(changes, index) if "mysql" in draft.hints.servers else ():
            constraints.drop_key(draft, old, key)
            constraints.add_key(draft, new, key)
        draft.do(Phase.INDEXES_OFF, index.removal(old.name, old.schema))
        if other is None:
            draft.say(f"{new.key}: - index {name}")
    for name, index in new.indexes.items():
        if index in kept:
            continue
        draft.do(Phase.INDEXES_ON, _makeable(index).creation(new.name, new.schema))
        draft.say(f"{new.key}: {'~' if name in old.indexes else '+'} index {name}")
        before = old.indexes.get(name)
        if index.unique and (before is None or not before.unique or before.parts != index.parts):
            rows.unique_index(draft, changes, index)
    return kept


def _understood(index: Index, changes: Changes) -> bool:
    """Whether PostgreSQL keeps SQL of the index as it understood it when a column was of another kind."""
    has_sql = index.where is not None or any(name is None for name, _ in index.parts)
    return has_sql and not changes.of_another_kind.isdisjoint(words(index.ddl.get("postgresql") or ""))


def _held(changes: Changes, index: Index) -> Iterator[Constraint]:
    """Foreign keys that stay and that MariaDB needs this index for."""
    for key in changes.kept_keys:
        leading = zip(key.columns, index.parts, strict=False)
        if len(key.columns) <= len(index.parts) and all(_is_about(column, *part) for column, part in leading):
            yield key


def _is_about(column: str, name: str | None, source: Source) -> bool:
    """Whether a part of an index is the column, with or without a sort order."""
    quoted_name = re.escape(dialect("mysql").identifier_preparer.quote(column))
    return name == column or (
        name is None and re.search(rf"(?<!\w){quoted_name} (DESC|ASC)\b", flat(source)) is not None
    )


# ------------------------------------------------------------------------------- options

_COMMENT = "comment"
# What each server can change on an existing table; SQLite rebuilds the table for its options.
_CHANGEABLE = ("sqlite_", "postgresql_with", "postgresql_tablespace", "prefixes", "mysql_", "mariadb_")


def _options(draft: Draft, old: Table, new: Table) -> Source | None:
    """The options that were others, as a dictionary; a comment is drafted by itself."""
    if old.comment != new.comment:
        draft.do(Phase.TABLES_CHANGED, on("op.comment_table", new, quoted(new.comment)))
        draft.say(f"{new.key}: comment")
    before, after = dict(old.options), dict(new.options)
    names = [name for name in (*before, *(each for each in after if each not in before))
             if flat(before.get(name, "None")) != flat(after.get(name, "None"))]  # fmt: skip
    for name in names:
        if not name.startswith(_CHANGEABLE) or _partitions(name, before, after):
            raise WrongUse(
                f"Table {new.key}: {name} changes from {flat(before.get(name, 'None'))} to "
                f"{flat(after.get(name, 'None'))}, which cannot be changed on an existing table.",
                hint="Make a new table beside it, move the rows with `data`, and drop the old one in a later stage.",
            )
        draft.say(f"{new.key}: {name} {flat(after.get(name, 'None'))}")
    return items("{}", [(quoted(name), before.get(name, "None")) for name in names]) if names else None


def _partitions(name: str, before: dict[str, Source], after: dict[str, Source]) -> bool:
    texts = [flat(each.get(name, "[]")).upper() for each in (before, after)]
    return name == "prefixes" and any(text not in {"[]", '["UNLOGGED"]'} for text in texts)


def _recodes(old: Table, new: Table) -> bool:
    """Whether MariaDB gets another character set or collation for the table, which its columns must follow."""
    before, after = (
        {name: flat(value) for name, value in table.options if name.endswith(("charset", "character_set", "collate"))}
        for table in (old, new)
    )
    return before != after


# --------------------------------------------------------------------------------- SQLite


def _touches_sqlite(changes: Changes, marked: dict[int, Source], lost: list[Source]) -> bool:
    """Whether SQLite has to rebuild the table, so that the revision must describe all of it."""
    if "sqlite" not in changes.new.option_texts:
        return False
    if lost or changes.added or changes.removed:
        return True
    if changes.old.option_texts.get("sqlite") != changes.new.option_texts.get("sqlite"):
        return True
    if any(old.ddl["sqlite"] != new.ddl["sqlite"] for old, new in changes.changed):
        return True
    by_id = {id(each): each for each in changes.new.constraints}
    return any(by_id[each].ddl["sqlite"] != "" for each in marked)


# ----------------------------------------------------------------- keys that are in the way


def _disturbed_keys(draft: Draft, moved: Schema, after: Schema, kept: Mapping[str, Changes]) -> None:
    """Take keys off and put them on again where a column at one of their ends becomes another.

    Also where the target's key goes for a moment. New keys ask for the rows in the other table.
    """
    for changes in kept.values():
        for old, new in constraints.pairs(changes.old.foreign_keys(), changes.new.foreign_keys()):
            if old is not None and new is not None and equal(old, new):
                if _disturbed(moved, after, changes.new.key, new, draft.hints.servers):
                    constraints.drop_key(draft, changes.old, old)
                    constraints.add_key(draft, changes.new, new)
            elif new is not None and (old is None or _ends(old) != _ends(new)):
                rows.parents(draft, changes, kept.get(new.target or ""), new)


def _ends(key: Constraint) -> tuple[object, ...]:
    return key.columns, key.target, key.target_columns


def _disturbed(moved: Schema, after: Schema, key: str, new: Constraint, servers: tuple[str, ...]) -> bool:
    target = new.target or ""
    if target not in moved.tables or target not in after.tables:
        return True
    if any(_retyped(moved.tables[key], after.tables[key], name) for name in new.columns):
        return True
    if "mysql" in servers and _keys_over(moved.tables[key], new.columns) != _keys_over(after.tables[key], new.columns):
        return True
    there, then = moved.tables[target], after.tables[target]
    if any(_retyped(there, then, name) for name in new.target_columns):
        return True
    return _keys_over(there, new.target_columns) != _keys_over(then, new.target_columns)


def _keys_over(table: Table, columns: tuple[str, ...]) -> list[str]:
    """The keys that begin with these columns: what MariaDB looks rows up by for a foreign key, at both its ends."""
    keys = (each for each in table.constraints if each.kind in {"primary key", "unique"})
    return [each.text for each in keys if each.columns[: len(columns)] == columns]


def _retyped(old: Table, new: Table, name: str) -> bool:
    one, other = old.columns.get(name), new.columns.get(name)
    if one is None or other is None:
        return True
    if "mysql" not in other.kinds:
        return one.kinds.get("postgresql") != other.kinds.get("postgresql") or one.enum != other.enum
    if one.kinds["mysql"] in {"string", "enum", "set"} and _recodes(old, new):
        return True
    servers = [each for each in other.types if each != "sqlite"]
    return any(one.types[each] != other.types[each] for each in servers) or one.nullable != other.nullable
