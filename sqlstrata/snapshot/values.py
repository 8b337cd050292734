"""A database's catalogue as values.

A `Snapshot` maps names to `Thing`s (tables, views, sequences, types, functions). A thing has facts and, where it is a
table, elements: columns, keys, constraints, indexes, triggers. Everything is text as the server writes it, so that
equal databases on one server have equal snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

DEFINITION = "definition"
"""The fact with the whole of an element; differences name the element alone."""

OURS = frozenset({"alembic_version", "strata_migration", "strata_scratch"})
"""Tables of Alembic and of this program, which are no part of the schema."""

Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Element:
    """A part of a table.

    `name` is None where there is none, or the server generated it. `about` identifies the element without its name (by
    the columns of an index, for example), so that two are recognised as one whose name differs; None where only the
    name counts.
    """

    kind: str
    name: str | None = None
    about: str | None = None
    facts: Facts = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The element for messages: "column email", "check ck_item_qty", "foreign key (parent_id) -> parent(id)"."""
        return f"{self.kind} {self.name or self.about or ''}".rstrip()

    @property
    def order(self) -> tuple[str, str, str, str]:
        """A sort key that does not depend on the order of creation."""
        return self.kind, self.name or "", self.about or "", listed(self.facts)


@dataclass(frozen=True, slots=True)
class Thing:
    """A table, view, sequence, type or function."""

    kind: str
    facts: Facts = field(default_factory=dict)
    elements: tuple[Element, ...] = ()


Read = dict[tuple[object, ...], Thing]
"""A cache: what a server's texts were parsed to."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database's things by name; names outside the default schema begin with the schema's (`sales.item`)."""

    things: Mapping[str, Thing]


def arranged(elements: Iterable[Element]) -> tuple[Element, ...]:
    """The elements in an order that does not depend on how the database was created."""
    return tuple(sorted(elements, key=lambda element: element.order))


def facts(**values: str | bool | None) -> dict[str, str]:
    """Facts without those that are None, False or ""; True becomes "yes", `_` in a name a space."""
    given = {name.replace("_", " "): "yes" if value is True else value for name, value in values.items()}
    return {name: value for name, value in given.items() if isinstance(value, str) and value}


def listed(values: Facts) -> str:
    """Facts on one line, for messages: "type VARCHAR(50), not null, default 'x'"."""
    return ", ".join(
        value if name == DEFINITION else name if value == "yes" else f"{name} {value}" for name, value in values.items()
    )


def key(schema: str | None, name: str) -> str:
    """The name of a thing in a snapshot; `schema` is None for the default one."""
    return name if schema is None else f"{schema}.{name}"


def split(name: str, schemas: Iterable[str]) -> tuple[str | None, str]:
    """The schema (None: the default one) and the name that make up a `key`."""
    schema, dot, rest = name.partition(".")
    return (schema, rest) if dot and schema in set(schemas) else (None, name)
