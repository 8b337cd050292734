"""PostgreSQL: dropping, adding and renaming constraints, and finding the names that the server gave them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint

from .definition import Added, Altered, Change, Changed, Removed
from .private_names import order_of
from .registry import MigrationStopped, Writer


class Constraints(Altered):
    """The constraints of one table, except foreign keys."""

    def drop(self, mark: Changed | Removed) -> None:
        old = mark.was if isinstance(mark, Changed) else mark.element
        assert isinstance(old, sa.Constraint)
        if isinstance(old, sa.ForeignKeyConstraint) or self.text(old) is None or self._same(mark):
            return
        if isinstance(mark, Changed) and self._only_renamed(mark):
            assert isinstance(mark.element, sa.Constraint)
            self.alter(f"RENAME CONSTRAINT {self.name_of(old)} TO {self.name_of(mark.element)}")
        else:
            self.alter(f"DROP CONSTRAINT IF EXISTS {self.name_of(old)}")  # op.change_enum may have dropped it

    def add(self, mark: Added | Changed) -> None:
        new = mark.element
        assert isinstance(new, sa.Constraint)
        if isinstance(new, sa.ForeignKeyConstraint) or self.text(new) is None or self._same(mark):
            return
        if not (isinstance(mark, Changed) and self._only_renamed(mark)):
            self.writer.run(self.writer.compile(AddConstraint(new)))
        self.comment_on(new)

    def comment_on(self, constraint: sa.Constraint) -> None:
        if constraint.comment is not None and constraint.name is not None:
            text = self.writer.value(constraint.comment)
            self.writer.run(f"COMMENT ON CONSTRAINT {self.name_of(constraint)} ON {self.where} IS {text}")

    def text(self, constraint: sa.Constraint) -> str | None:
        """The constraint as in CREATE TABLE; None where PostgreSQL has none."""
        return None if is_doubled(constraint) else self.writer.clause(constraint)

    def _same(self, mark: Added | Changed | Removed) -> bool:
        return (
            isinstance(mark, Changed)
            and isinstance(mark.was, sa.Constraint)
            and isinstance(mark.element, sa.Constraint)
            and self.text(mark.was) == self.text(mark.element)
            and mark.was.comment == mark.element.comment
        )

    def _only_renamed(self, mark: Changed) -> bool:
        old, new = mark.was, mark.element
        assert isinstance(old, sa.Constraint)
        assert isinstance(new, sa.Constraint)
        texts = self.text(old), self.text(new)
        if None in texts or not old.name or not new.name:
            return False
        prefixes = [f"CONSTRAINT {self.name_of(each)} " for each in (old, new)]
        bodies = [str(text).removeprefix(prefix) for text, prefix in zip(texts, prefixes, strict=True)]
        return bodies[0] == bodies[1]

    def name_of(self, constraint: sa.Constraint) -> str:
        """The constraint's name, or the one that the server gave it, quoted."""
        if constraint.name is not None:
            return str(self.writer.dialect.identifier_preparer.format_constraint(constraint))
        return self.writer.name(_found(self.writer, self.change, constraint))


def is_doubled(constraint: sa.Constraint) -> bool:
    """Whether CREATE TABLE ignores the constraint, because another one is equal.

    PostgreSQL makes one index of equal ones (transformIndexConstraints in its parser); the first keeps it.
    """
    if not isinstance(constraint, sa.UniqueConstraint):
        return False
    mine = [column.name for column in constraint.columns]
    if mine == [column.name for column in constraint.table.primary_key.columns]:
        return True
    others = [each for each in constraint.table.constraints if isinstance(each, sa.UniqueConstraint)]
    return any(
        order_of(each) < order_of(constraint)
        and [column.name for column in each.columns] == mine
        and each.dialect_kwargs == constraint.dialect_kwargs
        for each in others
    )


def _found(writer: Writer, change: Change, constraint: sa.Constraint) -> str:
    """The name that the server gave to a nameless constraint, found by its definition."""
    suffix = {"primary_key_constraint": "pkey", "unique_constraint": "key", "check_constraint": "check"}
    kind = suffix.get(constraint.__visit_name__, "excl")
    columns = [column.name for column in getattr(constraint, "columns", ())]
    if writer.offline:
        return "_".join([change.name, *([] if kind == "pkey" else columns), kind])
    where = writer.value(writer.table(change.name, change.schema))
    name = "_strata_definition"
    text = writer.clause(constraint)
    writer.run(f"CREATE TEMPORARY TABLE {name} (LIKE {writer.table(change.name, change.schema)})")
    writer.run(f"ALTER TABLE {name} ADD {text}")
    query = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = {}::regclass AND contype <> 'n' ORDER BY conname"  # from 18 on NOT NULL is one, too
    )
    wanted = {row[1] for row in writer.fetch(query.format(writer.value(name)))}
    found = [row[0] for row in writer.fetch(query.format(where)) if row[1] in wanted]
    writer.run(f"DROP TABLE {name}")
    if not found:
        raise MigrationStopped(f"Table {change.name} has no constraint {text}. Nothing was changed by this revision.")
    return str(found[0])
