"""What a database says of itself, as values.

A `Snapshot` maps names to `Thing`s (tables, views, sequences, types, functions). A thing has facts of its own and,
where it is a table, elements: columns, keys, constraints, indexes, triggers. Everything is text, in the server's own
words, so that two databases on one server that are equal also read equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

DEFINITION = "definition"
"""The fact that says the whole of an element; differences name it by the element alone."""

OURS = frozenset({"alembic_version", "strata_migration", "strata_scratch"})
"""Tables that belong to the machinery, not to the schema."""

Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Element:
    """A part of a table.

    `name` is None where nobody gave one, or the server invented it. `about` says the same in other words (the columns
    of an index, say), so that two elements are recognised as one whose name differs; None where only the name counts.
    """

    kind: str
    name: str | None = None
    about: str | None = None
    facts: Facts = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The element in words: "column email", "check ck_item_qty", "foreign key (parent_id) -> parent(id)"."""
        return f"{self.kind} {self.name or self.about or ''}".rstrip()

    @property
    def order(self) -> tuple[str, str, str, str]:
        """A place among its neighbours that does not depend on the order in which they were made."""
        return self.kind, self.name or "", self.about or "", told(self.facts)


@dataclass(frozen=True, slots=True)
class Thing:
    """A table, view, sequence, type or function."""

    kind: str
    facts: Facts = field(default_factory=dict)
    elements: tuple[Element, ...] = ()


Read = dict[tuple[object, ...], Thing]
"""What texts of a server were read as."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a database holds, by name; names outside the default schema start with theirs (`sales.item`)."""

    things: Mapping[str, Thing]


def arranged(elements: Iterable[Element]) -> tuple[Element, ...]:
    """The elements in an order that does not depend on how the database came about."""
    return tuple(sorted(elements, key=lambda element: element.order))


def facts(**values: str | bool | None) -> dict[str, str]:
    """The facts that hold: None, False and "" say nothing; True says "yes"; `_` in a name is a space."""
    said = {name.replace("_", " "): "yes" if value is True else value for name, value in values.items()}
    return {name: value for name, value in said.items() if isinstance(value, str) and value}


def told(values: Facts) -> str:
    """Facts on one line, for people: "type VARCHAR(50), not null, default 'x'"."""
    return ", ".join(
        value if name == DEFINITION else name if value == "yes" else f"{name} {value}" for name, value in values.items()
    )


def key(schema: str | None, name: str) -> str:
    """The name under which a snapshot knows something; `schema` is None for the default one."""
    return name if schema is None else f"{schema}.{name}"


def split(name: str, schemas: Iterable[str]) -> tuple[str | None, str]:
    """The schema (None: the default one) and the name that `key` put together."""
    schema, dot, rest = name.partition(".")
    return (schema, rest) if dot and schema in set(schemas) else (None, name)
