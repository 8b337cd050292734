"""Names inside SQL text: found outside of its literals, and replaced there as a server does on a rename."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from sqlstrata.dialects import dialect

_PIECE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\w+|.""", re.DOTALL)


def words(text: str) -> set[str]:
    """Every name that the SQL may be about."""
    return {_bare(piece) for piece in _PIECE.findall(text) if piece[0] != "'"}


def naming(names: set[str], named: Mapping[str, set[str] | frozenset[str]], own: Callable[[str], str]) -> set[str]:
    """The keys of what uses one of these names, or the `own` name of what does; `named` has each one's names."""
    found = set[str]()
    while names:
        new = {key for key, each in named.items() if each & names} - found
        found |= new
        names = set(map(own, new))
    return found


def renamed(text: str, names: Mapping[str, str], on: str) -> str:
    """One server's SQL with other names in it, quoted where they must be."""
    quote = dialect(on).identifier_preparer.quote
    return "".join(_renamed(piece, names, quote) for piece in _PIECE.findall(text)) if names else text


def renamed_on_each(text: str, names: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """SQL that all servers share, with other names in it, as each of them writes those."""
    return {server: renamed(text, names, server) for server in keys}


def renamed_by_server(texts: Mapping[str, str], names: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """The same for SQL by server, where `default` is for those that are not named."""
    made = {server: renamed(text, names, server) for server, text in texts.items() if server != "default"}
    if "default" not in texts:
        return made
    shared = {on: text for on, text in renamed_on_each(texts["default"], names, keys).items() if on not in made}
    return made | ({"default": next(iter(shared.values()))} if len(set(shared.values())) == 1 else shared)


def _bare(piece: str) -> str:
    return piece[1:-1] if piece[0] in '"`' else piece


def _renamed(piece: str, names: Mapping[str, str], quote: Callable[[str], str]) -> str:
    name = None if piece[0] == "'" else names.get(_bare(piece))
    return piece if name is None else quote(name)
