"""URLs of other drivers, translated for the driver that migrations run with.

Options that our driver has under another name or in another form are translated. Those that only concern the other
driver are ignored, with a note. Those that could weaken TLS or lead to another server if they were ignored are refused.
Unknown options stay, for our driver to accept or refuse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy.engine import URL

from sqlstrata import servers
from sqlstrata.servers import DIALECTS, kind_of

LOCAL = {None, "", "localhost", "127.0.0.1", "::1"}
_SCHEMES = {"postgres": "postgresql"}
"""Names that SQLAlchemy no longer accepts but hosts still use (Heroku)."""


class Unusable(ValueError):
    """A URL that is refused: what it does (after "the URL"), what to write instead, and the option, if it is one."""

    def __init__(self, does: str, hint: str, key: str | None = None) -> None:
        super().__init__(f"The URL {does}.")
        self.key, self.does, self.hint = key, does, hint


Translation: TypeAlias = "Callable[[URL, str], Mapping[str, str] | None]"
"""Our driver's options for an option of the URL with this value; None where there are none, and it is ignored."""


@dataclass(frozen=True, slots=True)
class Driver:
    """Another driver's options: those renamed, translated, ignored, and refused with a hint."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    translated: Mapping[str, Translation] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- values


def _is_true(key: str, value: str) -> bool:
    word = value.lower()
    if word not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise Unusable(f"has the option `{key}`, which must be true or false", f"Write `{key}=true`.", key)
    return word in {"1", "true", "yes", "on"}


def _has_ca(url: URL) -> bool:
    return bool({"ssl_ca", "ssl_capath"} & url.query.keys())


def _require_ca(url: URL, key: str) -> None:
    """PyMySQL checks the server's name only where it has trusted certificates."""
    if not _has_ca(url):
        does = f"has the option `{key}` without `ssl_ca`, so PyMySQL could not check the server's certificate"
        raise Unusable(does, "Add `ssl_ca`, the file with the trusted certificates.", key)


# ---------------------------------------------------------------- PostgreSQL


def _sslmode(_: URL, value: str) -> Mapping[str, str]:
    """Asyncpg's `ssl` takes libpq's words; true is not one of them, but common."""
    return {"sslmode": {"true": "require", "false": "disable"}.get(value.lower(), value)}


def _seconds(_: URL, value: str) -> Mapping[str, str]:
    """Libpq counts in whole seconds."""
    try:
        return {"connect_timeout": str(math.ceil(float(value)))}
    except (ValueError, OverflowError):
        return {"connect_timeout": value}


def _direct(_: URL, value: str) -> Mapping[str, str]:
    return {"sslnegotiation": "direct"} if _is_true("direct_tls", value) else {}


def _keepalives(_: URL, value: str) -> Mapping[str, str]:
    return {"keepalives": "1" if _is_true("tcp_keepalive", value) else "0"}


def _socket(url: URL, value: str) -> Mapping[str, str]:
    """pg8000 takes the socket's file; libpq its folder, as a host, and the port in the file's name."""
    found = re.fullmatch(r"(/.*)/\.s\.PGSQL\.(\d+)", value)
    if url.host not in LOCAL:
        host = (url.host or "").rpartition("@")[2]
        does = f"has the server {host}, and with `unix_sock` one on this machine"
        raise Unusable(does, "Remove one of the two.", "unix_sock")
    if found is None:
        does = "has the option `unix_sock`, which is not the path of a PostgreSQL socket"
        raise Unusable(does, "Write the folder of the socket as `host=/folder`.", "unix_sock")
    return {"host": found[1], "port": found[2]}


_DSN = "Write the server and the database before the `?`."
_SSLMODE = "Write `sslmode=require`, or `sslmode=verify-full` with `sslrootcert`."
_LIBPQ = Driver(ignored=("async", "async_"), refused={"dsn": _DSN})
_ASYNCPG = Driver(
    translated={"ssl": _sslmode, "timeout": _seconds, "direct_tls": _direct},
    ignored=(
        *("command_timeout", "server_settings", "statement_cache_size", "max_cached_statement_lifetime"),
        *("max_cacheable_statement_size", "prepared_statement_cache_size", "prepared_statement_name_func"),
        *("connection_class", "record_class", "loop", "async_fallback"),
        *("min_size", "max_size", "max_queries", "max_inactive_connection_lifetime"),
    ),
    refused={"dsn": _DSN},
)
_PG8000 = Driver(
    translated={"timeout": _seconds, "tcp_keepalive": _keepalives, "unix_sock": _socket},
    ignored=("source_address", "startup_params"),
    refused={"ssl_context": _SSLMODE, "ssl": _SSLMODE, "sock": _DSN},
)

