"""A process that is asked once: its time is bounded, and nothing that it started outlives it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from sqlstrata import child

SLEEPING = """
import subprocess, sys, time
started = subprocess.Popen(["sleep", "986"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(started.pid, sys.stdin.read(), flush=True)
print("aside", file=sys.stderr)
time.sleep({seconds})
"""


def is_running(process: int) -> bool:
    """Whether it is there, and has not only been left for somebody to wait for."""
    state = Path(f"/proc/{process}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(("sleeps", "code"), [(900, None), (0, 0)])
def test_what_it_has_started_ends_with_it(tmp_path: Path, sleeps: int, code: int | None) -> None:
    words = [sys.executable, "-c", SLEEPING.format(seconds=sleeps)]
    ended = child.ask(words, "é", folder=tmp_path, env=os.environ, seconds=20 if code == 0 else 2, hear_errors=True)
    started, asked = ended.out.split()
    assert (ended.code, asked, ended.err.strip()) == (code, "é", "aside")
    end = time.monotonic() + 5
    while is_running(int(started)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(int(started))


def test_what_cannot_be_run_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        child.ask([str(tmp_path / "nothing")], "", folder=tmp_path, env={}, seconds=1)
