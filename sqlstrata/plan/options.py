"""The options after the `?` of a database URL: which one is wrong, and its place in config.yaml.

Drivers report a wrong option as a TypeError, as a server that does not answer, or not at all. What is certainly wrong
is refused before a connection is opened (`require`); what another version of the driver may accept is checked only
after a connection has failed (`fault`), and so are libpq's environment variables.
"""

from __future__ import annotations

import os
import ssl
from configparser import Error as ConfigParserError
from configparser import RawConfigParser
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import ArgumentError

from sqlstrata import servers
from sqlstrata.errors import Where, WrongUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL

_FILES = {
    "mysql": ("ssl_ca", "ssl_cert", "ssl_key", "read_default_file"),
    "postgresql": ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile", "servicefile"),
}
_FOLDERS = {"mysql": ("ssl_capath",), "postgresql": ("sslcrldir",)}
_OBJECTS = {
    "mysql": ("auth_plugin_map", "conv", "cursorclass", "compress", "named_pipe", "defer_connect", "port", "ssl"),
    "postgresql": ("context", "cursor_factory", "row_factory"),
}
"""Options whose values are Python objects, which no text can express."""
_SQLITE = ("cached_statements", "check_same_thread", "detect_types", "isolation_level", "timeout", "uri")
_TLS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "sslcertmode": ("disable", "allow", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "channel_binding": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "ssl_min_protocol_version": _TLS,
    "ssl_max_protocol_version": _TLS,
}
"""The words that libpq accepts (its documentation, 34.1.2); a later version may accept more."""
_NUMBERS = {
    "mysql": ("max_allowed_packet",),
    "postgresql": (
        *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        *("tcp_user_timeout", "port", "prepare_threshold"),
    ),
}
_VARIABLES = {
    key: "PGCONNECT_TIMEOUT" if key == "connect_timeout" else f"PG{key.replace('_', '').upper()}"
    for key in (
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "sslcrldir",
        "servicefile",
        "connect_timeout",
        "port",
        *_WORDS,
    )
}
"""libpq's environment variables for these options."""
_LAST_PORT = 65535
_REFUSED: dict[object, str] = {1115: "charset", 1231: "sql_mode", 1273: "collation"}
"""MariaDB's error numbers for an unknown value, and the option that it comes from."""

_places: dict[tuple[str, str], Where] = {}


def remember(url: URL, where: Where) -> None:
    """Keep the place in config.yaml of a URL's options, for errors about one of them."""
    for key, value in _pairs(url):
        _places[key, value] = where


def require(url: URL) -> None:
    """Refuse an option that no version of the driver can use, without connecting. Raises WrongUse that names it."""
    kind = _kind(url)
    for key, value in _pairs(url):
        reason = _unusable(url, kind, key, value)
        if reason:
            raise _wrong(key, value, reason)


def fault(url: URL, code: object = None) -> WrongUse | None:
    """The error for the option, or libpq's variable, that explains why a connection has failed.

    `code` is MariaDB's error number. None where all options look right.
    """
    kind = _kind(url)
    given = dict(_pairs(url))
    for key, value in given.items():
        reason = _unfit(kind, key, value, given) or ("the server does not know it" if _REFUSED.get(code) == key else "")
        if reason:
            return _wrong(key, value, reason)
    for key, variable in _VARIABLES.items() if kind == "postgresql" else ():
        value = os.environ.get(variable, "")
        reason = _missing(kind, key, value) or _unfit(kind, key, value, {})
        if value and key not in given and reason:
            message = f"The environment variable {variable} is `{value}`, but {reason}."
            return WrongUse(message, hint="Correct it, or unset it.")
    return None


def _kind(url: URL) -> str:
    return servers.key_of(url.get_backend_name())


def _pairs(url: URL) -> Iterator[tuple[str, str]]:
    for key, value in url.query.items():
        for each in (value,) if isinstance(value, str) else value:
            yield key, each


def _wrong(key: str, value: str, reason: str) -> WrongUse:
    message = f"The URL's option `{key}` is `{value}`, but {reason}."
    hint = f"Correct `{key}=` in the URL, or remove the option."
    return WrongUse(message, where=_places.get((key, value)), hint=hint, option=key)


