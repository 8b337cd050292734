"""A server that does not go on answering: the one place where that becomes an error of ours, for every command.

SQLAlchemy's errors do not say which database they come from. So an engine that is watched notes that for its errors,
and `answering`, around every command, turns those into Unreachable that nobody inside had an answer for.
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
_NO_RIGHT = {"42501", 1044, 1142, 1143, 1227, 1370}
"""PostgreSQL's SQLSTATE and MariaDB's error numbers for a right that is missing."""

# The pool would write to standard error that a connection which is gone cannot be closed any more.
logging.getLogger("sqlalchemy.pool").addHandler(logging.NullHandler())


def watch(made: sa.Engine, address: str) -> None:
    """Have the engine's errors known as those of the database at this address."""

    @sa.event.listens_for(made, "handle_error")
    def _note(context: ExceptionContext) -> None:
        if context.sqlalchemy_exception is not None:
            _ADDRESSES[context.sqlalchemy_exception] = address


@contextmanager
def answering() -> Iterator[None]:
    """Raise Unreachable for an error inside that says that a server cannot do its work now, or may not do it for us."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        found = unanswered(error) or _forbidden(error)
        if found is None:
            raise
        raise found from error


def unanswered(error: BaseException, address: str = "the database") -> Unreachable | None:
    """The error for a server that cannot do its work; None where that is not what is behind the error.

    `address` is where the server is, if the error itself is not known to be of a database.
    """
    known = cause(error)
    if known is None:
        return None
    where = _ADDRESSES.get(known, address)
    if is_lost(known):
        message = f"The connection to {where} was lost: {words(known)}."
        return Unreachable(message, hint="Run the command again when the server answers.")
    message = f"What was asked of {where} cannot be done now: {words(known)}."
    return Unreachable(message, hint="Run the command again when it can.")


def _forbidden(error: BaseException) -> Unreachable | None:
    if code_of(error) not in _NO_RIGHT:
        return None
    message = f"{_ADDRESSES.get(error, 'The database')} does not let this user do that: {words(error)}."
    return Unreachable(message, hint="An administrator can give the right.")


def cause(error: BaseException) -> BaseException | None:
    """Of an error and those that led to it the first that says that the server cannot work; None without any.

    What is done with a connection that is gone, a rollback say, fails as well, each time with other words.
    """
    found: BaseException | None = None
    link: BaseException | None = error
    while link is not None:
        if is_unable(link) and (found is None or isinstance(link, sa.exc.DBAPIError)):
            found = link
        link = link.__cause__ or link.__context__
    return found


def words(error: BaseException) -> str:
    """The first line of what the driver says."""
    inner = of_driver(error) or error
    texts = [each for each in getattr(inner, "args", ()) if isinstance(each, str) and each]
    text = (texts[-1] if texts else str(inner)).strip().partition("\n")[0].rstrip(".")
    return text or type(inner).__name__
