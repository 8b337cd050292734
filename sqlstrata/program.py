"""The program that was run, and the tasks that are our commands."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke import Task


class Command(Task):  # type: ignore[type-arg]
    """A command of `sqlstrata.tasks`."""


def program_name() -> str:
    """The program that was run: `sqlstrata`, also as a module, or `inv`."""
    path = Path(sys.argv[0])
    name = path.parent.name if path.stem == "__main__" else path.stem
    return "sqlstrata" if name == "sqlstrata" else "inv"
