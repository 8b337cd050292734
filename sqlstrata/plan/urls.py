"""Database URLs: read, and refused where an option could lead to another database than the URL names.

A driver lets options overrule what stands before them, so `…/mine?dbname=other` is a connection to `other`. Here the
server and the database stand before the `?`; an option may only say what nothing else says.
"""

from __future__ import annotations

from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_DATABASE = {"postgresql": ("dbname",), "mysql": ("database", "db"), "mariadb": ("database", "db")}
"""What drivers call the database: libpq and PyMySQL ("Parameter Key Words", `pymysql.connect`)."""
_ELSEWHERE = {"host": "host", "port": "port", "user": "username", "password": "password", "passwd": "password"}
"""Options that say once more what the URL has a place for, and its name in SQLAlchemy's URL."""
_OF_A_FILE_URI = {"uri", "mode", "cache", "vfs", "immutable", "nolock", "psow"}
"""What SQLite reads from a `file:` URI (sqlite.org/uri.html)."""
_LAST_PORT = 65535
_LOCAL = {None, "", "localhost", "127.0.0.1", "::1"}


class Misleading(ValueError):
    """A URL that could lead elsewhere: the option, what it does (after "the URL"), and what to write instead."""

    def __init__(self, key: str, does: str, hint: str) -> None:
        super().__init__(f"The URL {does}.")
        self.key, self.does, self.hint = key, does, hint


def as_url(text: str | URL) -> URL:
    """SQLAlchemy's value of it, with the database's name in its own place.

    Raises ArgumentError where it is no URL, Misleading where it could lead to another database than it names. NUL (%00)
    is in no URL: libpq ends the text there, and would reach another database.
    """
    try:
        value = make_url(text)
    except ValueError as error:  # of a port that is no number
        raise ArgumentError(str(error)) from error
    if value.port is not None and not 0 < value.port <= _LAST_PORT:
        message = f"There is no port {value.port}."
        raise ArgumentError(message)
    if "\0" in unquote(value.render_as_string(hide_password=False)):
        message = "NUL is in no URL."
        raise ArgumentError(message)
    kind = value.get_backend_name()
    if kind == "sqlite":
        _require_no_uri(value)
        return value
    _require_one_server(value)
    return _named_once(value, _DATABASE.get(kind, ()))


def names_database(url: URL) -> bool:
    """Whether a server's URL says which database."""
    return bool(url.database)


def _require_no_uri(url: URL) -> None:
    if str(url.database).startswith("file:"):
        raise Misleading(
            "file", "names a file: URI, and what that stands for is up to SQLite",
            "Write the path, as in sqlite:///exemplo.db.",
        )  # fmt: skip
    for key in sorted(_OF_A_FILE_URI & url.query.keys()):
        raise Misleading(
            key,
            f"has the option `{key}`, with which SQLite may open another file than the path names",
            "Write the path alone, as in sqlite:///exemplo.db.",
        )


def _require_one_server(url: URL) -> None:
    for key, place in _ELSEWHERE.items():
        if key in url.query and getattr(url, place) not in {None, ""}:
            raise Misleading(
                key,
                f"names its {place} twice: before the `?`, and by the option `{key}`, which would overrule it",
                f"Leave `{key}` out.",
            )
    hosts = [each for key in ("host", "hostaddr", "port") for each in _values(url, key)[:2]]
    if any("," in each for each in hosts) or any(len(_values(url, key)) > 1 for key in ("host", "hostaddr", "port")):
        raise Misleading(
            "host",
            "names several servers under `host`, and a scratch database would be made on any of them",
            "Name the one server that migrations are for.",
        )
    if "unix_socket" in url.query and url.host not in _LOCAL:
        raise Misleading(
            "unix_socket",
            f"names the server {(url.host or '').rpartition('@')[2]} and by `unix_socket` one on this machine",
            "Leave one of the two out.",
        )


def _named_once(url: URL, keys: tuple[str, ...]) -> URL:
    """The URL without options for the database's name; one that says what the path leaves out goes there."""
    for key in keys:
        values = _values(url, key)
        if not values:
            continue
        if {*values, url.database or values[0]} != {values[0]}:
            names = [each for each in (url.database, *values) if each]
            raise Misleading(
                key,
                f"names two databases: {' and '.join(dict.fromkeys(names))} (by the option `{key}`)",
                f"Leave `{key}` out, and write the database's name before the `?`.",
            )
        url = url.set(database=values[0]).difference_update_query([key])
    return url


def _values(url: URL, key: str) -> tuple[str, ...]:
    given = url.query.get(key, ())
    return (given,) if isinstance(given, str) else tuple(given)
