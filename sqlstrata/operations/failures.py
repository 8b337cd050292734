"""Kinds of driver errors: a lost connection, a server that cannot work now, or values that do not fit.

Only codes and classes are looked at: PostgreSQL's SQLSTATE, SQLite's names, MariaDB's numbers.
"""

from __future__ import annotations

import sys

import sqlalchemy as sa

Code = str | int


def of_driver(error: BaseException) -> BaseException | None:
    """The driver's own error: this one, or the one that SQLAlchemy wraps; None for any other."""
    inner = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    module = sys.modules.get(type(inner).__module__.partition(".")[0])
    kind = getattr(module, "Error", None) if hasattr(module, "paramstyle") else None  # PEP 249 has both
    return inner if isinstance(kind, type) and isinstance(inner, kind) else None


def code_of(error: BaseException) -> Code | None:
    """The server's code for the error; None where there is none, mostly because the error is the driver's."""
    inner = of_driver(error)
    number = next(iter(getattr(inner, "args", ())), None)
    if isinstance(number, int):  # PyMySQL, which may have an SQLSTATE too, one for many numbers
        return number
    return getattr(inner, "sqlstate", None) or getattr(inner, "sqlite_errorname", None)


_VALUES: frozenset[Code] = frozenset(
    {
        "42846",  # no cast from one type to the other
        *("SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_TOOBIG"),
        *(1048, 1364, 1062, 1451, 1452, 4025),  # NOT NULL, no default, unique, foreign keys, CHECK
        *(1264, 1265, 1292, 1365, 1366, 1367, 1406, 1411, 1441, 1525, 1690),  # not of the type, or too large for it
    }
)
_VALUE_CLASSES = ("22", "23", "SQLITE_CONSTRAINT")


def blames_values(error: BaseException) -> bool:
    """Whether values are the cause; what a driver itself refuses are values, too."""
    code = code_of(error)
    if code is None:
        return not is_lost(error)
    return code in _VALUES or (isinstance(code, str) and code.startswith(_VALUE_CLASSES))


_LOST: frozenset[Code] = frozenset(
    {
        0,  # PyMySQL, for a closed connection
        *(2002, 2003, 2006, 2013, 2055),  # from the client
        *(1053, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031),  # from the server
    }
)
_LOST_CLASSES = ("08", "57P")


def is_lost(error: BaseException) -> bool:
    """Whether the connection to the server is gone."""
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    code, inner = code_of(error), of_driver(error)
    if isinstance(code, str):
        return code.startswith(_LOST_CLASSES)
    # Errors that psycopg itself finds have no SQLSTATE.
    names = {each.__name__ for each in type(inner).__mro__} if hasattr(inner, "sqlstate") else set[str]()
    return code in _LOST if code is not None else bool(names & {"OperationalError", "InterfaceError"})


_UNABLE: frozenset[Code] = frozenset(
    {
        *("55P03", "55006", "25P03", "25P04", "25006", "XX001", "XX002"),
        *(1205, 1213, 1317, 1412, 1684, 1969),  # lock timeouts, stopped statements
        *(3, 5, 20, 28, 1021, 1028, 1030, 1037, 1038, 1041, 1114),  # memory and disk
        *(1040, 1047, 1203, 1226, 1290, 1792, 1836),  # too many connections, or a read-only server
    }
)
_UNABLE_CLASSES = (
    *("40", "53", "57", "58"),
    *("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_INTERRUPT", "SQLITE_PROTOCOL", "SQLITE_READONLY", "SQLITE_CANTOPEN"),
    *("SQLITE_NOMEM", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CORRUPT"),
)


def is_unable(error: BaseException) -> bool:
    """Whether the server cannot work now; this includes a lost connection."""
    code = code_of(error)
    return is_lost(error) or code in _UNABLE or (isinstance(code, str) and code.startswith(_UNABLE_CLASSES))
