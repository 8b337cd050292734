"""The second part of a proof: each stage is carried out on generated rows, in a scratch database that has no others.

1. Before a stage, each table that it changes is filled with rows for its columns as they are then, and so are some
   that point at it. After the way up, each table that it makes or changes gets rows for its columns as they are now.
2. After the ways up, down, and up again, every row is there with its values; except what the stage itself casts, fills
   or drops, what its own SQL changes, and what the server computes.
3. A revision that its own questions stop is right to stop: nothing may have changed. The rows that it stops for are
   taken out, and it runs again. Where a stage has SQL of its own that cannot convert a value, or that leads to what a
   rule of the tables forbids, the stage is carried out with plain rows; and where it cannot convert these, without
   any. Everything else that fails is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial

import sqlalchemy as sa
from alembic import command

from sqlstrata.migrate.apply import configuration
from sqlstrata.operations.failures import blames_values, code_of
from sqlstrata.proof.agreement import Observed
from sqlstrata.proof.carried import (
    altered,
    changed_by_sql,
    computed,
    lost,
    named_by,
    named_by_sql,
    own_texts,
    read_by_expressions,
)
from sqlstrata.proof.compare import compare, named, touched
from sqlstrata.proof.drive import Stop, drive, refuses
from sqlstrata.proof.emptying import empty, pointing_at
from sqlstrata.proof.filling import ROWS, Filling
from sqlstrata.proof.questions import remove_stopping
from sqlstrata.proof.rows import require_kept, require_restored
from sqlstrata.proof.verdict import differing, failed, require_answer
from sqlstrata.proof.walk import Move, Walk
from sqlstrata.schema.values import Schema, Table
from sqlstrata.snapshot import Rows, differences, snapshot

Notify = Callable[[str], None]
BORDERS, PLAIN, NONE = range(3)
"""The rows that a stage is carried out with."""
_ROUNDS = 3
"""How often rows are taken out for one move; one round is enough unless questions stop for each other's reasons."""
_MOST_POINTING = 5
"""Tables that point at those of a stage, and are filled as well."""


@dataclass
class Generated:
    """What is known while a history goes through a scratch database with generated rows.

    tables: the models' tables after the stage, and before it; filled: for which definition each table was filled;
    known: what Filling knows of each; strange: tables with rows that a stage has made itself; after: the rows after the
    way up; rows: with which rows to carry out the stages for which that is not BORDERS; observed: where to note what
    becomes of values, if anywhere.
    """

    walk: Walk
    note: Callable[[str, str], None]
    rows: dict[int, int]
    observed: Observed | None = None
    tables: dict[str, sa.Table] = field(default_factory=dict)
    tables_before: dict[str, sa.Table] = field(default_factory=dict)
    filled: dict[str, Table] = field(default_factory=dict)
    known: dict[str, dict[int, int]] = field(default_factory=dict)
    strange: set[str] = field(default_factory=set)
    changing: frozenset[str] = frozenset()
    after: Rows = field(default_factory=dict)

    def follow(self, index: int) -> None:
        """Learn which tables the stage changes, and how they look after it."""
        before, after = self.walk.schema(index - 1), self.walk.schema(index)
        stage = self.walk.steps[index].stage
        differing = self.walk.begin(index)
        self.changing = frozenset({*differing, *stage.rename, *named_by_sql(stage, self.walk.server, before, after)})
        self.tables_before = self.tables
        new = {**self.tables, **self.walk.expected[index].tables}
        self.tables = {key: table for key, table in new.items() if key in after.tables}


def prove_generated(
    walk: Walk,
    position: Move,
    rows: dict[int, int],
    notify: Notify,
    note: Callable[[str, str], None],
    observed: Observed | None = None,
) -> Move | None:
    """Carry out all moves from this one on. Gives the one to go on with in another scratch database, if any.

    rows: how the stages are to be carried out, and what is learned of that. `note` gets the key of each table that
    cannot be filled, and a sentence about it. Raises NotProved.
    """
    made = Generated(walk, note, rows, observed)
    _catch_up(made, position.index)
    resumed, rounds = False, Counter[Move]()
    while True:
        moves = _moves(made, position, notify, resumed=resumed)
        stop = drive(walk, moves, position, lambda move, error: _may_stop(made, move, error))
        if stop is None:
            return None
        position, resumed = stop[0], True
        if refuses(stop[1]):
            _require_untouched(made, position)
            rounds[position] += 1
            if rounds[position] <= _ROUNDS and remove_stopping(walk, position):
                _read_again(made, position)
                continue
        if rows.get(position.index, BORDERS) == NONE:
            raise _failed(walk, stop)
        rows[position.index] = rows.get(position.index, BORDERS) + 1
        if not _begin_plainly(made, stop):
            return Move(position.index, "up")


