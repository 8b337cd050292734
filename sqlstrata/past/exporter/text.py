"""What all parts need: dialects that compile DDL without a server, and Python source as text."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql import ddl

Texts = Dict[str, Optional[str]]
"""A text for each dialect, None where it has none."""
FAILURES = (
    sa.exc.CompileError,
    sa.exc.IdentifierError,
    sa.exc.ArgumentError,
    NotImplementedError,
    AttributeError,
    TypeError,
)
"""What compilers raise where a dialect does not have something."""
NAMES = {"sa": sa, "mysql": mysql, "postgresql": postgresql, "sqlite": sqlite}
"""What the statements may use."""


class CannotExport(Exception):
    """A part of the models that cannot be written as a plain table."""


def dialect_of(name: str, driver: str, version: Iterable[int]) -> Any:
    """The dialect of a server, set up as by a connection; an older SQLAlchemy has fewer drivers."""
    is_mariadb = {"is_mariadb": True} if name in {"mysql", "mariadb"} else {}
    made: Any
    try:
        made = sa.engine.url.make_url("%s://" % driver).get_dialect()
        made = made(paramstyle="named", **is_mariadb)
    except (sa.exc.SQLAlchemyError, ImportError, TypeError):
        made = {"postgresql": postgresql, "sqlite": sqlite}.get(name, mysql).dialect(paramstyle="named")
    made.server_version_info = tuple(version)
    for each in ("_support_default_function", "_support_float_cast"):  # no public name
        if isinstance(getattr(type(made), each, None), bool):
            setattr(made, each, True)
    if is_mariadb:
        made.supports_sequences = True
        made.supports_native_uuid = hasattr(ddl, "CreateView")  # since 2.1, a Uuid is MariaDB's own
    return made


def ddl_compiler(dialect: Any) -> Any:
    nothing: Any = sa.DDL  # is not annotated
    return dialect.ddl_compiler(dialect, nothing(""))


class Dialects:
    """The dialects of the history's servers, by SQLAlchemy's names."""

    def __init__(self, asked: Dict[str, Any]) -> None:
        self.by_name = {name: dialect_of(name, given["driver"], given["version"]) for name, given in asked.items()}

    def __iter__(self) -> Any:
        return iter(self.by_name)

    def __getitem__(self, name: str) -> Any:
        return self.by_name[name]

    def on_each(self, compiled: Callable[[Any], str]) -> Texts:
        """What a function gives for each dialect, None where that cannot be compiled."""
        return {name: _on(compiled, dialect) for name, dialect in self.by_name.items()}

    def expression(self, element: Any) -> Texts:
        """A SQL expression on each dialect."""

        def compiled(dialect: Any) -> str:
            compiler = dialect.statement_compiler(dialect, None)
            return str(compiler.process(element, include_table=False, literal_binds=True))

        return self.on_each(compiled)


def _on(compiled: Callable[[Any], str], dialect: Any) -> Optional[str]:
    try:
        return compiled(dialect)
    except FAILURES:
        return None


# ------------------------------------------------------------------------------ source


def call(function: str, given: Iterable[str] = (), named: Iterable[Tuple[str, str]] = ()) -> str:
    return "%s(%s)" % (function, ", ".join([*given, *("%s=%s" % each for each in named)]))


def quoted(value: Any) -> str:
    """The literal of a plain value. Raises CannotExport for any other."""
    if isinstance(value, str):
        return repr(str.__str__(value))
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, (int, float)):
        return repr(int(value) if isinstance(value, int) else float(value))
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(map(quoted, value))
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (quoted(key), quoted(each)) for key, each in value.items())
    raise CannotExport("%r is no plain value" % (value,))


def by_key(texts: Texts) -> Dict[str, str]:
    """The same by the servers' keys."""
    return {"mysql" if name == "mariadb" else name: text for name, text in texts.items() if text}


def same(texts: Texts) -> Optional[str]:
    """The text that all dialects share, None if there is none."""
    given = {text for text in texts.values() if text}
    return given.pop() if len(given) == 1 else None


def sql(texts: Texts) -> str:
    """SQL as an argument."""
    one = same(texts)
    if one is None:
        return call("sql_on", (), [(name, quoted(text)) for name, text in by_key(texts).items()])
    return call("sa.text" if is_plain(one) else "sa.literal_column", [quoted(one)])


def is_plain(text: str) -> bool:
    """Whether sa.text() takes the text without escapes."""
    return ":" not in text and "\\" not in text


def options(element: Any, dialects: Dialects) -> List[Tuple[str, str]]:
    """The options for these dialects, as keyword arguments."""
    given = getattr(element, "dialect_kwargs", {}).items()
    split = ((name, name.partition("_")[0], value) for name, value in given if value is not None)
    return [(name, _option(value, on, dialects)) for name, on, value in split if on in dialects.by_name]


def _option(value: Any, on: str, dialects: Dialects) -> str:
    if isinstance(value, sa.sql.elements.ClauseElement):
        return sql({on: dialects.expression(value)[on]})
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (quoted(key), _option(each, on, dialects)) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(_option(each, on, dialects) for each in value)
    return quoted(value)
