"""The values that generated rows hold: for each type its borders, and as many plain values as a key needs.

The rules: text is empty, of one letter, as long as it may be, outside ASCII and outside the BMP, with trailing blanks,
quotes, backslashes, percent signs and line breaks, or looks like a number, a date or a boolean. Numbers are zero, one,
negative, the smallest and the largest. Dates are the earliest and the latest that the server has, and a leap day;
times have microseconds. JSON is null, empty, nested, or a number of 20 digits. Enums have all of their labels, bytes
are none or many. The first two values of a type are plain ones. Nothing here is random.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from sqlstrata.schema.types import stored_as
from sqlstrata.servers import kind_of

Type = sa.types.TypeEngine[Any]
Values = list[object]
_Any: TypeAlias = Any  # the classes have no common one with these attributes

_MANY = 3000
"""The length of text and bytes where the type gives none."""
_TEXTS = (
    "a", "7", "", "ção ß", "\U0001f600 \U0001d4b3", "trailing  ", "it's \"q\" `b`", "back\\slash \\n", "100% %s :x",
    "line\nbreak\t", "NULL", "0.50", "2024-02-29", "true",
)  # fmt: skip
_UTC = dt.UTC
_BITS = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "BIGINT": 64}


def borders(type_: Type, dialect: str) -> Values:
    """The values of a type on a server; none where nothing is known of the type."""
    stored = stored_as(type_, dialect)
    for classes, values in _BORDERS:
        if isinstance(stored, classes):
            return values(stored, dialect)
    return []


def plain(type_: Type, dialect: str) -> Iterator[object]:
    """Values that all differ, also for a server that ignores case, accents and trailing blanks."""
    stored = stored_as(type_, dialect)
    for classes, value in _PLAIN:
        if isinstance(stored, classes):
            yield from (value(stored, number) for number in range(10, 1000))
            return


# ------------------------------------------------------------------------------- borders


def _labels(type_: _Any, _: str) -> Values:
    members = getattr(type_, "enum_class", None)
    return list(type_.enums) if members is None else list(members.__members__.values())


def _sets(type_: mysql.SET, _: str) -> Values:
    return [{type_.values[0]}, set(type_.values), set(), *({each} for each in type_.values[1:])]


def _texts(type_: sa.String, _: str) -> Values:
    length = type_.length or {"TINYTEXT": 255}.get(type(type_).__name__, _MANY)
    return list(dict.fromkeys(text[:length] for text in (*_TEXTS, "x" * length)))


def _integers(type_: sa.Integer, _: str) -> Values:
    bits = _BITS.get(type_.__visit_name__.upper().replace("_INTEGER", "INT"), 32)
    if getattr(type_, "unsigned", False):
        return [1, 7, 0, 2**bits - 1]
    return [1, 7, 0, -1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))]


def _numerics(type_: sa.Numeric[Any], dialect: str) -> Values:
    precision, scale = type_.precision, type_.scale or 0
    if precision is None:
        precision, scale = (10, 0) if kind_of(dialect).name == "mariadb" else (18, 6)
    smallest = decimal.Decimal(1).scaleb(-scale)
    largest = decimal.Decimal(10) ** (precision - scale) - smallest
    found = [smallest * 10**scale, smallest * 15 * 10 ** max(scale - 1, 0), 0 * smallest, smallest, largest]
    return list(found) if getattr(type_, "unsigned", False) else [*found, -largest, -smallest]


def _floats(type_: sa.Float[Any], _: str) -> Values:
    found: Values = [1.0, 7.5, 0.0, 1e-30, 1e38]
    return found if getattr(type_, "unsigned", False) else [*found, -1.5, -1e38]


def _dates(_: Type, dialect: str) -> Values:
    earliest = 1000 if kind_of(dialect).name == "mariadb" else 1
    return [dt.date(2024, 1, 1), dt.date(2023, 7, 31), dt.date(earliest, 1, 1), dt.date(9999, 12, 31),
            dt.date(2024, 2, 29), dt.date(1970, 1, 1)]  # fmt: skip


def _datetimes(type_: _Any, dialect: str) -> Values:
    if isinstance(type_, mysql.TIMESTAMP):
        found = [dt.datetime(2024, 1, 1), dt.datetime(1970, 1, 2), dt.datetime(2038, 1, 18, 3, 14, 7)]  # noqa: DTZ001
        return [*found, dt.datetime(2024, 2, 29, 23, 59, 59, 999999)]  # noqa: DTZ001
    zone = _UTC if type_.timezone else None
    latest = 30 if zone else 31  # a session's time zone may lie to the east
    earliest = dt.date(1000, 1, 1) if zone or kind_of(dialect).name == "mariadb" else dt.date(1, 1, 1)
    days = [dt.date(2024, 1, 1), dt.date(2023, 7, 31), earliest, dt.date(9999, 12, latest), dt.date(1970, 1, 1)]
    whole = [dt.datetime.combine(day, dt.time(), zone) for day in days]
    return [*whole, dt.datetime(2024, 2, 29, 23, 59, 59, 999999, zone), dt.datetime(2024, 3, 31, 2, 30, 0, 1, zone)]


def _times(type_: _Any, _: str) -> Values:
    zone = _UTC if type_.timezone else None
    return [dt.time(12, tzinfo=zone), dt.time(7, 30, tzinfo=zone), dt.time(0, tzinfo=zone),
            dt.time(23, 59, 59, 999999, zone), dt.time(0, 0, 0, 1, zone)]  # fmt: skip


def _intervals(_: Type, __: str) -> Values:
    days = [dt.timedelta(days=number) for number in (1, 7, 0, -1, 400)]
    return [*days, dt.timedelta(hours=25, microseconds=1)]


def _bytes(type_: _Any, _: str) -> Values:
    length = type_.length or {"TINYBLOB": 255}.get(type(type_).__name__, _MANY)
    many = bytes(range(256)) * (length // 256 + 1)
    return list(dict.fromkeys(each[:length] for each in (b"a", b"7", b"", b"\x00\xff\\'%", many)))


def _uuids(type_: _Any, _: str) -> Values:
    found = [uuid.UUID(int=number) for number in (1, 7, 0, 2**128 - 1, 0x12345678123456781234567812345678)]
    return list(found) if type_.as_uuid else [str(each) for each in found]


def _documents(_: Type, __: str) -> Values:
    return [{"n": 1}, [1, "a", None], sa.JSON.NULL, {"a": {"b": [{"c": None}]}}, [12345678901234567890], {}, [],
            "ção \U0001f600 \"'\\ %", True, 0.1]  # fmt: skip


def _arrays(type_: _Any, dialect: str) -> Values:
    inner = borders(type_.item_type, dialect)
    found: Values = [inner[:1], inner[:2], [], inner, [None, *inner[:1]]] if inner else [[]]
    for _ in range((type_.dimensions or 1) - 1):
        found = [[each] if each else [] for each in found]
    return found


def _ranges(type_: _Any, _: str) -> Values:
    kind = type(type_).__name__
    one: Callable[[int], object] = int
    if kind.startswith("DATE"):
        one = lambda day: dt.date(2024, 1, day)  # noqa: E731
    elif kind.startswith("TS"):
        zone = _UTC if kind.startswith("TSTZ") else None
        one = lambda day: dt.datetime(2024, 1, day, tzinfo=zone)  # noqa: E731
    elif kind.startswith("NUM"):
        one = decimal.Decimal
    pairs = ((1, 5), (6, 7), (8, None), (None, 1))
    found = [postgresql.Range(*(None if each is None else one(each) for each in pair)) for pair in pairs]
    found.append(postgresql.Range(empty=True))
    return [[each] for each in found] if kind.endswith("MULTIRANGE") else list(found)


def _bits(type_: _Any, _: str) -> Values:
    length = type_.length or 1
    return ["1" * length, "0" * length] if isinstance(type_, postgresql.BIT) else [1, 0, 2**length - 1]


def _fixed(*values: object) -> Callable[[Any, str], Values]:
    return lambda _, __: list(values)


_BORDERS: tuple[tuple[type | tuple[type, ...], Callable[[Any, str], Values]], ...] = (
    (sa.Enum, _labels),
    (mysql.SET, _sets),
    (mysql.YEAR, _fixed(2024, 1999, 1901, 2155)),
    (mysql.BIT, _bits),
    (postgresql.BIT, _bits),
    ((mysql.TINYINT, sa.Integer), _integers),
    (sa.Boolean, lambda _, __: [True, False]),
    (sa.String, _texts),
    (sa.Float, _floats),
    (sa.Numeric, _numerics),
    (sa.DateTime, _datetimes),
    (sa.Date, _dates),
    (sa.Time, _times),
    ((sa.Interval, postgresql.INTERVAL), _intervals),
    (sa.Uuid, _uuids),
    (sa.JSON, _documents),
    (sa.ARRAY, _arrays),
    ((sa.LargeBinary, sa.BINARY, sa.VARBINARY), _bytes),
    (sa.LargeBinary.__mro__[1], _bytes),
    (postgresql.ranges.AbstractRange, _ranges),
    (postgresql.DOMAIN, lambda type_, dialect: borders(type_.data_type, dialect)),
    (postgresql.HSTORE, _fixed({"a": "1"}, {}, {"a": None, "b": "'\""})),
    (postgresql.INET, _fixed("127.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "255.255.255.255", "::1")),
    (postgresql.CIDR, _fixed("10.0.0.0/8", "192.168.0.0/24", "0.0.0.0/0", "::1/128")),
    (postgresql.MACADDR, _fixed("08:00:2b:01:02:03", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")),
    (postgresql.MONEY, _fixed("1.50", "7.00", "0", "-92233720368547758.08", "92233720368547758.07")),
    (postgresql.OID, _fixed(1, 7, 0, 2**32 - 1)),
    (postgresql.TSVECTOR, _fixed("'a':1", "'b':1 'c':2", "")),
)

# --------------------------------------------------------------------------- plain values


def _text(type_: sa.String, number: int) -> str:
    return f"v{number}" if type_.length is None or type_.length > 3 else _digits(number)[-type_.length :]  # noqa: PLR2004


def _digits(number: int) -> str:
    """A number in few letters, so that as many as possible differ in a short column."""
    return chr(98 + number // 24 % 24) + chr(98 + number % 24)


def _day(number: int) -> dt.date:
    return dt.date(2000, 1, 1) + dt.timedelta(days=number)


_PLAIN: tuple[tuple[type | tuple[type, ...], Callable[[Any, int], object]], ...] = (
    ((sa.Enum, mysql.SET, sa.Boolean, mysql.BIT, postgresql.BIT), lambda _, __: None),
    (mysql.YEAR, lambda _, number: 1901 + number % 250),
    ((mysql.TINYINT, sa.Integer, postgresql.OID), lambda _, number: number),
    (sa.String, _text),
    (sa.Float, lambda _, number: float(number)),
    (sa.Numeric, lambda type_, number: decimal.Decimal(number).scaleb(-(type_.scale or 0))),
    (sa.DateTime, lambda type_, number: dt.datetime.combine(_day(number), dt.time(), _UTC if type_.timezone else None)),
    (sa.Date, lambda _, number: _day(number)),
    (sa.Time, lambda type_, number: dt.time(number // 60 % 24, number % 60, tzinfo=_UTC if type_.timezone else None)),
    ((sa.Interval, postgresql.INTERVAL), lambda _, number: dt.timedelta(minutes=number)),
    (sa.Uuid, lambda type_, number: uuid.UUID(int=number) if type_.as_uuid else str(uuid.UUID(int=number))),
    (sa.JSON, lambda _, number: {"n": number}),
    (sa.LargeBinary.__mro__[1], lambda type_, number: str(number).encode()[-(type_.length or 9) :]),
    (postgresql.INET, lambda _, number: f"10.0.{number // 256}.{number % 256}"),
    (postgresql.CIDR, lambda _, number: f"10.{number // 256}.{number % 256}.0/24"),
    (postgresql.MONEY, lambda _, number: str(number)),
)

# ---------------------------------------------------------------- values that a CHECK names

_NUMBER = re.compile(r"(?<![\w'])-?\d+(?:\.\d+)?")
_STRING = re.compile(r"'((?:[^']|'')*)'")


def named(text: str, type_: Type, dialect: str) -> Values:
    """Values of a type that a condition's own literals suggest: those, their neighbours, and text of such lengths."""
    kinds = {type(each) for each in islice(borders(type_, dialect), 1)}
    numbers = [decimal.Decimal(each) for each in _NUMBER.findall(text)]
    near = [number + more for number in numbers for more in (0, 1, -1)]
    strings = [each.replace("''", "'") for each in _STRING.findall(text)]
    found: Values = []
    if int in kinds:
        found += [int(each) for each in near]
    if decimal.Decimal in kinds:
        found += near
    if float in kinds:
        found += [float(each) for each in near]
    if str in kinds:
        found += [*strings, *(each.replace("%", "a").replace("_", "a") for each in strings)]
        found += ["x" * int(each) for each in near if 0 <= each <= _MANY] + ["A", "ab", "a1", "a@b.cd"]
    for kind in (dt.date, dt.datetime) if kinds & {dt.date, dt.datetime} else ():
        found += [made for each in strings if kind in kinds and (made := _moment(kind, each)) is not None]
    return list(dict.fromkeys(found))


def _moment(kind: type[dt.date], text: str) -> dt.date | None:
    try:
        return kind.fromisoformat(text)
    except ValueError:
        return None
