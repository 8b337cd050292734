"""Python source as values and as text, for writing revision files.

A `Call` is what a reader sees in a revision, `sa.Column("nome", sa.String(length=50), nullable=False)`. It is laid out
as `ruff format` would do it: on one line where it fits, else one argument a line with a comma behind the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from sqlstrata.columns import width_of

WIDTH = 88


@dataclass(frozen=True)
class Call:
    """`function(*arguments, **keywords)`."""

    function: str
    arguments: tuple[Source, ...] = ()
    keywords: tuple[tuple[str, Source], ...] = ()

    @cached_property
    def flat(self) -> str:
        given = [flat(each) for each in self.arguments] + [f"{name}={flat(value)}" for name, value in self.keywords]
        return f"{self.function}({', '.join(given)})"


@dataclass(frozen=True)
class Items:
    """A list, tuple or dictionary display; `brackets` are its two ends. A dictionary's items are `(key, value)`."""

    brackets: str
    items: tuple[Source | tuple[Source, Source], ...]

    @cached_property
    def flat(self) -> str:
        parts = [f"{flat(i[0])}: {flat(i[1])}" if isinstance(i, tuple) else flat(i) for i in self.items]
        comma = "," if self.brackets == "()" and len(parts) == 1 else ""
        return f"{self.brackets[0]}{', '.join(parts)}{comma}{self.brackets[1]}"


@dataclass(frozen=True)
class Chain:
    """`first.method(…)`, as in `sa.JSON().with_variant(…)`."""

    first: Source
    call: Call

    @cached_property
    def flat(self) -> str:
        return f"{flat(self.first)}.{self.call.flat}"


Source = str | Call | Items | Chain


def call(function: str, *arguments: Source, **keywords: Source | None) -> Call:
    """A call; keywords that are None are left out."""
    return Call(function, arguments, tuple((name, value) for name, value in keywords.items() if value is not None))


def items(brackets: str, given: Iterable[Source | tuple[Source, Source]]) -> Items:
    return Items(brackets, tuple(given))


def quoted(value: object) -> str:
    """The literal of a plain value, texts in double quotes where that needs no more escapes."""
    text = repr(str.__str__(value) if isinstance(value, str) else value)  # an enum of texts has a repr of its own
    if not isinstance(value, str) or text[0] == '"':
        return text
    inside = text[1:-1]
    if '"' not in inside:
        return f'"{inside}"'
    return (
        text if inside.count("\\'") < inside.count('"') else '"' + inside.replace("\\'", "'").replace('"', '\\"') + '"'
    )


def flat(source: Source) -> str:
    """The source on one line."""
    return source if isinstance(source, str) else source.flat


def laid_out(source: Source, indent: int = 0, before: str = "", after: str = "") -> str:
    """The source in as many lines as it needs, the first starting after `before`, all but it indented."""
    line = f"{before}{flat(source)}{after}"
    if indent + width_of(line) <= WIDTH or isinstance(source, str):
        return line
    if isinstance(source, Chain):
        return _chain(source, indent, before, after)
    opening, closing, parts = _parts(source)
    if not parts:
        return line
    inner = "\n".join(" " * (indent + 4) + laid_out(value, indent + 4, prefix, ",") for prefix, value in parts)
    return f"{before}{opening}\n{inner}\n{' ' * indent}{closing}{after}"


def _chain(source: Chain, indent: int, before: str, after: str) -> str:
    """One method is broken inside its parentheses; several stand under one another."""
    links, first = [source.call], source.first
    while isinstance(first, Chain):
        links.insert(0, first.call)
        first = first.first
    if len(links) > 1:
        lines = [laid_out(first, indent, before), *(laid_out(link, indent, ".") for link in links)]
        return f"\n{' ' * indent}".join(lines) + after
    opening = f".{source.call.function}("
    above, _, last = laid_out(first, indent, before, opening).removesuffix(opening).rpartition("\n")
    return above + "\n" * bool(above) + laid_out(source.call, indent, f"{last}.", after)


def _parts(source: Call | Items) -> tuple[str, str, list[tuple[str, Source]]]:
    if isinstance(source, Call):
        given: list[tuple[str, Source]] = [("", each) for each in source.arguments]
        given += [(f"{name}=", value) for name, value in source.keywords]
        return f"{source.function}(", ")", given
    parts: list[tuple[str, Source]] = [
        (f"{flat(each[0])}: ", each[1]) if isinstance(each, tuple) else ("", each) for each in source.items
    ]
    return source.brackets[0], source.brackets[1], parts
