"""The exporter, in a process of its own, which gets no secrets of ours."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlstrata import child
from sqlstrata.errors import WrongUse

_KEPT = frozenset(
    "HOME LANG LD_LIBRARY_PATH PATH PYTHONPATH SYSTEMROOT TEMP TMP TMPDIR TZ USERPROFILE VIRTUAL_ENV".split()
)
"""The variables that a program needs to run at all; others may be secrets."""
_ALWAYS = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}


def ask(python: str, asked: Mapping[str, object], env: Mapping[str, str], seconds: float) -> dict[str, Any] | None:
    """Give the exporter's answer, None where it ended without one. Raises TimeoutError, and WrongUse without Python."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}
    try:
        ended = child.ask(
            [python, "-m", "exporter"],
            json.dumps(asked),
            folder=Path(__file__).parent,
            env={**kept, **_ALWAYS, **env},
            seconds=seconds,
        )
    except OSError as error:
        raise WrongUse(
            f"{python} cannot be run: {error.strerror}.", hint="`--python` is a Python interpreter."
        ) from None
    if ended.code is None:
        raise TimeoutError
    try:
        found = json.loads(ended.out)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
