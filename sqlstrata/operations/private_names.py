"""Every private name of SQLAlchemy and Alembic that the operations need, where there is no public API.

`env.py` checks that they exist before it runs a revision (`check`), so that none fails halfway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import alembic
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaConst

OLDEST = {"SQLAlchemy": (2, 0, 40), "Alembic": (1, 13, 0)}
NEWEST = {"SQLAlchemy": "2.1", "Alembic": "1.20"}
"""The newest that are tested; a newer one may work, if it has these names."""
Steps = Callable[..., Any]


def prefixes(table: sa.Table) -> list[str]:
    """The words between CREATE and TABLE."""
    return [str(each) for each in table._prefixes]


def order_of(constraint: sa.Constraint) -> int:
    """A number that grows in the order in which constraints were made; a table keeps them in a set."""
    return constraint._creation_order


def should_create(constraint: sa.Constraint, compiler: Any) -> bool:
    """Whether CREATE TABLE has the constraint on the compiler's server, by ddl_if(), use_alter and the like."""
    return constraint._should_create_for_compiler(compiler)


def leave_nullable_open(column: sa.Column[Any]) -> None:
    """Unset a column's `nullable`, as if it had not been given."""
    column._user_defined_nullable = SchemaConst.NULL_UNSPECIFIED


def named_columns(constraint: object) -> list[Any]:
    """The columns, or their names, of a constraint that has no table yet."""
    return list(getattr(constraint, "_pending_colargs", ()))


def make_no_types(table: sa.Table) -> None:
    """Have the table create no enum types on PostgreSQL, which revisions create with `op.create_enum`.

    They have `create_type=False`, which SQLAlchemy 2.0 ignores.
    """
    if hasattr(sa.Enum("a"), "create_type"):
        return
    for listener in list(table.dispatch.before_create):
        made = getattr(listener, "target", None)
        if isinstance(made, sa.Enum) and not isinstance(made, postgresql.ENUM):
            sa.event.remove(table, "before_create", listener)


def steps(context: MigrationContext) -> Steps:
    """The function that plans Alembic's steps; there is no public way to see them, or to stop between two of them."""
    found = context._migrations_fn
    assert found is not None
    return found


def replace_steps(context: MigrationContext, planned: Steps) -> None:
    """Replace the function that plans Alembic's steps."""
    context._migrations_fn = planned


# --------------------------------------------------------------------------- the check


def _expected() -> Iterator[tuple[object, str]]:
    """Each private name, with an object that must have it."""
    key = sa.UniqueConstraint("c")
    yield from ((sa.Table("t", sa.MetaData()), "_prefixes"), (sa.Column("c"), "_user_defined_nullable"))
    yield from ((key, each) for each in ("_creation_order", "_should_create_for_compiler", "_pending_colargs"))
    yield MigrationContext.configure(dialect_name="sqlite", opts={"as_sql": True}), "_migrations_fn"


def lacking(expected: Iterable[tuple[object, str]] = ()) -> str | None:
    """A sentence about what the installed libraries lack; None where they have everything."""
    for library, version in (("SQLAlchemy", sa.__version__), ("Alembic", alembic.__version__)):
        if _numbers(version) < OLDEST[library]:
            return f"This version of {library}, {version}, is too old; {_supported(library)}."
    for owner, name in (*_expected(), *expected):
        if not hasattr(owner, name):
            library = "Alembic" if type(owner).__module__.startswith("alembic.") else "SQLAlchemy"
            version = alembic.__version__ if library == "Alembic" else sa.__version__
            what = getattr(owner, "__name__", type(owner).__name__)
            return f"This version of {library}, {version}, has no {what}.{name}; {_supported(library)}."
    return None


def check() -> None:
    """Raise CommandError where the installed libraries are not supported."""
    sentence = lacking()
    if sentence is not None:
        raise CommandError(sentence)


def _supported(library: str) -> str:
    return f"supported are {'.'.join(map(str, OLDEST[library]))} to {NEWEST[library]}"


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers at the start of a version: of 2.1.0b1, (2, 1, 0)."""
    found: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)
