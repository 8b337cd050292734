"""Every private name of SQLAlchemy and Alembic that the operations need, each where there is no public way.

`env.py` looks whether all of them are there before it runs a revision (`check`), so that none fails in its middle.
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
"""The newest that the tests were run with; a newer one may do, if it has all that is needed."""
Steps = Callable[..., Any]


def prefixes(table: sa.Table) -> list[str]:
    """What stands between CREATE and TABLE."""
    return [str(each) for each in table._prefixes]


def order_of(constraint: sa.Constraint) -> int:
    """A number that grows in the order in which constraints were made; a table keeps them in a set."""
    return constraint._creation_order


def should_create(constraint: sa.Constraint, compiler: Any) -> bool:
    """Whether CREATE TABLE has the constraint on the compiler's server: ddl_if(), use_alter and the like say so."""
    return constraint._should_create_for_compiler(compiler)


def leave_nullable_open(column: sa.Column[Any]) -> None:
    """Have a column forget that it was given `nullable`: once given, it cannot be taken back."""
    column._user_defined_nullable = SchemaConst.NULL_UNSPECIFIED


def named_columns(constraint: object) -> list[Any]:
    """The columns, or their names, that a constraint was given and finds when it gets its table."""
    return list(getattr(constraint, "_pending_colargs", ()))


def make_no_types(table: sa.Table) -> None:
    """Have the table make no enum types on PostgreSQL, which revisions make by themselves (`op.create_enum`).

    They say `create_type=False`, which SQLAlchemy 2.1 knows and 2.0 passes over.
    """
    if hasattr(sa.Enum("a"), "create_type"):
        return
    for listener in list(table.dispatch.before_create):
        made = getattr(listener, "target", None)
        if isinstance(made, sa.Enum) and not isinstance(made, postgresql.ENUM):
            sa.event.remove(table, "before_create", listener)


def steps(context: MigrationContext) -> Steps:
    """What plans Alembic's steps: nothing shows them before they run, or stops between two of them."""
    found = context._migrations_fn
    assert found is not None
    return found


def replace_steps(context: MigrationContext, planned: Steps) -> None:
    """Have Alembic take other steps."""
    context._migrations_fn = planned


# --------------------------------------------------------------------------- the check


def _expected() -> Iterator[tuple[object, str]]:
    """What must be there, each private name with something that has it."""
    key = sa.UniqueConstraint("c")
    yield from ((sa.Table("t", sa.MetaData()), "_prefixes"), (sa.Column("c"), "_user_defined_nullable"))
    yield from ((key, each) for each in ("_creation_order", "_should_create_for_compiler", "_pending_colargs"))
    yield MigrationContext.configure(dialect_name="sqlite", opts={"as_sql": True}), "_migrations_fn"


def lacking(expected: Iterable[tuple[object, str]] = ()) -> str | None:
    """What the installed libraries lack, of the operations' needs and of others', as a sentence."""
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
    """Raise CommandError where the installed libraries cannot be worked with."""
    sentence = lacking()
    if sentence is not None:
        raise CommandError(sentence)


def _supported(library: str) -> str:
    return f"supported are {'.'.join(map(str, OLDEST[library]))} to {NEWEST[library]}"


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: 2.1.0b1 is a 2.1.0."""
    found: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)