# ---------------------------------------------------------------- MariaDB


def _ssl_mode(url: URL, value: str) -> Mapping[str, str]:
    """The words of MySQL's clients. With trusted certificates PyMySQL checks by them, including the name."""
    words = {"DISABLED": {"ssl_disabled": "true"}, "PREFERRED": {}, "REQUIRED": {"ssl_check_hostname": "false"}}
    checked = {"VERIFY_CA": {"ssl_check_hostname": "false"}, "VERIFY_IDENTITY": {"ssl_check_hostname": "true"}}
    word = value.upper()
    if word in checked:
        _require_ca(url, "ssl_mode")
    elif word not in words:
        hint = f"It must be one of {', '.join({**words, **checked})}."
        raise Unusable("has an unknown value for the option `ssl_mode`", hint, "ssl_mode")
    return {**words, **checked}[word]


def _verify_cert(url: URL, value: str) -> Mapping[str, str] | None:
    """With trusted certificates PyMySQL always checks; without any, by those of the system."""
    if _is_true("ssl_verify_cert", value):
        return {} if _has_ca(url) else {"ssl_verify_cert": "true"}
    return None if _has_ca(url) else {}


def _verify_identity(url: URL, value: str) -> Mapping[str, str]:
    if _is_true("ssl_verify_identity", value):
        _require_ca(url, "ssl_verify_identity")
        return {"ssl_check_hostname": "true"}
    return {"ssl_check_hostname": "false"} if _has_ca(url) else {}


def _ssl_disabled(_: URL, value: str) -> Mapping[str, str]:
    """PyMySQL takes any text as true."""
    return {"ssl_disabled": "true"} if _is_true("ssl_disabled", value) else {}


def _ssl(url: URL, value: str) -> Mapping[str, str]:
    """PyMySQL requires TLS if any of its TLS options is given."""
    return {"ssl_check_hostname": "false"} if _is_true("ssl", value) and not _has_ca(url) else {}


_SSL_MODE: Mapping[str, Translation] = {"ssl_mode": _ssl_mode, "ssl-mode": _ssl_mode}
_NO_CRL = "PyMySQL has no such option. Remove it if the migrations can do without it, and write `ssl_ca`."
_MYSQLDB = Driver(translated=_SSL_MODE, ignored=("auth_plugin", "compress", "multi_statements"))
_ASYNC = Driver(
    translated=_SSL_MODE,
    ignored=(
        *("echo", "loop", "auth_plugin", "async_fallback", "cursor_cls"),
        *("minsize", "maxsize", "pool_recycle"),
    ),
)
_CONNECTOR = Driver(
    renamed={
        "username": "user",
        "password1": "password",
        "connection_timeout": "connect_timeout",
        "allow_local_infile": "local_infile",
        "option_files": "read_default_file",
        "option_groups": "read_default_group",
    },
    translated={
        **_SSL_MODE,
        "ssl_verify_cert": _verify_cert,
        "ssl_verify_identity": _verify_identity,
        "ssl_disabled": _ssl_disabled,
    },
    ignored=(
        *("auth_plugin", "get_warnings", "raise_on_warnings", "buffered", "raw", "consume_results", "force_ipv6"),
        *("pool_name", "pool_size", "pool_reset_session", "compress", "converter_class", "converter_str_fallback"),
        *("use_pure", "conn_attrs", "kerberos_auth_mode", "krb_service_principal", "time_zone", "client_flags"),
        *("allow_local_infile_in_path", "oci_config_file", "oci_config_profile", "password2", "password3"),
        *("tls_versions", "tls_ciphersuites"),
    ),
    refused={"dsn": _DSN, "failover": _DSN},
)
_MARIADBCONNECTOR = Driver(
    renamed={"username": "user", "default_file": "read_default_file", "default_group": "read_default_group"},
    translated={"ssl": _ssl, "ssl_verify_cert": _verify_cert, **_SSL_MODE},
    ignored=(
        *("compress", "plugin_dir", "reconnect", "status_callback", "tls_version", "converter", "prefetch_size"),
        *("pool_name", "pool_size", "pool_reset_connection", "pool_validation_interval", "dictionary", "named_tuple"),
    ),
    refused=dict.fromkeys(("ssl_crl", "ssl_crlpath", "tls_fp", "tls_fp_list"), _NO_CRL),
)

