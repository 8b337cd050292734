"""Database URLs: read, and refused where an option could lead to another database than the URL names.

A driver lets options overrule what stands before them, so `…/mine?dbname=other` is a connection to `other`. Here the
server and the database stand before the `?`; an option may only say what nothing else says. URLs for other drivers
are translated (sqlstrata.plan.drivers).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from sqlstrata.plan.drivers import LOCAL, Unusable, ours

_DATABASE = ("dbname", "database", "db")
"""What drivers call the database: libpq the first, asyncpg and pg8000 the second, MariaDB's the last two."""
_ELSEWHERE = {
    "host": "host",
    "port": "port",
    "user": "username",
    "username": "username",
    "password": "password",
    "passwd": "password",
    "password1": "password",
}
"""Options that say once more what the URL has a place for, and its name in SQLAlchemy's URL."""
_OF_A_FILE_URI = {"uri", "mode", "cache", "vfs", "immutable", "nolock", "psow"}
"""What SQLite reads from a `file:` URI (sqlite.org/uri.html)."""
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Given:
    """A URL as migrations use it, and what was left out of it: the end of a sentence, after "the URL"."""

    url: URL
    left_out: str | None = None


def as_url(text: str | URL) -> URL:
    """The value of `given` alone."""
    return given(text).url


def note(text: str) -> str | None:
    """What a person must know of a URL: which options are left out. None where it is wrong: whoever uses it says so."""
    try:
        left_out = given(text).left_out
    except (ArgumentError, Unusable):
        return None
    return left_out and f"The URL {left_out}."


def given(text: str | URL) -> Given:
    """SQLAlchemy's value of it, for the driver that migrations run with, and with the database's name in its place.

    Raises ArgumentError where it is no URL, Unusable where it could lead to another database than it names, or is for
    a server or driver that is not supported. NUL (%00) is in no URL: libpq ends the text there, and would reach another
    database.
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
    if value.get_backend_name() == "sqlite":
        _require_no_uri(value)
        return Given(*ours(value))
    ours(value)  # is it one that is supported?
    _require_one_server(value)
    return Given(*ours(_named_once(value)))


def _require_no_uri(url: URL) -> None:
    if str(url.database).startswith("file:"):
        raise Unusable(
            "names a file: URI, and what that stands for is up to SQLite",
            "Write the path, as in sqlite:///exemplo.db.",
            "file",
        )
    for key in sorted(_OF_A_FILE_URI & url.query.keys()):
        raise Unusable(
            f"has the option `{key}`, with which SQLite may open another file than the path names",
            "Write the path alone, as in sqlite:///exemplo.db.",
            key,
        )


def _require_one_server(url: URL) -> None:
    for key, place in _ELSEWHERE.items():
        if key in url.query and getattr(url, place) not in {None, ""}:
            raise Unusable(
                f"names its {place} twice: before the `?`, and by the option `{key}`, which would overrule it",
                f"Leave `{key}` out.",
                key,
            )
    hosts = [each for key in ("host", "hostaddr", "port") for each in _values(url, key)[:2]]
    if any("," in each for each in hosts) or any(len(_values(url, key)) > 1 for key in ("host", "hostaddr", "port")):
        raise Unusable(
            "names several servers under `host`, and a scratch database would be made on any of them",
            "Name the one server that migrations are for.",
            "host",
        )
    if "unix_socket" in url.query and url.host not in LOCAL:
        raise Unusable(
            f"names the server {(url.host or '').rpartition('@')[2]} and by `unix_socket` one on this machine",
            "Leave one of the two out.",
            "unix_socket",
        )


def _named_once(url: URL) -> URL:
    """The URL without options for the database's name; one that says what the path leaves out goes there."""
    for key in _DATABASE:
        values = _values(url, key)
        if not values:
            continue
        if {*values, url.database or values[0]} != {values[0]}:
            names = [each for each in (url.database, *values) if each]
            raise Unusable(
                f"names two databases: {' and '.join(dict.fromkeys(names))} (by the option `{key}`)",
                f"Leave `{key}` out, and write the database's name before the `?`.",
                key,
            )
        url = url.set(database=values[0]).difference_update_query([key])
    return url


def _values(url: URL, key: str) -> tuple[str, ...]:
    given = url.query.get(key, ())
    return (given,) if isinstance(given, str) else tuple(given)
