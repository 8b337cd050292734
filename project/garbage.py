"""Looking for garbage seldom, where nearly all that is made stays for as long as the work takes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MANY = 100_000  # objects; a mapped class and its table are some thousand


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Have Python look for garbage less often inside: each look goes through all that is there again."""
    before = gc.get_threshold()
    gc.set_threshold(_MANY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
