"""A column's type as Python that needs only SQLAlchemy.

A type of another package is written as the type that stores it, with `with_variant` where servers differ; and by its
name on each server (`op.native_type`) where SQLAlchemy has no class for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from sqlstrata.dialects import dialect
from sqlstrata.private_names import variants
from sqlstrata.schema.ddl import UNSAYABLE
from sqlstrata.schema.evaluation import evaluate
from sqlstrata.schema.values import Texts
from sqlstrata.servers import by_key
from sqlstrata.source import Call, Chain, Source, call, flat, quoted

Type = sa.types.TypeEngine[Any]

_DIALECT_MODULES = {"postgresql": postgresql, "mysql": mysql, "sqlite": sqlite}
_ABSTRACT = {sa.types.TypeEngine, sa.types.TypeDecorator, sa.types.UserDefinedType}


def type_texts(type_: Type, dialects: Iterable[str], column: sa.Column[Any] | None = None) -> dict[str, str | None]:
    """The type in each server's CREATE TABLE, None where the server does not have it."""
    return {name: _type_text(type_, name, column) for name in dialects}


def _type_text(type_: Type, name: str, column: sa.Column[Any] | None) -> str | None:
    try:
        text: str = dialect(name).type_compiler_instance.process(type_, type_expression=column)
    except UNSAYABLE:
        return None
    return text


def type_source(type_: Type, column: sa.Column[Any], dialects: Iterable[str]) -> Source:
    """The type as Python: the first candidate that compiles to the same text on each server."""
    wanted = type_texts(type_, dialects, column)
    for candidate in _candidates(type_, wanted):
        if _is(candidate, wanted):
            return candidate
    texts = by_key({name: text for name, text in wanted.items() if text is not None})
    return Call("op.native_type", (), tuple((name, quoted(text)) for name, text in texts.items()))


def _candidates(type_: Type, wanted: Texts) -> Iterator[Source]:
    plain = _own_name(type_, wanted)
    if plain is not None and not variants(type_):
        yield plain
    stored = {name: _own_name(stored_as(type_, name), wanted) for name, text in wanted.items() if text is not None}
    sources = {name: source for name, source in stored.items() if source is not None}
    if sources:
        yield _with_variants(sources)


def _with_variants(sources: dict[str, Source]) -> Source:
    made = base = next(iter(sources.values()))
    others: dict[str, tuple[Source, list[str]]] = {}
    for name, source in sources.items():
        if flat(source) != flat(base):
            others.setdefault(flat(source), (source, []))[1].append(name)
    for source, names in others.values():
        made = Chain(made, call("with_variant", source, *map(quoted, names)))
    return made


def _is(candidate: Source, wanted: Texts) -> bool:
    try:
        type_ = evaluate(candidate)
    except (sa.exc.SQLAlchemyError, NameError, TypeError, AttributeError):
        return False  # not this one; the next is tried
    return isinstance(type_, sa.types.TypeEngine) and type_texts(type_, wanted) == dict(wanted)


def stored_as(type_: Type, name: str) -> Type:
    """The type that stores the values on one dialect, without variants and decorators."""
    found: Type = variants(type_).get(name, type_)
    while isinstance(found, sa.TypeDecorator) and _module(type(found)) is None:
        found = found.load_dialect_impl(dialect(name))
    return found


def element_as(type_: Type, name: str) -> object:
    """The same; of an array, the type of its elements."""
    stored = stored_as(type_, name)
    return getattr(stored, "item_type", stored)


def _module(cls: type) -> str | None:
    """The module from which a revision imports this class: `sa`, a dialect's, or none."""
    if cls.__module__.startswith("sqlalchemy.dialects."):
        name = cls.__module__.split(".")[2]
        return name if hasattr(_DIALECT_MODULES.get(name), cls.__name__) else None
    is_public = cls.__module__.startswith("sqlalchemy.") and getattr(sa.types, cls.__name__, None) is cls
    if is_public and cls not in _ABSTRACT:
        return "sa" if getattr(sa, cls.__name__, None) is cls else "sa.types"
    return None


def _own_name(type_: Type, dialects: Collection[str]) -> Source | None:
    """`sa.String(length=50)`: the class with those arguments that are not its defaults.

    For a class of a driver, or one of the user's, it is the nearest class that SQLAlchemy has a name for.
    """
    named = ((module, cls) for cls in type(type_).__mro__ if (module := _module(cls)) is not None)
    found = next(named, None)
    if found is None:
        return None
    name = f"{found[0]}.{found[1].__name__}"
    if isinstance(type_, sa.Enum):
        return _enum(type_, name, dialects)
    if isinstance(type_, mysql.SET):
        return Call(
            name,
            tuple(map(quoted, type_.values)),
            _arguments(type_, dialects, skip={"values", "length", "retrieve_as_bitwise"}),
        )
    skip = {"create_constraint", "name", "_create_events", "_adapted_from"} if isinstance(type_, sa.Boolean) else set()
    return Call(name, (), _arguments(type_, dialects, skip))


def _enum(type_: sa.Enum, name: str, dialects: Collection[str]) -> Source:
    """An enum by its labels, without its class; its CHECK is a constraint, its PostgreSQL type an op.create_enum."""
    keywords: list[tuple[str, Source]] = []
    if type_.name is not None:
        keywords.append(("name", quoted(str(type_.name))))
    if type_.schema is not None:
        keywords.append(("schema", quoted(type_.schema)))
    if not type_.native_enum:
        keywords += [("native_enum", "False"), ("length", quoted(type_.length))]
    elif type_.length is not None and type_.length != max(map(len, type_.enums), default=0):
        keywords.append(("length", quoted(type_.length)))
    if name.startswith("mysql"):
        keywords = list(
            _arguments(type_, dialects, skip={"enums", "name", "schema", "native_enum", "length", "quoting"})
        )
    elif type_.native_enum and "postgresql" in dialects:
        keywords.append(("create_type", "False"))
    return Call(name, tuple(map(quoted, type_.enums)), tuple(keywords))


def _arguments(type_: Type, dialects: Collection[str], skip: set[str]) -> tuple[tuple[str, Source], ...]:
    found: dict[str, Source] = {}
    for cls in type(type_).__mro__:
        if "__init__" not in vars(cls) or cls is object:
            continue
        parameters = inspect.signature(vars(cls)["__init__"]).parameters.values()
        for parameter in parameters:
            name = parameter.name
            if name in {"self", "inherit_schema", *found, *skip} or not hasattr(type_, name):
                continue
            if parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}:
                continue
            value = getattr(type_, name)
            if value is not parameter.default and value != parameter.default and not callable(value):
                source = _value(value, dialects)
                if source is not None:
                    found[name] = source
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return tuple(found.items())


def _value(value: object, dialects: Collection[str]) -> Source | None:
    if isinstance(value, sa.types.TypeEngine):
        return type_source(value, sa.Column("c", value), dialects)
    return quoted(value) if isinstance(value, str | int | float | bool | tuple | list) or value is None else None
