"""The program's commands as processes: `inv` and stock Alembic, with a time limit, on a terminal, and killed."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOOK = Path(__file__).resolve().parent / "hook"
LONGEST = 120.0
"""Seconds that a command may take; the program promises that every wait has an end."""


@dataclass(frozen=True)
class Ran:
    """A command that has ended: its words, its exit code (negative: killed by that signal), and all that it said."""

    words: tuple[str, ...]
    code: int
    output: str

    def __str__(self) -> str:
        return f"$ {' '.join(self.words)}\n{self.output.strip()}\n[exit code {self.code}]"


def inv(*words: str) -> list[str]:
    return [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words]


def alembic(*words: str) -> list[str]:
    return [sys.executable, "-m", "alembic", *words]


class Running:
    """A command at work, in a process group of its own."""

    def __init__(self, shown: Sequence[str], command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.shown = tuple(shown)
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def kill(self) -> None:
        """End the process and its children at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def pause(self, seconds: float) -> None:
        """Let it work for a moment before something else begins."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def kill_after(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self.kill)
        timer.daemon = True
        timer.start()

    def ended(self) -> Ran:
        """Wait for the end. A command that takes too long is killed; its exit code is then that of `timeout`, 124."""
        try:
            output, _ = self.process.communicate(timeout=LONGEST)
            code = self.process.returncode
        except subprocess.TimeoutExpired:
            self.kill()
            output, code = self.process.communicate()[0], 124
        return Ran(self.shown, code, output.decode(errors="replace"))


class OnTerminal:
    """A command on a terminal of its own, which can be answered."""

    def __init__(self, shown: Sequence[str], command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.shown, self.heard = tuple(shown), ""
        self.terminal, inside = pty.openpty()
        self.process = subprocess.Popen(
            command, cwd=folder, env=dict(environ), stdin=inside, stdout=inside, stderr=inside, start_new_session=True
        )
        os.close(inside)

    def asks(self, mark: str = "[y/N]") -> bool:
        """Wait until the question stands there. False where the command ended without one."""
        end = time.monotonic() + LONGEST
        while mark not in self.heard and time.monotonic() < end and self._read():
            pass
        return mark in self.heard

    def answered(self, text: str) -> Ran:
        """Type an answer, and wait for the end."""
        with contextlib.suppress(OSError):
            os.write(self.terminal, text.encode() + b"\n")
        end = time.monotonic() + LONGEST
        while time.monotonic() < end and self._read():
            pass
        os.close(self.terminal)
        return Ran(self.shown, self.process.wait(timeout=LONGEST), self.heard)

    def _read(self) -> bool:
        """Hear more; False at the end."""
        if not select.select([self.terminal], [], [], LONGEST)[0]:
            return False
        try:
            data = os.read(self.terminal, 65536)
        except OSError:  # Linux: the other side is closed
            return False
        self.heard += data.decode(errors="replace")
        return bool(data)
