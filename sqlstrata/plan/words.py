"""How errors call the values of config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

TOP = "`database:`, `models:` and `stages:`, each with its keys"
"""What a file must have."""


def label(key: tuple[str | int, ...]) -> str:
    """Give the name of the value at a key, for the middle of a sentence."""
    match key:
        case ():
            return "the file"
        case ("stages", int(index)):
            return f"stage {index + 1}"
        case (*_, str(name), int(index)):
            return f"item {index + 1} of `{name}`"
        case _:
            return f"`{key[-1]}`"


def kind(value: object) -> str:
    """Give what YAML made of a value, with its article."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case str():
            return "text"
        case bytes():
            return "binary data"
        case date():
            return "a date"
        case Mapping():
            return "a mapping"
    return "a list"
