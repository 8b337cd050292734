"""The printer: a result as text or JSON, progress, and errors. It knows no command."""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlstrata.columns import columns
from sqlstrata.result import Line, Result, Table, Verbatim
from sqlstrata.secret import masked, masked_within
from sqlstrata.terminal import error_text, progress, table_text, wrapped

if TYPE_CHECKING:
    from sqlstrata.errors import SqlstrataError

_COMMAND = re.compile(r"`inv (?=[a-z-])")
_WITH_URL = re.compile(r"(`\w+) (status|up|down|identify|adopt)\b(?! --url)")


class Report:
    """One command's output. `code` is its exit code; `elsewhere` says that `--url` named the database.

    `stages` are those of the plan, for the progress of the work.

    `program` is the program that was run, `inv` or `sqlstrata`. Messages are written for `inv` and the plan's database;
    the commands in them are printed as they must be run.
    """

    def __init__(self, *, json: bool, elsewhere: bool = False, program: str = "inv") -> None:
        self.json = json
        self.elsewhere = elsewhere
        self.program = program
        self.code = 0
        self.stages: list[str] = []
        self._object: Mapping[str, object] = {}
        self._noted = set[str]()

    # ------------------------------------------------------------------------ while it works

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, str], None]]:
        """Show each of `stages` on standard error while the work goes on."""
        if self.json:
            yield self.tell
        else:
            with progress(self.stages, self.tell) as show:
                yield show

    def tell(self, sentence: str, stage: str) -> None:
        """Print a message on standard error; mere progress, which has a stage, is left out."""
        if sentence and not stage:
            print(wrapped(masked(self._adapted(sentence)), sys.stderr), file=sys.stderr, flush=True)

    def notes(self, sentences: Iterable[str]) -> None:
        """Print messages that hold for the whole command, each once."""
        for sentence in sentences:
            if sentence not in self._noted:
                self._noted.add(sentence)
                self.tell(sentence, "")

    # -------------------------------------------------------------------------------- results

    def show(self, result: Result) -> None:
        """Print a result, or keep its object for `finish` and `fail`."""
        self._object = result.to_json()
        if not self.json:
            for line in result.lines():
                self._print_line(line)

    def finish(self) -> None:
        """Print the object, with `--json`."""
        if self.json:
            self._print_object()

    def _print_line(self, line: Line) -> None:
        match line:
            case Table():
                print(table_text(line, sys.stdout) if sys.stdout.isatty() else columns(line.head, line.rows))
            case Verbatim():
                _require_encodable(line.text)
                print(line.text)
            case _:
                print(wrapped(self._adapted(line), sys.stdout))

    # --------------------------------------------------------------------------------- errors

    def fail(self, error: SqlstrataError) -> None:
        """Print what the command found, if anything, and the error: place, message and hint."""
        if error.result is not None:
            self.show(error.result)
        error.message = self._adapted(error.message)
        error.hint = error.hint and self._adapted(error.hint)
        print(error_text(masked(str(error)), sys.stderr), file=sys.stderr)
        self._end(error.code, error.to_json())

    def crashed(self) -> None:
        """Print the traceback of an unexpected error, without passwords."""
        trace = masked(traceback.format_exc())
        print(trace, file=sys.stderr, end="")
        self._end(1, _error(1, trace.strip().splitlines()[-1]))

    def stopped(self, stop: KeyboardInterrupt) -> None:
        """Report Ctrl-C, and the state that it left."""
        message = " ".join(["Stopped.", *getattr(stop, "__notes__", ())])
        print(wrapped(message, sys.stderr), file=sys.stderr)
        self._end(130, _error(130, message))

    def unwritten(self, error: OSError) -> None:
        """Report that standard output cannot be written; nothing where its reader has closed it, as `head` does."""
        if isinstance(error, BrokenPipeError):
            self.code = self.code or 141
        else:
            self.code = self.code or 2
            print(f"Standard output cannot be written: {error.strerror}.", file=sys.stderr)

    def _end(self, code: int, error: object) -> None:
        self.code = code
        if self.json:
            self._print_object(error=masked_within(error))

    def _print_object(self, **more: object) -> None:
        print(json.dumps(self._adapted_within({**self._object, **more}), ensure_ascii=not _is_utf8(), default=str))

    # --------------------------------------------------------------------- commands in messages

    def _adapted(self, sentence: str) -> str:
        """The sentence with its commands as they are run here: by this program, and for the database at `--url`."""
        sentence = _COMMAND.sub(f"`{self.program} ", sentence)
        return _WITH_URL.sub(r"\1 \2 --url …", sentence) if self.elsewhere else sentence

    def _adapted_within(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """JSON with the messages and hints of the errors in it adapted; other texts are the user's."""
        match value:
            case {"code": _, "message": str(message), "hint": hint}:
                return {**value, "message": self._adapted(message), "hint": hint and self._adapted(hint)}
            case dict():
                return {key: self._adapted_within(each) for key, each in value.items()}
            case list():
                return [self._adapted_within(each) for each in value]
            case _:
                return value


def _error(code: int, message: str) -> dict[str, object]:
    return {"code": code, "message": message, "where": None, "hint": None}


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _require_encodable(text: str) -> None:
    """Raise WrongUse where standard output cannot hold the text: other output has escapes then, SQL may not."""
    from sqlstrata.errors import WrongUse

    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError as error:
        message = f"Standard output is {error.encoding}, which cannot hold {text[error.start]!r}."
        raise WrongUse(message, hint="Set the variable PYTHONUTF8=1.") from None
