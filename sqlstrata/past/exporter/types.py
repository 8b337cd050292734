"""A column's type as Python that needs only SQLAlchemy."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Dict, Iterator, List, Optional, Tuple

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from .stubs import Stub, StubMixin
from .text import FAILURES, NAMES, CannotExport, Dialects, Texts, by_key, call, quoted

_DIALECTS = {"postgresql": postgresql, "mysql": mysql, "sqlite": sqlite}
_ABSTRACT = {sa.types.TypeEngine, sa.types.TypeDecorator, sa.types.UserDefinedType}
_OUT_OF_USE = {"self", "convert_unicode", "unicode_error", "inherit_schema", "create_constraint"}
"""Arguments that later versions do not have, or that are written in another way; and all that begin with `_`."""


def type_source(type_: Any, column: Any, dialects: Dialects) -> str:
    """The type as Python: the first candidate that compiles to the same text on each server."""
    if isinstance(type_, (Stub, StubMixin)):
        raise CannotExport("its type comes from the stub `%s`" % type_.stub_name)
    if isinstance(type_, sa.types.NullType):
        raise CannotExport("it has no type")
    wanted = _texts(type_, column, dialects)
    for candidate in _candidates(type_, column, wanted, dialects):
        if _is(candidate, wanted, dialects):
            return candidate
    return call("type_on", (), [(name, quoted(text)) for name, text in by_key(wanted).items()])


def _texts(type_: Any, column: Any, dialects: Dialects) -> Texts:
    def compiled(dialect: Any) -> str:
        compiler = getattr(dialect, "type_compiler_instance", None)  # 1.x has it by another name
        compiler = dialect.type_compiler if compiler is None else compiler
        return str(compiler.process(type_, type_expression=column))

    return dialects.on_each(compiled)


def _candidates(type_: Any, column: Any, wanted: Texts, dialects: Dialects) -> Iterator[str]:
    plain = _own_name(type_, column, dialects)
    if plain is not None and not _variants(type_):
        yield plain
    stored = {
        name: _own_name(stored_as(type_, name, dialects), column, dialects)
        for name, text in wanted.items()
        if text is not None
    }
    sources = {name: source for name, source in stored.items() if source is not None}
    if sources:
        yield _with_variants(sources)


def _with_variants(sources: Dict[str, str]) -> str:
    made = base = next(iter(sources.values()))
    for name, source in sources.items():
        if source != base:
            made += ".with_variant(%s, %s)" % (source, quoted(name))
    return made


def _is(candidate: str, wanted: Texts, dialects: Dialects) -> bool:
    try:
        type_ = eval(candidate, dict(NAMES))  # noqa: S307 - source that we wrote ourselves
    except (sa.exc.SQLAlchemyError, *FAILURES, NameError, ValueError):
        return False
    return isinstance(type_, sa.types.TypeEngine) and _texts(type_, sa.Column("c", type_), dialects) == wanted


def _variants(type_: Any) -> Mapping[str, Any]:
    """What with_variant() was given; in 1.x the type is then of a class of its own."""
    found = type_.mapping if type(type_).__name__ == "Variant" else getattr(type_, "_variant_mapping", {})
    return found if isinstance(found, Mapping) else {}


def stored_as(type_: Any, name: str, dialects: Dialects) -> Any:
    """The type that stores the values on one dialect, without variants and decorators."""
    found = _variants(type_).get(name)
    if found is None:
        found = type_.impl if type(type_).__name__ == "Variant" else type_
    while isinstance(found, sa.types.TypeDecorator) and _module(type(found)) is None:
        found = found.load_dialect_impl(dialects[name])
    return found


def _module(cls: type) -> Optional[str]:
    if cls.__module__.startswith("sqlalchemy.dialects."):
        name = cls.__module__.split(".")[2]
        return name if hasattr(_DIALECTS.get(name), cls.__name__) else None
    is_public = cls.__module__.startswith("sqlalchemy.") and getattr(sa.types, cls.__name__, None) is cls
    if is_public and cls not in _ABSTRACT:
        return "sa" if getattr(sa, cls.__name__, None) is cls else "sa.types"
    return None


def _own_name(type_: Any, column: Any, dialects: Dialects) -> Optional[str]:
    """`sa.String(length=50)`: the nearest class with a name, with those arguments that are not its defaults."""
    named = ((_module(cls), cls) for cls in type(type_).__mro__)
    found = next((each for each in named if each[0] is not None), None)
    if found is None or type(type_).__name__ == "Variant":
        return None
    name = "%s.%s" % (found[0], found[1].__name__)
    if isinstance(type_, sa.Enum):
        return _enum(type_, name, column, dialects)
    if isinstance(type_, mysql.SET):
        skip = {"values", "length", "retrieve_as_bitwise"}
        return call(name, map(quoted, type_.values), _arguments(type_, skip, column, dialects))
    skip = {"name"} if isinstance(type_, sa.Boolean) else set()
    return call(name, (), _arguments(type_, skip, column, dialects))


def _enum(type_: Any, name: str, column: Any, dialects: Dialects) -> str:
    """An enum by its labels, without its class."""
    if name.startswith("mysql"):
        skip = {"enums", "name", "schema", "native_enum", "length", "quoting"}
        return call(name, map(quoted, type_.enums), _arguments(type_, skip, column, dialects))
    named: List[Tuple[str, str]] = []
    schema = type_.schema or getattr(getattr(getattr(column, "table", None), "metadata", None), "schema", None)
    if type_.name is not None:
        named.append(("name", quoted(str(type_.name))))
    if schema is not None:
        named.append(("schema", quoted(schema)))
    if not type_.native_enum:
        named += [("native_enum", "False"), ("length", quoted(type_.length))]
    elif type_.length is not None and type_.length != max(map(len, type_.enums), default=0):
        named.append(("length", quoted(type_.length)))
    if not getattr(type_, "create_type", True):
        named.append(("create_type", "False"))
    return call(name, map(quoted, type_.enums), named)


def _arguments(type_: Any, skip: Any, column: Any, dialects: Dialects) -> List[Tuple[str, str]]:
    found: Dict[str, str] = {}
    for cls in type(type_).__mro__:
        if "__init__" not in vars(cls) or cls is object:
            continue
        parameters = list(inspect.signature(vars(cls)["__init__"]).parameters.values())
        for parameter in parameters:
            name = parameter.name
            if name in {*_OUT_OF_USE, *found, *skip} or name.startswith("_") or not hasattr(type_, name):
                continue
            if parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}:
                continue
            value = getattr(type_, name)
            if value is not parameter.default and value != parameter.default and not callable(value):
                source = _value(value, column, dialects)
                if source is not None:
                    found[name] = source
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return list(found.items())


def _value(value: Any, column: Any, dialects: Dialects) -> Optional[str]:
    if isinstance(value, sa.types.TypeEngine):
        return type_source(value, column, dialects)
    return quoted(value) if isinstance(value, (str, int, float, bool, tuple, list)) or value is None else None
