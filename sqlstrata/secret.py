"""Hiding passwords in texts.

A password is known from a URL, from an option of one, or from the environment. It is hidden in every spelling: each of
its characters may be escaped as URLs, Python, JSON and SQL do it. So are the parts into which a URL's parser splits a
password that was not escaped.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, TextIO, cast
from urllib.parse import unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORTEST = 4  # a shorter word is in too many others
_ALONE = 8  # a shorter word of letters and digits is hidden only where it stands alone
_KEYS = ("password", "passwd", "password1", "password2", "password3", "sslpassword", "ssl_key_password")
_VARIABLES = ("PGPASSWORD", "MYSQL_PWD")
_URLS = ("DATABASE_URL",)
_IN_A_URL = re.compile(r"(://[^\s:/]*):\S*@")
_IN_AN_OPTION = re.compile(rf"(?i)([?&]({'|'.join(_KEYS)})=)[^&\s'\"`]+")
_OPTION = re.compile(r"(?:^|&)([a-z_]+)=")
_OPTIONS = frozenset(
    "application_name client_encoding database db dbname fallback_application_name host hostaddr init_command options "
    "passfile passwd password program_name read_default_file read_default_group require_auth service servicefile "
    "ssl_ca ssl_capath ssl_cert ssl_key ssl_key_password sslcert sslcrl sslcrldir sslkey sslpassword sslrootcert "
    "unix_socket user username".split()
)
"""Options whose values may have an `@`; any other `@` ends the password, even behind a `?`."""

_secrets: set[str] = set()


def keep_secret(password: str) -> None:
    """Hide a password in every text that is `masked`, for as long as the program runs."""
    _secrets.update(_variants(password))


def keep_url(text: str) -> None:
    """Hide the passwords of a URL, its user's and those in options; also where the URL is malformed.

    Where there are several `@`, all up to the last one may be the password.
    """
    rest = text.partition("://")[2]
    keys = "|".join(_KEYS)
    for raw in (_password(rest), *re.findall(rf"(?i)[?&](?:{keys})=([^&]*)", rest)):
        for each in {raw, unquote(raw), unquote_plus(raw), unquote(raw, "latin-1")}:
            keep_secret(each)


def is_ambiguous(text: str) -> bool:
    """Whether a URL has a password with an `@` that is not escaped, so that a part of it is taken for a host."""
    return "@" in _password(text.partition("://")[2])


def _password(rest: str) -> str:
    """The password in the text after `://`, as it is written there."""
    user, _, password = rest[: _end(rest)].partition(":")
    return "" if "/" in user else password


def _end(rest: str) -> int:
    """Where the user's name and password end, in the text after `://`."""
    question = rest.find("?")
    last = rest.rfind("@")
    if -1 < question < last and "@" in rest[:question]:
        names = _OPTION.findall(rest[question + 1 : last])
        if names and names[-1] in _OPTIONS and "?" not in rest[last:]:
            last = rest.rfind("@", 0, question)
    return max(last, 0)


def _variants(password: str) -> Iterator[str]:
    """The password and its parts, as they are and with their UTF-8 read as Latin-1."""
    for each in (password, *re.split("[@:/#?]", password), *re.split(r"[@:/#?&=\s]+", password)):
        if len(each) >= _SHORTEST:
            yield each
            yield each.encode("utf-8", "replace").decode("latin-1")


def masked(text: str) -> str:
    """Hide the password of every URL in a text, and every password that the program knows."""
    text = _IN_AN_OPTION.sub(r"\1***", _IN_A_URL.sub(r"\1:***@", text))
    for name in _VARIABLES:
        keep_secret(os.environ.get(name, ""))
    for name in _URLS:
        keep_url(os.environ.get(name, ""))
    return _pattern(frozenset(_secrets)).sub("***", text) if _secrets else text


@lru_cache(maxsize=1)
def _pattern(passwords: frozenset[str]) -> re.Pattern[str]:
    return re.compile("|".join(_written(each) for each in sorted(passwords, key=lambda each: (-len(each), each))))


def _written(password: str) -> str:
    """The pattern of a password in all spellings; a common word only where it is no part of another."""
    inside = "".join(_run(kind, len(list(run))) for kind, run in groupby(password, _kind))
    if password.isalpha() or (password.isalnum() and len(password) < _ALONE):
        return rf"{_BEGINS}{inside}(?!\w)"
    return f"(?i:{inside})"


_BEGINS = r"(?:(?<!\w)|(?<=%[0-9a-fA-F]{2})|(?<=\\x[0-9a-fA-F]{2})|(?<=\\u[0-9a-fA-F]{4})|(?<=\\[nrt]))"
"""What may be before a word: no letter, unless it belongs to an escape."""


def _kind(character: str) -> str:
    return " " if character.isspace() else character


def _run(character: str, number: int) -> str:
    """A character, repeated. Runs of blanks are often shortened to one; escaping doubles backslashes and %."""
    if character == " ":
        return (
            r"(?:\s|\+|%{1,2}(?:25){0,3}(?:20|0[9a-dA-D])|\\{1,4}(?:[nrtvf]|x[0-9a-fA-F]{2}|u00[0-9a-fA-F]{2})){1,64}"
        )
    most = 8 * number  # a bound, for texts of nothing else
    if character == "\\":
        return rf"(?:\\|%{{1,2}}(?:25){{0,3}}5[cC]){{{number},{most}}}"
    if character == "%":
        return rf"(?:%(?:25){{0,3}}){{{number},{most}}}"
    return _one(character) * number


@lru_cache(maxsize=1024)
def _one(character: str) -> str:
    """One character in all spellings."""
    ways = [rf"\\{{0,4}}{re.escape(character)}", *_escaped(character)]
    if character in "'\"`":
        ways.insert(0, character * 2)
    return f"(?:{'|'.join(ways)})"


def _escaped(character: str) -> Iterator[str]:
    number = ord(character)
    for encoding in ("utf-8", "latin-1", "utf-16-be"):
        try:
            octets = character.encode(encoding)
        except UnicodeEncodeError:
            continue
        if encoding == "utf-16-be":
            yield "".join(rf"\\{{1,4}}u{_hex(octets[place : place + 2])}" for place in range(0, len(octets), 2))
        else:
            yield "".join(rf"%{{1,2}}(?:25){{0,3}}{_hex(bytes([each]))}" for each in octets)
            yield "".join(rf"\\{{1,4}}x{_hex(bytes([each]))}" for each in octets)
    yield rf"\\{{1,4}}U{_hex(number.to_bytes(4, 'big'))}"


def _hex(octets: bytes) -> str:
    """Hexadecimal digits in either case."""
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in octets.hex())


def masked_within(value: object) -> object:
    """Data with the passwords in its texts hidden."""
    match value:
        case str():
            return masked(value)
        case dict():
            return {key: masked_within(each) for key, each in value.items()}
        case list() | tuple():
            return [masked_within(each) for each in value]
        case _:
            return value


class _Masking:
    """A text stream that hides passwords."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(masked(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextmanager
def masked_errors() -> Iterator[None]:
    """Hide passwords in everything that is written to standard error, such as Python's warnings."""
    before = sys.stderr
    sys.stderr = cast("TextIO", _Masking(before))
    try:
        yield
    finally:
        sys.stderr = before
