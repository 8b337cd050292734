"""Faults put back into the program, each of which the campaign must find: so one sees that it looks where it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Hole:
    """A fault: what it is, which scenarios must find it (as in `--only`), and how it is put back into a process."""

    what: str
    only: str
    put_back: Callable[[], None]


HOLES: dict[str, Hole] = {}


def open_hole(name: str) -> None:
    """Put a fault back into this process; the hook calls it in each that a scenario starts with this hole."""
    HOLES[name].put_back()