def _catch_up(made: Generated, index: int) -> None:
    """Bring an empty database to the stage before."""
    walk = made.walk
    for each in range(index):
        made.follow(each)
    if index:
        config = configuration(walk.migrations, connection=walk.connection, alone=True)
        command.upgrade(config, walk.steps[index - 1].revision.id)
        walk.connection.commit()


def _moves(made: Generated, position: Move, notify: Notify, *, resumed: bool) -> Iterator[Move]:
    """The moves from this one on, with the checks after each. One that is resumed is not prepared again."""
    walk = made.walk
    for index in range(position.index, len(walk.steps)):
        directions = ["up", "down", "up again"] if walk.steps[index].stage.reversible else ["up"]
        for direction in directions[directions.index(position.direction) if resumed else 0 :]:
            move = Move(index, direction)
            if direction == "up" and not resumed:
                notify(walk.steps[index].stage.name)
                _prepare(made, index)
            resumed = False
            sides = (made.tables_before, made.tables) if direction != "down" else (made.tables, made.tables_before)
            if made.observed is not None:
                made.observed.begin(walk, move, sides[0])
            yield move
            if made.observed is not None:
                made.observed.end(walk, move, sides[1])  # before other rows come
            _check(made, move)
        made.filled = {key: table for key, table in made.filled.items() if key not in made.changing}


# ------------------------------------------------------------------------------ filling


def _prepare(made: Generated, index: int) -> None:
    """Fill the tables that the stage changes or reads, and some that point at them."""
    walk, before = made.walk, made.walk.schema(index - 1)
    made.follow(index)
    near = sorted(walk.neighbours.pointing(made.changing) - made.changing)[:_MOST_POINTING]
    read = read_by_expressions(walk.steps[index].stage, walk.server, before)
    keys = {key for key in (*made.changing, *near, *read) if key in before.tables}
    stale = {key for key in keys if walk.rows.rows.get(key) and made.filled.get(key) is not before.tables[key]}
    around = pointing_at(before, stale)
    if around and made.strange.isdisjoint(around) and empty(walk, before, around):
        walk.rows.read(walk.connection, before, around, walk.schemas)
    _fill(made, index, before, made.tables_before, {key for key in keys if key in stale or not walk.rows.rows.get(key)})
    walk.rows.begin()


def _fill(made: Generated, index: int, schema: Schema, tables: dict[str, sa.Table], keys: set[str]) -> None:
    walk, rows = made.walk, made.rows.get(index, BORDERS)
    if rows == NONE or not keys:
        walk.connection.commit()
        return
    present = {key for key, found in walk.rows.rows.items() if found}
    answer = partial(require_answer, url=walk.url)
    filling = Filling(walk.connection, tables, answer, rows == PLAIN, {} if rows == PLAIN else made.known)
    filled = filling.fill(keys, present)
    walk.connection.commit()
    walk.rows.read(walk.connection, schema, filled, walk.schemas)
    made.filled |= {key: schema.tables[key] for key in filled}
    for key in filled if rows == BORDERS else ():
        number = len(walk.rows.rows.get(key, ()))
        if number < ROWS:
            made.note(key, _short(key, number, filling.reasons.get(key)))


def _short(key: str, number: int, reason: str | None) -> str:
    """The sentence for a table that cannot be filled."""
    why = reason or "its keys have no more values"
    if number:
        return f"Table {key} takes only {number} generated rows: {why}."
    return f"Table {key} takes no generated rows: {why}. It is proved with the `rows` of the plan alone."


# ------------------------------------------------------------------------------- checks


def _check(made: Generated, move: Move) -> None:
    """After a move: every row is there with its values. Raises NotProved."""
    walk, index = made.walk, move.index
    before, after = walk.schema(index - 1), walk.schema(index)
    compare(walk, move)
    near = touched(walk, move, named(walk) | made.changing)
    if move.direction == "down":
        held = _as_before(made, index, walk.rows.held(near))
        require_restored(walk, index, near)
        _require(made, move, held, walk.rows.rows, _altered(made, index))
        return
    numbers = {key: len(found) for key, found in walk.rows.rows.items()}
    require_kept(walk, move, near)
    made.strange |= {
        key for key in near & after.tables.keys() if len(walk.rows.rows.get(key, ())) > numbers.get(key, 0)
    }
    if move.direction == "up":
        other = {key for key, table in after.tables.items() if before.tables.get(key) is not table}
        _fill(made, index, after, made.tables, other & made.changing)
        made.after = walk.rows.held(made.changing)
    else:
        again = _as_before(made, index, walk.rows.held(made.changing))
        free = computed(before, made.changing) | _renamed_back(made, index, computed(after, made.changing))
        _require(made, move, _as_before(made, index, made.after), again, free)


def _renamed_back(made: Generated, index: int, columns: Collection[str]) -> set[str]:
    """Columns by the names that they have before the stage."""
    rename = made.walk.steps[index].stage.rename
    names = {
        f"{rename.get(key, key)}.{rename.get(f'{key}.{name}', name)}": f"{key}.{name}"
        for key in made.changing
        if key in (tables := made.walk.schema(index - 1).tables)
        for name in tables[key].columns
    }
    return {names[each] for each in columns if each in names}


