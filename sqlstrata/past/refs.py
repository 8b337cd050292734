"""Git refs as stages: their names, and the refs that give none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlstrata.errors import WrongUse
from sqlstrata.plan.stages import slug


@dataclass(frozen=True)
class Skipped:
    """A ref that gives no stage, and why."""

    ref: str
    why: str

    def __str__(self) -> str:
        return f"Skipped: {self.ref}, {self.why}."


def named(refs: Sequence[str]) -> dict[str, str]:
    """The name of each ref's stage. Raises WrongUse where two have the same."""
    found: dict[str, str] = {}
    for ref in refs:
        plain = slug(ref)
        name = plain if plain[:1].isalpha() and plain != "base" else f"{'v' if plain[:1].isdigit() else 'at_'}{plain}"
        if name in found.values():
            other = next(each for each, given in found.items() if given == name)
            raise WrongUse(f"{other} and {ref} would both be stage {name}.", hint="Give one of them.")
        found[ref] = name
    return found
