"""Which of the known names a misspelled one most probably stands for."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LISTED = 16  # names in a sentence, before it ends in "and more"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Give the name that is most like a word, upper and lower case aside; None where none is like it."""
    lowered = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), lowered, n=1)
    return lowered[found[0]] if found else None


def nearest_hint(word: str, names: Iterable[str], noun: str) -> str:
    """Give the sentence that names the nearest name, or lists the names where none is like the word."""
    known = list(dict.fromkeys(names))
    if (near := nearest(word, known)) is not None:
        return f"The nearest {noun} is `{near}`."
    more = " and more" if len(known) > _LISTED else ""
    return f"The {noun}s are {', '.join(known[:_LISTED])}{more}." if known else f"There is no {noun}."
