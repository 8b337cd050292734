"""What a command finds, whether or not that amounts to an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from sqlstrata.errors import SqlstrataError

P = ParamSpec("P")
R = TypeVar("R")


def outcome(command: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
    """Run a command and give its result, also where the command raises an error that carries it."""
    try:
        return command(*args, **options)
    except SqlstrataError as error:
        if error.result is None:
            raise
        return cast("R", error.result)
