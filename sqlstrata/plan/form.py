"""Every key of config.yaml in one list: its type, its default, and how errors describe it.

msgspec checks the file's data against these forms. What it stumbles on is reported with its place.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar, cast, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from sqlstrata.nearest import nearest_hint
from sqlstrata.plan.document import TOP, kind
from sqlstrata.plan.values import FrozenDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstrata.errors import WrongUse
    from sqlstrata.plan.document import Entry
    from sqlstrata.plan.values import Key

T = TypeVar("T")


class Wanted:
    """What the value of a key must be, a line to copy, and what the values inside it must be, level by level."""

    def __init__(self, what: str, example: str, *inside: str) -> None:
        self.what, self.example, self.inside = what, example, inside
        self.is_text = not what.startswith(("a mapping", "a list", "true or false"))  # quotes help


_SQL = "SQL text or SQL for each server"
_SCRIPT = "SQL text, a list of it, or either for each server"
_OF = "a mapping of"
_STAGE = Wanted("a mapping", "- {name: usuario, enable: [usuario]}")


_Names = tuple[str, ...]


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class DatabaseForm(_Form, frozen=True):
    """The keys of `database`."""

    url: Annotated[str, Wanted("a database URL", "url: sqlite:///exemplo.db")]
    protected: Annotated[bool, Wanted("true or false", "protected: false")] = False


class ModelsForm(_Form, frozen=True):
    """The keys of `models`."""

    package: Annotated[str, Wanted("the name of a package", "package: project.models")]
    base: Annotated[str | _Names, Wanted("module:attribute, or a list of them", "base: base:Base", "module:attribute")]
    ignore: Annotated[_Names, Wanted("a list of MetaData", "ignore: ['audit:metadata']", "module:attribute")] = ()
    modules: Annotated[_Names, Wanted("a list of patterns of modules", "modules: ['*.models']", "a pattern")] = ("*",)


class ExtensionForm(_Form, frozen=True):
    """An extension, perhaps with the schema that it belongs in."""

    name: Annotated[str, Wanted("the extension's name", "name: postgis")]
    schema: Annotated[str | UnsetType, Wanted("a schema", "schema: gis")] = UNSET


_Mapping = dict[str, object]  # its values are read hint by hint
_Script = str | tuple[object, ...] | _Mapping


def _empty() -> _Mapping:
    return msgspec.field(default_factory=dict)


class StageForm(_Form, frozen=True):
    """The keys of a stage."""

    name: Annotated[str, Wanted("the stage's name", "name: usuario")]
    message: Annotated[str | UnsetType, Wanted("text", "message: Criação do modelo")] = UNSET
    revision: Annotated[str | UnsetType, Wanted("the id of a revision", "revision: 37b2a3cf8e4c")] = UNSET
    enable: Annotated[_Names, Wanted("a list of modules", "enable: [usuario]", "the name of a module")] = ()
    disable: Annotated[_Names, Wanted("a list of modules", "disable: [usuario]", "the name of a module")] = ()
    live: Annotated[bool, Wanted("true or false", "live: true")] = False
    frozen: Annotated[bool, Wanted("true or false", "frozen: true")] = False
    rename: Annotated[
        _Mapping, Wanted(f"{_OF} old names to new ones", "rename: {usuarios.nome: nome_completo}", "a new name")
    ] = _empty()
    drop: Annotated[
        _Names, Wanted("a list of tables and columns", "drop: [usuarios.idade]", "the name of a table or column")
    ] = ()
    fill: Annotated[_Mapping, Wanted(f"{_OF} columns to SQL", "fill: {usuarios.email: \"''\"}", _SQL, "SQL text")] = (
        _empty()
    )
    cast: Annotated[
        _Mapping,
        Wanted(
            f"{_OF} columns to SQL",
            "cast: {usuarios.idade: CAST(idade AS INTEGER)}",
            f"{_SQL}, or these under up and down",
            _SQL,
            "SQL text",
        ),
    ] = _empty()
    data: Annotated[
        _Script | UnsetType,
        Wanted(
            f"{_OF} upgrade and downgrade to SQL",
            "data: {upgrade: UPDATE usuarios SET idade = 0}",
            _SCRIPT,
            "SQL text or a list of it",
            "SQL text",
        ),
    ] = UNSET
    downgrade: Annotated[bool, Wanted("true or false", "downgrade: false")] = True
    rows: Annotated[
        _Mapping,
        Wanted(
            f"{_OF} tables to their rows",
            "rows: {usuarios: [{nome: Alice}]}",
            "a list of rows",
            f"{_OF} columns to values",
        ),
    ] = _empty()


class ConfigForm(_Form, frozen=True):
    """The keys of the file."""

    database: Annotated[DatabaseForm, Wanted("a mapping", "database: {url: sqlite:///exemplo.db}")]
    models: Annotated[ModelsForm, Wanted("a mapping", "models: {package: project.models, base: 'base:Base'}")]
    stages: Annotated[tuple[StageForm, ...], Wanted("a list of stages", "stages: [{name: usuario, enable: [usuario]}]")]
    migrations: Annotated[str, Wanted("the path of a folder", "migrations: migrations")] = "migrations"
    frozen: Annotated[str, Wanted("the path of a folder", "frozen: stages")] = "stages"
    servers: Annotated[
        _Names | UnsetType,
        Wanted("a list of kinds of servers", "servers: [sqlite, postgresql]", "the name of a kind of server"),
    ] = UNSET
    prove_on: Annotated[
        _Names | UnsetType, Wanted("a list of database URLs", "prove_on: [sqlite://]", "a database URL")
    ] = UNSET
    not_ours: Annotated[
        _Names, Wanted("a list of patterns of tables", "not_ours: [spatial_ref_sys]", "the pattern of a table's name")
    ] = ()
    version_table: Annotated[str, Wanted("the name of a table", "version_table: alembic_version")] = "alembic_version"
    legacy: Annotated[_Names, Wanted("a list of folders", "legacy: [alembic/versions]", "the path of a folder")] = ()
    extensions: Annotated[
        tuple[str | ExtensionForm, ...],
        Wanted(
            "a list of PostgreSQL extensions",
            "extensions: [vector, {name: postgis, schema: gis}]",
            "an extension's name, or its name and schema",
        ),
    ] = ()


def wanted(key: tuple[Key, ...]) -> Wanted:
    """Give what the value at a key, such as ("stages", 2, "fill", "usuarios.email"), must be."""
    match key:
        case ("database", str(name), *inside):
            found = _described(DatabaseForm)[name]
        case ("models", str(name), *inside):
            found = _described(ModelsForm)[name]
        case ("extensions", int(), str(name)):
            return _described(ExtensionForm)[name]
        case ("stages", int(), str(name), *inside):
            found = _described(StageForm)[name]
        case ("stages", int()):
            return _STAGE
        case (name, *inside):
            found = _described(ConfigForm)[str(name)]
        case _:
            return Wanted("a mapping", TOP)
    if not inside:
        return found
    level = -1 if isinstance(inside[-1], int) else len(inside) - 1  # what is in a list is of the last level
    return Wanted(found.inside[level], found.example)


@cache
def _described(form: type[msgspec.Struct]) -> dict[str, Wanted]:
    return {name: hint.__metadata__[0] for name, hint in get_type_hints(form, include_extras=True).items()}


class _ByServer(_Form, Generic[T], frozen=True):
    sqlite: T | UnsetType = UNSET
    postgresql: T | UnsetType = UNSET
    mysql: T | UnsetType = UNSET
    default: T | UnsetType = UNSET


SERVERS = _ByServer.__struct_fields__
EXPRESSION = cast("type[object]", str | _ByServer[str])
SCRIPT = cast("type[object]", str | tuple[str, ...] | _ByServer[str | tuple[str, ...]])


def config(top: Entry) -> ConfigForm:
    """Check the whole file except its hints, and the user's own keys. Raises WrongUse."""
    if isinstance(top.data, FrozenDict):
        top = replace(top, data=FrozenDict({key: top.data[key] for key in top.data if not key.startswith("x-")}))
    _fields(top, ConfigForm)
    _fields(top["database"], DatabaseForm)
    _fields(top["models"], ModelsForm)
    for stage in top.listed("stages"):
        _fields(stage, StageForm)
    for extension in top.listed("extensions"):
        if isinstance(extension.data, FrozenDict):
            _fields(extension, ExtensionForm)
    return checked(top, ConfigForm)


