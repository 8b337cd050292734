"""What a terminal gets: lines within its width, colours, and a progress bar."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from sqlstrata.columns import fitted, words_within
from sqlstrata.result import Table

_PAUSE = 30.0
"""Seconds between two lines of progress where there is no terminal: short runs have none."""
_BOLD, _RED = "1", "1;31"
Notify = Callable[[str, str], None]


def wrapped(text: str, stream: TextIO) -> str:
    """The text, within the width of the terminal if the stream is one."""
    return words_within(text, _width(stream)) if stream.isatty() else text


def error_text(text: str, stream: TextIO) -> str:
    """An error's text: on a terminal behind `error:`, in red."""
    if not stream.isatty():
        return text
    label = "error:"
    return words_within(f"{label} {text}", _width(stream)).replace(label, _coloured(label, _RED, stream), 1)


def table_text(table: Table, stream: TextIO) -> str:
    """A table within the width of the terminal, its heads bold."""
    lines, heads = fitted(table.head, table.rows, _width(stream), "─" if _holds(stream, "─") else "-")
    return "\n".join([*(_coloured(line, _BOLD, stream) for line in lines[:heads]), *lines[heads:]])


@contextmanager
def progress(stages: Sequence[str], tell: Notify) -> Iterator[Notify]:
    """Show each stage on standard error while the work goes on: a bar on a terminal, elsewhere a line now and then.

    `stages` are those of the plan, first to last: it may be filled later. Messages go to `tell`.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield _lines(stages, tell)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    text = TextColumn("{task.description}", markup=False)
    bar = Progress(text, BarColumn(), MofNCompleteColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task("")

    def show(doing: str, stage: str) -> None:
        if stage:
            bar.update(task, description=f"{doing}: {stage}", completed=_number(stages, stage), total=len(stages))
            bar.start()
        elif doing:
            tell(doing, "")
        else:
            bar.stop()

    try:
        yield show
    finally:
        bar.stop()


def _lines(stages: Sequence[str], tell: Notify) -> Notify:
    since = time.monotonic()

    def show(doing: str, stage: str) -> None:
        nonlocal since
        if not stage:
            tell(doing, "")
        elif time.monotonic() - since >= _PAUSE:
            since = time.monotonic()
            tell(f"{doing}: {stage} ({_number(stages, stage)} of {len(stages)})", "")

    return show


def _number(stages: Sequence[str], stage: str) -> int:
    return stages.index(stage) + 1 if stage in stages else 0


def _width(stream: TextIO) -> int:
    """The width of a terminal; the variable COLUMNS is another one."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def _coloured(text: str, code: str, stream: TextIO) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty()
    return text if plain else f"\x1b[{code}m{text}\x1b[0m"


def _holds(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
