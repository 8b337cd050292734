"""SQL text split into tokens, as far as comparing two texts needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy.dialects.sqlite.base import SQLiteIdentifierPreparer

_SQLITE = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<mark>->>|->|\|\||<>|<=|>=|==|!=|<<|>>|.)""",
    re.VERBOSE | re.DOTALL,
)
# /*! … */ and /*M! … */ are no comments there: the server runs what is inside.
_MARIADB = re.compile(
    r"""(?P<space>\s+|--(?=\s)[^\n]*|\#[^\n]*|/\*(?!M?!).*?(?:\*/|\Z))
    |(?P<text>'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*")
    |(?P<name>`(?:[^`]|``)*`)
    |(?P<word>[\w$]+)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {'"': '"', "`": "`", "[": "]"}
_PLAIN = re.compile(r"[^\W\d][\w$]*")


class Token(NamedTuple):
    """A token of SQL: a `name` in quotes (without them), `word`, `text`, `number` or `mark`, and its place."""

    kind: str
    value: str
    start: int
    end: int

    def says(self, *words: str) -> bool:
        """Whether it is one of these words (in capitals) or marks, not in quotes."""
        return self.kind in {"word", "mark"} and self.value.upper() in words


def sqlite(sql: str) -> tuple[Token, ...]:
    """The tokens of a text in SQLite's SQL, without comments."""
    return tuple(_tokens(_SQLITE, sql))


def mariadb(sql: str) -> tuple[Token, ...]:
    """The tokens of a text in MariaDB's SQL, without comments."""
    return tuple(_tokens(_MARIADB, sql))


def _tokens(pattern: re.Pattern[str], sql: str) -> Iterator[Token]:
    for match in pattern.finditer(sql):
        kind, value = match.lastgroup or "mark", match.group()
        if kind == "name":
            closing = _CLOSING[value[0]]
            value = value[1:-1].replace(closing * 2, closing)
        if kind != "space":
            yield Token(kind, value, match.start(), match.end())


def split(tokens: Sequence[Token]) -> tuple[tuple[Token, ...], ...]:
    """The parts between commas that are outside of parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += token.says("(") - token.says(")")
        if depth == 0 and token.says(","):
            parts.append([])
        else:
            parts[-1].append(token)
    return tuple(tuple(part) for part in parts if part)


def bare(tokens: Sequence[Token]) -> Sequence[Token]:
    """Without parentheses around the whole."""
    while len(tokens) > 1 and tokens[0].says("(") and _closes(tokens) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def _closes(tokens: Sequence[Token]) -> int:
    depth = 0
    for place, token in enumerate(tokens):
        depth += token.says("(") - token.says(")")
        if depth == 0:
            return place
    return len(tokens)


def spelled(tokens: Sequence[Token]) -> str:
    """One text for equal SQLite tokens: words in lower case, names in quotes only where they must be.

    A quoted keyword stays quoted: DEFAULT "current_date" is a text, DEFAULT current_date is not.
    """
    text = ""
    for before, token in zip((None, *tokens), tokens, strict=False):
        gap = before is not None and not before.says("(", ".") and not token.says(")", ",", ".", "(")
        text += (" " if gap else "") + _spelled_one(token)
    return text


def _spelled_one(token: Token) -> str:
    if token.kind == "text":
        return token.value
    if token.kind == "name" and not plain(token.value):
        return '"' + token.value.replace('"', '""') + '"'
    return token.value.lower()


def plain(name: str) -> bool:
    """Whether SQLite takes this name without quotes."""
    return bool(_PLAIN.fullmatch(name)) and name.lower() not in SQLiteIdentifierPreparer.reserved_words


class Cursor:
    """A position in a sequence of tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.place = 0

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self.place < len(self.tokens)

    def sees(self, *words: str) -> bool:
        """Whether these are the next words."""
        ahead = self.tokens[self.place : self.place + len(words)]
        return len(ahead) == len(words) and all(token.says(word) for token, word in zip(ahead, words, strict=True))

    def sees_one(self, words: frozenset[str]) -> bool:
        """Whether the next token is one of these words."""
        return bool(self) and self.tokens[self.place].says(*words)

    def skip(self, *words: str) -> bool:
        """Go past these words, if they are the next ones; give whether they were."""
        seen = self.sees(*words)
        self.place += len(words) if seen else 0
        return seen

    def take(self) -> Token:
        """Go past the next token, and give it."""
        self.place += 1
        return self.tokens[self.place - 1]

    def group(self) -> Sequence[Token]:
        """Go past the parentheses that open here, and give what is in them; empty where none open."""
        if not self.sees("("):
            return ()
        start = self.place
        self.place = start + _closes(self.tokens[start:]) + 1
        return self.tokens[start + 1 : self.place - 1]

    def until(self, words: frozenset[str]) -> Sequence[Token]:
        """Go past the tokens before the next of these words outside parentheses, and give them."""
        start = self.place
        while self and not self.sees_one(words):
            if self.sees("("):
                self.group()
            else:
                self.take()
        return self.tokens[start : self.place]

    def rest(self) -> Sequence[Token]:
        """Go past all that is left, and give it."""
        start, self.place = self.place, len(self.tokens)
        return self.tokens[start:]
