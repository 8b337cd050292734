"""A value as text that is the same for values which differ only by the types of servers."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import uuid
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

_LONGEST = 120
"""Characters of a text that are kept as they are."""
_NOW = dt.timedelta(days=2)
"""How far from now a time may be to count as that of the proof."""


def likeness(value: object) -> str:
    """The text for a value as the models' types give it; of a class that is not known, its name alone."""
    for classes, written in _WRITTEN:
        if isinstance(value, classes):
            return written(value)
    return type(value).__name__


def _number(value: float | decimal.Decimal) -> str:
    """Without the type: a boolean may be 0 or 1, and a decimal a float."""
    digits = 6 if isinstance(value, float) else 12
    exact = decimal.Decimal(int(value) if isinstance(value, int) else f"{value:.{digits}g}")
    return str(exact.normalize())


def _moment(value: dt.datetime) -> str:
    """Seconds in UTC; the start of a day is the day."""
    value = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
    if abs(value - dt.datetime.now(dt.UTC).replace(tzinfo=None)) < _NOW:
        return "now"
    return value.replace(microsecond=0).isoformat(" ").removesuffix(" 00:00:00")


def _text(value: str) -> str:
    """Without blanks at the end; numbers, times and JSON as such."""
    text = value.rstrip()
    if text[:1] in {"{", "["}:
        try:
            return likeness(json.loads(text))
        except ValueError:
            pass
    try:
        return _number(decimal.Decimal(text))
    except decimal.DecimalException:
        pass
    try:
        return _moment(dt.datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    return _shortened(repr("".join(each if each.isascii() else each.lower() for each in text)))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… {sha256(text.encode()).hexdigest()[:16]}"


def _listed(values: Iterable[str], brackets: str) -> str:
    return _shortened(f"{brackets[0]}{', '.join(values)}{brackets[1]}")


_WRITTEN: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (type(None), lambda _: "NULL"),
    (enum.Enum, lambda value: _shortened(value.name)),
    ((int, float, decimal.Decimal), _number),
    (dt.datetime, _moment),
    (dt.date, lambda value: _moment(dt.datetime.combine(value, dt.time()))),
    (dt.time, lambda value: value.replace(microsecond=0, tzinfo=None).isoformat()),
    (dt.timedelta, lambda value: f"{round(value.total_seconds())} s"),
    (str, _text),
    (bytes, lambda value: _shortened(value.rstrip(b"\0").hex())),
    (uuid.UUID, str),
    (dict, lambda value: _listed(sorted(f"{key}: {likeness(each)}" for key, each in value.items()), "{}")),
    ((list, tuple), lambda value: _listed(map(likeness, value), "[]")),
    ((set, frozenset), lambda value: _listed(sorted(map(likeness, value)), "{}")),
)
