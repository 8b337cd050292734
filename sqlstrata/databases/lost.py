"""Errors of drivers that are no fault of the statement: the server cannot work now, or a right is missing.

SQLAlchemy's errors do not say which database they come from, so an engine that is watched notes it. `answering`, around
every command, turns those that nothing inside has handled into Unreachable.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ExceptionContext

from sqlstrata.errors import Unreachable
from sqlstrata.operations.failures import code_of, is_lost, is_unable, of_driver

_ADDRESSES: WeakKeyDictionary[BaseException, str] = WeakKeyDictionary()
_FORBIDDEN = {"42501", 1044, 1142, 1143, 1227, 1370}
"""PostgreSQL's SQLSTATE and MariaDB's error numbers for a missing right."""
_IN_USE = {"55006", "SQLITE_BUSY"}
"""PostgreSQL's SQLSTATE and SQLite's name for a database that another connection uses."""

# The pool would write to standard error that a lost connection cannot be closed.
logging.getLogger("sqlalchemy.pool").addHandler(logging.NullHandler())


def watch(made: sa.Engine, address: str) -> None:
    """Note for each of the engine's errors that it comes from the database at this address."""

    @sa.event.listens_for(made, "handle_error")
    def _note(context: ExceptionContext) -> None:
        if context.sqlalchemy_exception is not None:
            _ADDRESSES[context.sqlalchemy_exception] = address


@contextmanager
def answering() -> Iterator[None]:
    """Raise Unreachable for an error inside which says that a server cannot work now, or that a right is missing."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        found = unanswered(error)
        if found is None and is_forbidden(error):
            message = f"{_ADDRESSES.get(error, 'The database')} does not let this user do that: {words(error)}."
            found = Unreachable(message, hint="An administrator can grant the right.")
        if found is None:
            raise
        raise found from error


def is_forbidden(error: BaseException) -> bool:
    """Whether the user lacks a right."""
    return code_of(error) in _FORBIDDEN


def is_in_use(error: BaseException) -> bool:
    """Whether another connection is in the way."""
    return code_of(error) in _IN_USE


def unanswered(error: BaseException, address: str = "the database") -> Unreachable | None:
    """The error for a server that cannot work now; None where the cause is another.

    `address` names the server where the error comes from no watched engine.
    """
    known = cause(error)
    if known is None:
        return None
    where = _ADDRESSES.get(known, address)
    if is_lost(known):
        message = f"The connection to {where} was lost: {words(known)}."
        return Unreachable(message, hint="Run the command again when the server answers.")
    message = f"A statement cannot be run now on {where}: {words(known)}."
    return Unreachable(message, hint="Run the command again later.")


def cause(error: BaseException) -> BaseException | None:
    """The first error in the chain which says that the server cannot work now; None without any.

    What is done afterwards with a lost connection, a rollback say, fails as well, with another message.
    """
    found: BaseException | None = None
    link: BaseException | None = error
    while link is not None:
        if is_unable(link) and (found is None or isinstance(link, sa.exc.DBAPIError)):
            found = link
        link = link.__cause__ or link.__context__
    return found


def words(error: BaseException) -> str:
    """The first line of the driver's message."""
    inner = of_driver(error) or error
    texts = [each for each in getattr(inner, "args", ()) if isinstance(each, str) and each]
    text = (texts[-1] if texts else str(inner)).strip().partition("\n")[0].rstrip(".")
    return text or type(inner).__name__