def _altered(made: Generated, index: int) -> set[str]:
    """Columns whose values look different after the stage, or that the server computes."""
    before, after = made.walk.schema(index - 1), made.walk.schema(index)
    keys = before.tables.keys() & made.changing
    return altered(before, after, keys, made.walk.steps[index].stage.rename, made.walk.server)


def _as_before(made: Generated, index: int, held: Rows) -> Rows:
    """The rows with the names that tables and columns have before the stage; columns that it adds are left out."""
    before, rename = made.walk.schema(index - 1), made.walk.steps[index].stage.rename
    found: dict[str, tuple[dict[str, object], ...]] = {}
    for key, table in before.tables.items():
        rows = held.get(rename.get(key, key))
        if rows is not None:
            names = {rename.get(f"{key}.{name}", name): name for name in table.columns}
            found[key] = tuple({names[name]: value for name, value in row.items() if name in names} for row in rows)
    return found


def _require(made: Generated, move: Move, held: Rows, found: Rows, free: set[str]) -> None:
    walk, stage = made.walk, made.walk.steps[move.index].stage
    by_sql = changed_by_sql(stage, walk.server, walk.schema(move.index - 1), walk.schema(move.index))
    difference = lost(held, found, {}, {*named_by(stage), *free, *by_sql})
    if difference is not None:
        raise differing(stage.name, walk.label(move), "the scratch database", [difference])


# -------------------------------------------------------------------------------- stops


def _may_stop(made: Generated, move: Move, error: Exception) -> bool:
    """Whether it is for the rows that we made up: a question of the revision, or the stage's own SQL."""
    if refuses(error):
        return True
    texts = own_texts(made.walk.steps[move.index].stage, made.walk.server)
    if not texts or not isinstance(error, sa.exc.DBAPIError) or not blames_values(error):
        return False
    if isinstance(error, sa.exc.IntegrityError) or code_of(error) == _NULL_STAYS:
        return made.rows.get(move.index, BORDERS) == BORDERS
    statement = " ".join((error.statement or "").replace("%%", "%").split())
    return any(text in statement for text in texts)


_NULL_STAYS = 1265
"""MariaDB's number for a NULL in a column that becomes NOT NULL."""


def _read_again(made: Generated, move: Move) -> None:
    """Learn which rows are left, after some were taken out."""
    walk, schema = made.walk, made.walk.schema(move.index - (move.direction != "down"))
    around = pointing_at(schema, made.changing)
    walk.rows.read(walk.connection, schema, around, walk.schemas)
    made.after = walk.rows.held(made.changing) if move.direction == "down" else {}
    if move.direction == "up":
        walk.rows.begin()
    elif move.direction == "down":
        walk.rows.forget_all_but(_as_before(made, move.index, walk.rows.held(around)), _altered(made, move.index))


def _begin_plainly(made: Generated, stop: Stop) -> bool:
    """Take all rows out, and fill with plain ones before the way up. False where that needs another database.

    It does where a server has not undone what the revision did until it failed.
    """
    (move, error), walk = stop, made.walk
    schema = walk.schema(move.index - (move.direction != "down"))
    around = pointing_at(schema, made.changing)
    undone = refuses(error) or walk.server != "mariadb"
    if not (undone and made.strange.isdisjoint(around) and (not around or empty(walk, schema, around))):
        return False
    walk.connection.commit()
    _read_again(made, move)
    tables = made.tables if move.direction == "down" else made.tables_before
    _fill(made, move.index, schema, tables, {key for key in made.changing if key in schema.tables})
    if move.direction == "up":
        walk.rows.begin()
    elif move.direction == "down":
        made.after = walk.rows.held(made.changing)
    return True


def _require_untouched(made: Generated, move: Move) -> None:
    walk, down = made.walk, move.direction == "down"
    names = named(walk) | made.changing
    expected = walk.expected_after(Move(move.index, "up" if down else "down"), names)
    found = differences(expected, snapshot(walk.connection, walk.schemas, names, walk.read))
    if found:
        raise differing(walk.steps[move.index].stage.name, f"{walk.label(move)}, refused", walk.server, found)
    near = touched(walk, move, names)
    held = walk.rows.held(near)
    walk.rows.read(walk.connection, walk.schema(move.index - (not down)), near, walk.schemas)
    difference = lost(held, walk.rows.rows, {}, set())
    if difference is not None:
        raise differing(
            walk.steps[move.index].stage.name, f"{walk.label(move)}, refused", "the scratch database", [difference]
        )


def _failed(walk: Walk, stop: Stop) -> Exception:
    move, error = stop
    made = failed(walk.steps[move.index].stage.name, walk.label(move), walk.server, error, None)
    made.__cause__ = error
    return made
