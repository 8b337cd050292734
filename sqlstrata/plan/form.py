"""The forms that msgspec checks the file's data against, and what it stumbles on, told with its place."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from sqlstrata.plan.values import FrozenDict
from sqlstrata.plan.words import TOP, kind, nearest, wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstrata.errors import WrongUse
    from sqlstrata.plan.document import Entry
    from sqlstrata.plan.values import Key

T = TypeVar("T")


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class DatabaseForm(_Form, frozen=True):
    """What `database` may say."""

    url: str
    protected: bool = False


class ModelsForm(_Form, frozen=True):
    """What `models` may say."""

    package: str
    base: str


class StageForm(_Form, frozen=True):
    """What a stage may say; what is `object` here is looked at hint by hint."""

    name: str
    message: str | UnsetType = UNSET
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    rename: dict[str, object] = msgspec.field(default_factory=dict)
    drop: tuple[str, ...] = ()
    fill: dict[str, object] = msgspec.field(default_factory=dict)
    cast: dict[str, object] = msgspec.field(default_factory=dict)
    data: str | tuple[object, ...] | dict[str, object] | UnsetType = UNSET
    downgrade: bool = True
    rows: dict[str, object] = msgspec.field(default_factory=dict)


class ConfigForm(_Form, frozen=True):
    """What the file may say."""

    database: DatabaseForm
    models: ModelsForm
    stages: tuple[StageForm, ...]
    migrations: str = "migrations"
    servers: tuple[str, ...] | UnsetType = UNSET
    prove_on: tuple[str, ...] | UnsetType = UNSET


class _ByServer(_Form, Generic[T], frozen=True):
    sqlite: T | UnsetType = UNSET
    postgresql: T | UnsetType = UNSET
    mysql: T | UnsetType = UNSET
    default: T | UnsetType = UNSET


SERVERS = _ByServer.__struct_fields__
EXPRESSION = cast("type[object]", str | _ByServer[str])
SCRIPT = cast("type[object]", str | tuple[str, ...] | _ByServer[str | tuple[str, ...]])


def config(top: Entry) -> ConfigForm:
    """Check the whole file but for its hints. Raises WrongUse."""
    _fields(top, ConfigForm)
    _fields(top["database"], DatabaseForm)
    _fields(top["models"], ModelsForm)
    if isinstance(top["stages"].data, tuple):
        for stage in top.inside("stages"):
            _fields(stage, StageForm)
    return checked(top, ConfigForm)


def _fields(entry: Entry, form: type[msgspec.Struct]) -> None:
    given = keys(entry, form.__struct_fields__)
    for name in _required(form):
        if name not in given:
            example = wanted((*entry.key, name)).example
            raise entry.wrong(f"{entry} has no `{name}`.", f"Add it, as in `{example}`.")


@cache
def _required(form: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(form) if field.required)


def keys(entry: Entry, known: Sequence[str]) -> tuple[str, ...]:
    """Give the keys of a mapping. Raises WrongUse where it is none, or has a key that is not known."""
    if not isinstance(entry.data, FrozenDict):
        raise _misfit(entry)
    for name in entry.data:
        if name not in known:
            raise entry[name].wrong(f"`{name}` is not a key of {entry}.", nearest(name, known, "key"))
    return tuple(entry.data)


def checked(entry: Entry, form: type[T]) -> T:
    """Give a value as msgspec reads it. Raises WrongUse at the very value that it stumbles on."""
    try:
        return msgspec.convert(entry.data, form)
    except msgspec.ValidationError as error:
        for part in _stumbled(error):
            entry = entry[part]
        raise _misfit(entry) from None


def _stumbled(error: msgspec.ValidationError) -> tuple[Key, ...]:
    """Read the path `$.stages[0].name` that ends msgspec's message: it has no other place; what it says is not used."""
    path = str(error).rpartition("`$")[2].rstrip("`") if "`$" in str(error) else ""
    return tuple(name or int(index) for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path))


def _misfit(entry: Entry) -> WrongUse:
    want = wanted(entry.key)
    hint = f"Write it as in `{want.example}`." if entry.key else f"Write {TOP}."
    if entry.data is None:
        return entry.wrong(f"{entry} is empty and must be {want.what}.", hint)
    if want.text and entry.source and not isinstance(entry.data, str):
        message = f"{entry} must be {want.what}, but YAML reads `{entry.source}` as {kind(entry.data)}."
        return entry.wrong(message, f'Put it in quotes: "{entry.source}".')
    return entry.wrong(f"{entry} must be {want.what}, not {kind(entry.data)}.", hint)


def filled(entry: Entry) -> str:
    """Give a text that is more than blanks. Raises WrongUse."""
    if not entry.text.strip():
        want = wanted(entry.key)
        raise entry.wrong(f"{entry} is empty and must be {want.what}.", f"Write it as in `{want.example}`.")
    return entry.text