def _unusable(url: URL, kind: str, key: str, value: str) -> str:
    """Why no version of the driver can use the option; empty where one can."""
    if key in _OBJECTS.get(kind, ()):
        return "this driver accepts it from Python code only"
    if kind == "sqlite" and key not in _SQLITE:  # with `uri`, SQLite reads the options, and ignores unknown ones
        return "" if "uri" in url.query else "SQLite's driver has no such option"
    return _missing(kind, key, value) or _not_read(url, key)


def _missing(kind: str, key: str, value: str) -> str:
    """What is wrong with the file or folder that the option names."""
    file, folder = key in _FILES.get(kind, ()), key in _FOLDERS.get(kind, ())
    if not value or not (file or folder) or _is_no_path(key, value):
        return ""
    path = Path(value).expanduser() if key == "read_default_file" else Path(value)
    shown = "" if path.is_absolute() else f" ({path.absolute()})"
    if not os.path.lexists(path):
        return f"there is no such {'file' if file else 'folder'}{shown}"
    if path.is_dir() != folder:
        return f"that is {'a folder' if file else 'not a folder'}{shown}"
    return "" if os.access(path, os.R_OK) else f"it cannot be read{shown}"


def _is_no_path(key: str, value: str) -> bool:
    """libpq: `system` is the system's certificates, and engine:name a key in an engine."""
    return (key, value) == ("sslrootcert", "system") or (key == "sslkey" and ":" in value)


def _not_read(url: URL, key: str) -> str:
    """Why SQLAlchemy cannot convert the option's value for the driver."""
    alone = url.set(query={key: url.query[key]})
    try:
        alone.get_dialect()().create_connect_args(alone)
    except (ArgumentError, TypeError, ValueError) as error:
        return f"it cannot be read: {str(error).rstrip('.')}"
    except ModuleNotFoundError:  # the driver: making the engine reports that
        return ""
    return ""


def _unfit(kind: str, key: str, value: str, given: dict[str, str]) -> str:
    """Why the option's value is wrong, according to the driver's documentation."""
    if kind == "postgresql" and value and key in _WORDS and value not in _WORDS[key]:
        return f"it must be one of {', '.join(_WORDS[key])}"
    if key in _NUMBERS.get(kind, ()) and value and not _is_number(value):
        return "it must be a whole number"
    if key == "port" and value.isdecimal() and not 0 < int(value) <= _LAST_PORT:
        return f"the highest port is {_LAST_PORT}"
    if key == "charset" and kind == "mysql" and not _is_charset(value):
        return "PyMySQL has no such character set"
    return _not_loaded(key, value, given.get("ssl_key") or given.get("sslkey"))


def _is_number(value: str) -> bool:
    return value.strip().removeprefix("-").isdecimal()


def _is_charset(value: str) -> bool:
    known = import_module("pymysql.charset")  # the driver is only installed where it is used
    return known.charset_by_name(value) is not None


def _not_loaded(key: str, value: str, private: str | None) -> str:
    """Why a file of certificates, of a key or of PyMySQL's options cannot be loaded, or the ciphers are unknown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    loads: dict[str, Callable[[], object]] = {
        "ssl_ca": lambda: context.load_verify_locations(cafile=value),
        "sslrootcert": lambda: context.load_verify_locations(cafile=value),
        "ssl_cert": lambda: context.load_cert_chain(value, private, _no_password),
        "sslcert": lambda: context.load_cert_chain(value, private, _no_password),
        "ssl_cipher": lambda: context.set_ciphers(value),
        "read_default_file": lambda: RawConfigParser(strict=False, allow_no_value=True).read(Path(value).expanduser()),
    }
    if key not in loads or _is_no_path(key, value) or _locked(private):
        return ""
    with suppress(FileNotFoundError):
        try:
            loads[key]()
        except ConfigParserError as error:
            return f"it cannot be read: {str(error).splitlines()[0].rstrip('.')}"
        except OSError as error:
            return f"OpenSSL cannot use it: {getattr(error, 'reason', None) or error}"
    return ""


def _no_password() -> str:
    return ""


def _locked(private: str | None) -> bool:
    """Whether the private key is encrypted, so that it cannot be checked without its password."""
    with suppress(OSError):
        return bool(private) and b"ENCRYPTED" in Path(str(private)).read_bytes()
    return False
