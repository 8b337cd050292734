"""A model's parts in every server's DDL, and SQL texts as Python that says them."""

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

# How SQLAlchemy's compilers say that a dialect has no such thing; the last two come from types of one dialect
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
    """What makes DDL of one table's parts; making one takes longer than what it does."""
    on = dialect(name)
    return on.ddl_compiler(on, sa.DDL(""))  # type: ignore[no-untyped-call]


def ddl(element: Any, name: str) -> str:
    """An element in one dialect's words. Raises what is in UNSAYABLE."""
    try:
        return compiler(name).process(element) or ""
    except UNSAYABLE:
        compiler.cache_clear()  # it was left in the middle
        raise


def on_each(say: Callable[[str], str], dialects: Iterable[str], *, for_mysql: bool = True) -> dict[str, str | None]:
    """What `say` gives for each dialect, None where it raises what is in UNSAYABLE.

    Where nothing is `for_mysql` alone, MariaDB's other name, that is not asked for by itself.
    """
    found: dict[str, str | None] = {}
    for name in dialects:
        found[name] = found[key_of(name)] if key_of(name) in found and not for_mysql else on_one(say, name)
    return found


def on_one(say: Callable[[str], str], name: str) -> str | None:
    """The same for one dialect."""
    try:
        return say(name)
    except UNSAYABLE:
        compiler.cache_clear()
        return None


# ------------------------------------------------------------------------ expressions


def expression_texts(expression: Any, dialects: Iterable[str]) -> dict[str, str | None]:
    """An expression in each dialect's words, None where it has none."""
    return {name: expression_text(expression, name) for name in dialects}


def expression_text(expression: Any, name: str) -> str | None:
    """The same in one dialect's."""
    on = dialect(name)
    try:
        return str(on.statement_compiler(on, None).process(expression, include_table=False, literal_binds=True))
    except UNSAYABLE:
        return None


def sql_source(texts: Texts) -> Source:
    """SQL text as an argument: a plain one where the servers agree, else one for each."""
    same = same_everywhere(texts)
    if same is not None:
        return call("sa.text", quoted(same)) if is_plain(same) else call("sa.literal_column", quoted(same))
    given = by_key({name: text for name, text in texts.items() if text})
    usual = max(given.values(), key=list(given.values()).count)
    default = (quoted(usual),) if list(given.values()).count(usual) > 1 else ()
    others = tuple((name, quoted(text)) for name, text in given.items() if not default or text != usual)
    return Call("op.sql", default, others)


def is_plain(text: str) -> bool:
    """Whether sa.text() would take the text as it stands."""
    return ":" not in text and "\\" not in text


# ---------------------------------------------------------------------------- options


def dialect_options(element: Any, dialects: Collection[str]) -> list[tuple[str, Source]]:
    """The options that are for one of these dialects, as keywords."""
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


def quoted_at_will(name: str, dialects: Iterable[str]) -> bool:
    """Whether the models want a name in quotes that some server would write without; to all servers it is the same."""
    return getattr(name, "quote", None) is True and any(
        dialect(on).identifier_preparer.quote(str.__str__(name)) == name for on in dialects
    )
