"""A process that is asked once, in a bounded time, and ends with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """What a process has printed; its code is None where its time was over."""

    code: int | None
    out: str
    err: str


def ask(
    words: Sequence[str], asked: str, *, folder: Path, env: Mapping[str, str], seconds: float, hear_errors: bool = False
) -> Ended:
    """Run a program with a text on its standard input.

    It is killed when its time is over, or where this process is stopped; whatever it has started is killed when it
    ends. Its standard error is thrown away without `hear_errors`. Raises OSError where it cannot be run.
    """
    with subprocess.Popen(  # noqa: S603 - the interpreter that the user names
        words,
        cwd=folder,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if hear_errors else subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(asked.encode(), timeout=seconds)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            _end(process)
            out, err = process.communicate()
            code = None
        finally:
            _end(process)
    return Ended(code, out.decode(errors="replace"), (err or b"").decode(errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