def _fields(entry: Entry, form: type[msgspec.Struct]) -> None:
    given = keys(entry, form.__struct_fields__)
    for field in msgspec.structs.fields(form):
        if field.required and field.name not in given:
            example = wanted((*entry.key, field.name)).example
            raise entry.wrong(f"{entry} has no `{field.name}`.", f"Add it, as in `{example}`.")


def keys(entry: Entry, known: Sequence[str]) -> tuple[str, ...]:
    """Give the keys of a mapping. Raises WrongUse where it is not one, or has an unknown key."""
    if not isinstance(entry.data, FrozenDict):
        raise _misfit(entry)
    for name in entry.data:
        if name not in known:
            raise entry[name].wrong(f"`{name}` is not a key of {entry}.", nearest_hint(name, known, "key"))
    return tuple(entry.data)


def checked(entry: Entry, form: type[T]) -> T:
    """Give a value as msgspec reads it. Raises WrongUse with the place of the value that it refuses."""
    try:
        return msgspec.convert(entry.data, form)
    except msgspec.ValidationError as error:
        for part in _stumbled(error):
            entry = entry[part]
        raise _misfit(entry) from None


def _stumbled(error: msgspec.ValidationError) -> tuple[Key, ...]:
    """Read the path `$.stages[0].name` that ends msgspec's message, and is nowhere else; the rest is not used."""
    path = str(error).rpartition("`$")[2].rstrip("`") if "`$" in str(error) else ""
    return tuple(name or int(index) for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path))


def _misfit(entry: Entry) -> WrongUse:
    want = wanted(entry.key)
    hint = f"Write it as in `{want.example}`." if entry.key else f"Write {TOP}."
    if entry.data is None:
        return entry.wrong(f"{entry} is empty and must be {want.what}.", hint)
    if want.is_text and entry.source and not isinstance(entry.data, str):
        message = f"{entry} must be {want.what}, but YAML reads `{entry.source}` as {kind(entry.data)}."
        return entry.wrong(message, f'Put it in quotes: "{entry.source}".')
    return entry.wrong(f"{entry} must be {want.what}, not {kind(entry.data)}.", hint)


def filled(entry: Entry) -> str:
    """Give a text that is more than blanks. Raises WrongUse."""
    if not entry.text.strip():
        want = wanted(entry.key)
        raise entry.wrong(f"{entry} is empty and must be {want.what}.", f"Write it as in `{want.example}`.")
    return entry.text
