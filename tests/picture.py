"""docs/stages.svg: what `inv stages` shows on a terminal, for the example.

`python -m tests.picture` draws it again.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.projects import clone

PICTURE = Path(__file__).parents[1] / "docs" / "stages.svg"
_WIDTH = 110


def picture(folder: Path) -> str:
    """Draw what `inv stages` shows in a folder with the example, after `inv rebuild`."""
    environ = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": str(_WIDTH), "TERM": "xterm-256color"}
    environ = {name: value for name, value in environ.items() if name not in {"CONFIG", "SQLSTRATA_CONFIG", "NO_COLOR"}}
    inv = [sys.executable, "-m", "invoke"]
    subprocess.run([*inv, "rebuild"], cwd=folder, env=environ, capture_output=True, check=True)
    mine, theirs = pty.openpty()
    with subprocess.Popen([*inv, "stages"], cwd=folder, env=environ, stdout=theirs, stdin=theirs) as process:
        os.close(theirs)
        shown = _read(mine)
    assert process.returncode == 0
    return _svg(f"$ inv stages\n{shown}")


def _read(terminal: int) -> str:
    found = b""
    try:
        while chunk := os.read(terminal, 65536):
            found += chunk
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(terminal)
    return found.decode().replace("\r\n", "\n")


def _svg(text: str) -> str:
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi(text))
    drawn = console.export_svg(title="sqlstrata", unique_id="stages")
    return re.sub(r"\s*@font-face {.*?}\n", "\n", drawn, flags=re.DOTALL)  # a picture asks no other site for fonts


def main() -> None:
    """Draw it again."""
    with tempfile.TemporaryDirectory() as folder:
        PICTURE.write_text(picture(clone(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
