"""A process that is asked once, in a bounded time; it ends with all that it starts, and gets no secrets of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

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
        process = subprocess.Popen(
            [python, "-m", "exporter"],
            cwd=Path(__file__).parent,
            env={**kept, **_ALWAYS, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise WrongUse(
            f"{python} cannot be run: {error.strerror}.", hint="`--python` is a Python interpreter."
        ) from None
    with process:
        try:
            said, _ = process.communicate(json.dumps(asked).encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    try:
        found = json.loads(said)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
