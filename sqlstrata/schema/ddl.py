"""The parts of a model compiled to each server's DDL, and SQL texts as Python source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from sqlstrata.dialects import dialect
from sqlstrata.schema.values import Texts, same_everywhere
from sqlstrata.servers import by_key, key_of
from sqlstrata.source import Call, Source, call, items, quoted
from sqlstrata.sqlalchemy_versions import options

# What SQLAlchemy's compilers raise where a dialect does not have something; the last two come from types of one dialect
# that another does not expect.
UNSAYABLE = (
    sa.exc.CompileError,
    sa.exc.IdentifierError,
    sa.exc.ArgumentError,
    NotImplementedError,
    AttributeError,
    TypeError,
)


# -------------------------------------------------------------------------- compiling


@cache
def compiler(name: str) -> Any:
    """A DDL compiler, kept: creating one takes longer than compiling."""
    on = dialect(name)
    return on.ddl_compiler(on, sa.DDL(""))  # type: ignore[no-untyped-call]


def ddl(element: Any, name: str) -> str:
    """An element in one dialect's SQL. Raises the errors in UNSAYABLE."""
    try:
        return compiler(name).process(element) or ""
    except UNSAYABLE:
        compiler.cache_clear()  # it stopped in the middle
        raise


def on_each(
    compiled: Callable[[str], str], dialects: Iterable[str], *, for_mysql: bool = True
) -> dict[str, str | None]:
    """What `compiled` gives for each dialect, None where it raises an error in UNSAYABLE.

    Without `for_mysql`, nothing is different between `mysql` and `mariadb`, and it is called for one of them.
    """
    found: dict[str, str | None] = {}
    for name in dialects:
        found[name] = found[key_of(name)] if key_of(name) in found and not for_mysql else on_one(compiled, name)
    return found


def on_one(compiled: Callable[[str], str], name: str) -> str | None:
    """The same for one dialect."""
    try:
        return compiled(name)
    except UNSAYABLE:
        compiler.cache_clear()
        return None


# ------------------------------------------------------------------------ expressions


def expression_texts(expression: Any, dialects: Iterable[str]) -> dict[str, str | None]:
    """An expression in each dialect's SQL, None where it cannot be compiled."""
    return {name: expression_text(expression, name) for name in dialects}


def expression_text(expression: Any, name: str) -> str | None:
    """The same in one dialect's."""
    on = dialect(name)
    try:
        return str(on.statement_compiler(on, None).process(expression, include_table=False, literal_binds=True))
    except UNSAYABLE:
        return None


def sql_source(texts: Texts) -> Source:
    """SQL text as an argument: one text where the servers agree, else `op.sql` with one for each."""
    same = same_everywhere(texts)
    if same is not None:
        return call("sa.text", quoted(same)) if is_plain(same) else call("sa.literal_column", quoted(same))
    given = by_key({name: text for name, text in texts.items() if text})
    usual = max(given.values(), key=list(given.values()).count)
    default = (quoted(usual),) if list(given.values()).count(usual) > 1 else ()
    others = tuple((name, quoted(text)) for name, text in given.items() if not default or text != usual)
    return Call("op.sql", default, others)


def is_plain(text: str) -> bool:
    """Whether sa.text() takes the text without escapes."""
    return ":" not in text and "\\" not in text


# ---------------------------------------------------------------------------- options


def dialect_options(element: Any, dialects: Collection[str]) -> list[tuple[str, Source]]:
    """The options for these dialects, as keyword arguments."""
    given = ((name, name.partition("_")[0], value) for name, value in options(element).items() if value is not None)
    return [(name, option(value, on)) for name, on, value in given if on in dialects]


def option(value: object, on: str) -> Source:
    """The value of an option of one dialect, as Python."""
    match value:
        case sa.sql.elements.ClauseElement():
            return sql_source({on: expression_text(value, on)})
        case Mapping():
            return items("{}", [(quoted(key), option(each, on)) for key, each in value.items()])
        case list() | tuple():
            return items("[]", (option(each, on) for each in value))
        case _:
            return quoted(value)


def forces_quotes(name: str, dialects: Iterable[str]) -> bool:
    """Whether the models force quotes (`quote=True`) that some server would omit."""
    return getattr(name, "quote", None) is True and any(
        dialect(on).identifier_preparer.quote(str.__str__(name)) == name for on in dialects
    )
