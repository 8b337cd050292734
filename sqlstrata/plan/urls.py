"""Database URLs: read, and refused where an option could lead to another database than the URL names.

Drivers let options override the rest of the URL, so `…/mine?dbname=other` connects to `other`. Here an option may only
add what the part before the `?` leaves out. URLs for other drivers are translated (sqlstrata.plan.drivers).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from sqlstrata.plan.drivers import LOCAL, Unusable, ours

_DATABASE = ("dbname", "database", "db")
"""Options for the database's name: of libpq; of asyncpg and pg8000; the last two of MariaDB's drivers."""
_ELSEWHERE = {
    "host": "host",
    "port": "port",
    "user": "username",
    "username": "username",
    "password": "password",
    "passwd": "password",
    "password1": "password",
}
"""Options that repeat a part of the URL, and that part in SQLAlchemy's URL."""
_OF_A_FILE_URI = {"uri", "mode", "cache", "vfs", "immutable", "nolock", "psow"}
"""What SQLite reads from a `file:` URI (sqlite.org/uri.html)."""
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Given:
    """A URL as migrations use it, and which options are ignored, as the end of a sentence after "the URL"."""

    url: URL
    ignored: str | None = None


def as_url(text: str | URL) -> URL:
    """The URL of `given`."""
    return given(text).url


def note(text: str) -> str | None:
    """A sentence about the ignored options of a URL. None where there are none, or where the URL is wrong."""
    try:
        ignored = given(text).ignored
    except (ArgumentError, Unusable):
        return None
    return ignored and f"The URL {ignored}."


def given(text: str | URL) -> Given:
    """Parse a URL, for the driver that migrations run with, and with the database's name in its place.

    Raises ArgumentError where it is not a URL, Unusable where it could lead to another database than it names, or is
    for a server or driver that is not supported. NUL (%00) is refused because libpq would end the text there.
    """
    try:
        value = make_url(text)
    except ValueError as error:  # of a port that is no number
        raise ArgumentError(str(error)) from error
    if value.port is not None and not 0 < value.port <= _LAST_PORT:
        message = f"Port {value.port} does not exist."
        raise ArgumentError(message)
    if "\0" in unquote(value.render_as_string(hide_password=False)):
        message = "A URL cannot contain NUL."
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
            "is a file: URI, which only SQLite can interpret",
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
                f"has its {place} twice: before the `?`, and in the option `{key}`, which would override it",
                f"Remove `{key}`.",
                key,
            )
    hosts = [each for key in ("host", "hostaddr", "port") for each in _values(url, key)[:2]]
    if any("," in each for each in hosts) or any(len(_values(url, key)) > 1 for key in ("host", "hostaddr", "port")):
        raise Unusable(
            "has several servers under `host`, and a scratch database could be created on any of them",
            "Name the one server that the migrations are for.",
            "host",
        )
    if "unix_socket" in url.query and url.host not in LOCAL:
        raise Unusable(
            f"has the server {(url.host or '').rpartition('@')[2]}, and with `unix_socket` one on this machine",
            "Remove one of the two.",
            "unix_socket",
        )


def _named_once(url: URL) -> URL:
    """The URL without options for the database's name, which moves to its place where the path has none."""
    for key in _DATABASE:
        values = _values(url, key)
        if not values:
            continue
        if {*values, url.database or values[0]} != {values[0]}:
            names = [each for each in (url.database, *values) if each]
            raise Unusable(
                f"has two databases: {' and '.join(dict.fromkeys(names))} (in the option `{key}`)",
                f"Remove `{key}`, and write the database's name before the `?`.",
                key,
            )
        url = url.set(database=values[0]).difference_update_query([key])
    return url


def _values(url: URL, key: str) -> tuple[str, ...]:
    given = url.query.get(key, ())
    return (given,) if isinstance(given, str) else tuple(given)
