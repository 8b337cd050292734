"""Looking for garbage seldom, where nearly all that is made stays for as long as the work takes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# After how many new objects Python looks through these, and after how many such looks through those that it has looked
# through once, and through all. A mapped class and its table are some thousand objects; with many more at once a look
# takes longer for each, as they no longer fit in the processor's cache. What has stayed is hardly ever garbage.
_SELDOM = (10_000, 50, 1000)


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Have Python look for garbage less often inside: each look goes through all that is there again.

    Afterwards that is as it was, and what has come meanwhile counts as looked through, as old things do: else Python
    would go through all of it right then.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        if before != _SELDOM and not gc.get_freeze_count():  # what somebody has frozen stays so
            gc.freeze()
            gc.unfreeze()
        gc.set_threshold(*before)
