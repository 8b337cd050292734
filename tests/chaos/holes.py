"""Faults put back into the program, each of which the campaign must find: so one sees that it looks where it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Hole:
    """A fault: what it is, how it is put back into a process, and the scenarios and the count that must find it."""

    what: str
    put_back: Callable[[], None]
    only: str
    fault: str


def _every_database_is_ours() -> None:
    ownership = import_module("project.db.ownership")
    ownership.is_ours = lambda _: True  # type: ignore[attr-defined]


def _nothing_is_protected() -> None:
    ownership = import_module("project.db.ownership")
    ownership.require_unprotected = lambda *_, **__: None  # type: ignore[attr-defined]


def _nothing_is_swept() -> None:
    scratch = import_module("project.db.scratch")
    scratch.sweep = lambda _: ()  # type: ignore[attr-defined]


HOLES: dict[str, Hole] = {
    "every-database-is-ours": Hole(
        "`reset` drops databases without a mark", _every_database_is_ours, "a database without any mark", "strangers"
    ),
    "nothing-is-protected": Hole(
        "`reset` drops protected databases", _nothing_is_protected, "one that config yaml protects", "strangers"
    ),
    "nothing-is-swept": Hole(
        "what a killed run left stays", _nothing_is_swept, "right after a database was made", "left"
    ),
}


def open_hole(name: str) -> None:
    """Put a fault back into this process; the hook calls it in each that a scenario starts with this hole."""
    HOLES[name].put_back()
