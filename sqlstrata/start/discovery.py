"""The declarative bases and MetaData of a folder, found by importing candidates in a process of their own."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlstrata import child
from sqlstrata.disk import shown
from sqlstrata.errors import WrongUse
from sqlstrata.secret import masked
from sqlstrata.start.candidates import Candidate, Candidates

TIME = 30.0
"""Seconds that importing all candidates may take."""


@dataclass(frozen=True)
class Found:
    """A base or MetaData, by the name that its module has for it, and its tables with the modules that define them."""

    module: str
    attribute: str
    tables: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A module that could not be imported."""

    path: Path
    why: str


@dataclass(frozen=True)
class Discovery:
    """What importing the candidates has shown; bases with most tables come first."""

    files: Candidates
    found: tuple[Found, ...] = ()
    failed: tuple[Failure, ...] = ()

    @property
    def has_tables(self) -> bool:
        return any(each.tables for each in self.found)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Why files were not imported that may define models."""
        failed = (f"{shown(each.path)}: {each.why}" for each in self.failed)
        return (*failed, *(f"{shown(each.path)}:{each.line}: {each.why}" for each in self.files.unread))


def discover(files: Candidates, seconds: float = TIME) -> Discovery:
    """Import the candidates in a process of their own, and give what they define. Writes nothing.

    A module that takes too long, or ends the process, is one that failed; then the others are tried without it.
    Raises WrongUse where the process cannot work at all.
    """
    modules, failed, end = list(files.modules), list[Failure](), time.monotonic() + 2 * seconds
    while modules and (left := min(seconds, end - time.monotonic())) > 0:
        said = _said(files.roots, modules, left)
        paths = {each.module: each.path for each in modules}
        failed += [Failure(paths[each["failed"]], masked(each["error"])) for each in said if "failed" in each]
        if said and "found" in said[-1]:
            found = [Found(each["module"], each["attribute"], each["tables"]) for each in said[-1]["found"]]
            found.sort(key=lambda each: (-len(each.tables), str(each)))
            return Discovery(files, tuple(found), tuple(failed))
        if not said:
            raise WrongUse(
                "The process that looks for models does not start.",
                hint="Look for a module that shadows one of Python's.",
            )
        last = next(each["importing"] for each in reversed(said) if "importing" in each)
        failed.append(Failure(paths[last], f"it ends the process, or takes longer than {seconds:.0f} seconds"))
        gone = {last, *(each["failed"] for each in said if "failed" in each)}
        modules = [each for each in modules if each.module not in gone]
    return Discovery(files, failed=tuple(failed))


def _said(roots: Sequence[Path], modules: Sequence[Candidate], seconds: float) -> list[dict[str, Any]]:
    """What the process says until it ends or its time is over."""
    asked = json.dumps({"roots": [str(each) for each in roots], "modules": [each.module for each in modules]})
    ended = child.ask(
        [sys.executable, "-P", "-m", "sqlstrata.start.looking"],
        asked,
        folder=roots[0],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        seconds=seconds,
    )
    return [json.loads(line) for line in ended.out.splitlines()]
