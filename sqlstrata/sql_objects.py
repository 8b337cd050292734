"""Which object an SQL statement creates or drops, by the first words of the statement."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OBJECT = re.compile(
    r"\s*(?:CREATE|DROP)\s+(?:OR\s+REPLACE\s+|TEMP(?:ORARY)?\s+|UNLOGGED\s+|CONSTRAINT\s+|UNIQUE\s+|RECURSIVE\s+"
    r"|DEFINER\s*=\s*\S+\s+)*"
    r"(?P<kind>MATERIALIZED\s+VIEW|EVENT\s+TRIGGER|VIEW|FUNCTION|PROCEDURE|AGGREGATE|TRIGGER|EXTENSION|TYPE|DOMAIN"
    r"|SEQUENCE|INDEX|POLICY|RULE|SCHEMA|STATISTICS|COLLATION|TABLE)\s+"
    r"(?:CONCURRENTLY\s+)?(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<name>(?:\"[^\"]+\"|`[^`]+`|\w+)"
    r"(?:\.(?:\"[^\"]+\"|`[^`]+`|\w+))*)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
# A rule is `ON DELETE TO table`, the others are `ON table`.
_ON = re.compile(
    r"\bON\s+(?:(?:SELECT|INSERT|UPDATE|DELETE)\s+TO\s+|ONLY\s+)?(?P<table>(?:\"[^\"]+\"|`[^`]+`|[\w.])+)",
    re.IGNORECASE,
)
_OF_A_TABLE = frozenset({"TRIGGER", "POLICY", "RULE"})
_NEEDS_MORE = frozenset({"AGGREGATE"})  # the types of its arguments
_STAYS = frozenset({"EXTENSION", "EXTENSION SCHEMA"})  # others may use it, and its types would go with it
_KEPT_SCHEMA = re.compile(r"DO \$\$BEGIN CREATE SCHEMA IF NOT EXISTS (?P<name>.+?); END\$\$")  # modules.extensions'


@dataclass(frozen=True)
class SqlObject:
    """The object of a CREATE or DROP: its kind in capitals, its name as written, and its table if a drop needs it."""

    kind: str
    name: str
    table: str | None = None

    @property
    def key(self) -> str:
        """A readable name, the same for the statement that creates the object and for the one that drops it."""
        return f"{self.kind.lower()} {_bare(self.name)}"

    @property
    def bare_name(self) -> str:
        """The name without schema and quotes."""
        return _bare(self.name).rpartition(".")[2]

    @property
    def stays(self) -> bool:
        """Whether only a statement of the models drops it."""
        return self.kind in _STAYS

    @property
    def is_view(self) -> bool:
        """Whether it is dropped by its name, not by the models' statement: that may say CASCADE."""
        return self.kind.endswith("VIEW")

    def drop(self, on: str) -> tuple[str, ...]:
        """The statement that drops it by its name; none where a name is not enough, or it stays."""
        if self.kind in _NEEDS_MORE or self.stays:
            return ()
        has_table = self.kind in _OF_A_TABLE and on == "postgresql"
        return (f"DROP {self.kind} {self.name}{f' ON {self.table}' if has_table else ''}",)


def object_of(text: str) -> SqlObject | None:
    """The object that a statement creates or drops; None for other statements."""
    if kept := _KEPT_SCHEMA.fullmatch(text):
        return SqlObject("EXTENSION SCHEMA", kept["name"])
    found = _OBJECT.match(text)
    if found is None:
        return None
    kind = " ".join(found["kind"].upper().split())
    on = _ON.search(found["rest"]) if kind in _OF_A_TABLE else None
    return SqlObject(kind, found["name"], None if on is None else on["table"])


GROUPS = {True: "events before tables", False: "events"}
"""The names of the two groups of statements that create no object, by whether they come before the tables."""


def key_of(text: str, *, early: bool) -> str:
    """The name of the object that a statement creates or drops, or of its group."""
    found = object_of(text)
    return GROUPS[early] if found is None else found.key


def _bare(name: str) -> str:
    return name.replace('"', "").replace("`", "")
