"""Reading the user's files, to edit them."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

from sqlstrata.disk import together
from sqlstrata.errors import WrongUse
from sqlstrata.plan import Plan, read


def decoded(path: Path) -> tuple[str, str]:
    """The text of a file, and its encoding: UTF-8, perhaps with a byte order mark."""
    content = path.read_bytes()
    encoding = "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8"
    return content.decode(encoding), encoding


def edited(plan: Plan, change: Callable[[str], str], is_right: Callable[[Plan], bool], by_hand: str) -> Plan:
    """Change the text of config.yaml, whole or not at all, and give the plan that it is then.

    Raises WrongUse, with nothing changed, where the plan is not right then, because stages share text (an anchor, for
    example); `by_hand` are the lines to write instead.
    """
    text, encoding = decoded(plan.path)
    with together() as write:
        write(plan.path, change(text).encode(encoding))
        again = _read(plan)
        if again is None or not is_right(again):
            hint = f"Write them by hand: {by_hand}. Nothing was changed."
            raise WrongUse(f"Cannot write into {plan.path.name}: its stages share text.", hint=hint)
        return again


def _read(plan: Plan) -> Plan | None:
    """The plan in the file; None where it is not one any more."""
    try:
        again = read(plan.path)
    except WrongUse:
        return None
    return again if len(again.stages) == len(plan.stages) else None