_DRIVERS: Mapping[str, Mapping[str, Driver]] = {
    "sqlite": {
        "pysqlite": Driver(),
        "aiosqlite": Driver(ignored=("async_fallback", "iter_chunk_size", "loop")),
    },
    "postgresql": {
        **dict.fromkeys(("psycopg", "psycopg_async", "psycopg2", "psycopg2cffi"), _LIBPQ),
        "asyncpg": _ASYNCPG,
        "pg8000": _PG8000,
    },
    "mariadb": {
        "pymysql": Driver(),
        "mysqldb": _MYSQLDB,
        "aiomysql": _ASYNC,
        "asyncmy": _ASYNC,
        "mysqlconnector": _CONNECTOR,
        "mariadbconnector": _MARIADBCONNECTOR,
    },
}
_USUAL = {"sqlite": "pysqlite", "postgresql": "psycopg2", "mariadb": "mysqldb"}
"""SQLAlchemy's default where a URL names no driver."""


def ours(url: URL) -> tuple[URL, str | None]:
    """The URL for the driver that migrations run with, and which options are ignored, as a sentence's end.

    Raises Unusable for an unsupported server or driver, or an option that cannot be ignored.
    """
    dialect, _, driver = url.drivername.partition("+")
    dialect = _SCHEMES.get(dialect, dialect)
    if dialect not in DIALECTS:
        raise Unusable(f"uses `{dialect}`, which is not supported", f"Supported are {servers.listed()}.")
    kind = kind_of(dialect)
    known = _DRIVERS[kind.name]
    if driver and driver not in known:
        does = f"uses the driver `{driver}`, which is not supported"
        raise Unusable(does, f"Write {kind.drivername(dialect)}://.")
    name = driver or _USUAL[kind.name]
    made, ignored = _translated(url, known[name])
    return made.set(drivername=kind.drivername(dialect)), _report(ignored, name, kind.driver)


def _translated(url: URL, driver: Driver) -> tuple[URL, list[str]]:
    """The URL with our driver's options, and the names of the ignored ones."""
    ignored = []
    for key in url.query:
        if key in driver.refused:
            raise Unusable(f"has the option `{key}`, which cannot be translated", driver.refused[key], key)
        if key in driver.renamed:
            url = _replaced(url, key, {driver.renamed[key]: url.query[key]})
        elif key in driver.translated:
            new = driver.translated[key](url, _one(url, key))
            url = _replaced(url, key, new or {})
            ignored += [key] if new is None else []
        elif key in driver.ignored:
            url = url.difference_update_query([key])
            ignored.append(key)
    return url, ignored


def _one(url: URL, key: str) -> str:
    value = url.query[key]
    if isinstance(value, str):
        return value
    raise Unusable(f"has the option `{key}` more than once", f"Write `{key}` once.", key)


def _replaced(url: URL, key: str, new: Mapping[str, str | tuple[str, ...]]) -> URL:
    """The URL with other options in place of one. Raises Unusable where one of them is there with another value."""
    rest = url.difference_update_query([key])
    for name, value in new.items():
        if rest.query.get(name, value) != value:
            does = f"has the options `{key}` and `{name}`, which contradict each other"
            raise Unusable(does, "Remove one of the two.", key)
    if "host" in new:  # a socket in the place of this machine's name
        rest = URL.create(rest.drivername, rest.username, rest.password, None, None, rest.database, rest.query)
    return rest.update_query_dict(new)


def _report(ignored: list[str], driver: str, ours: str) -> str | None:
    if not ignored:
        return None
    options = "the option" if len(ignored) == 1 else "the options"
    return f"has {options} {', '.join(f'`{each}`' for each in ignored)} of {driver}, ignored by {ours}"
