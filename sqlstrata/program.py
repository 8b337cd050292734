"""Invoke's program, made strict: wrong words exit 2, and no option of Invoke's own is silently ignored.

Invoke accepts its own options after a command's name, too, and keeps them from the command: `reset --yes --dry` would
drop a database. For the commands of `sqlstrata.tasks`

- `--dry` means `--dry-run` where the command has it, and is an error elsewhere,
- `--config X` before or after the command is the command's own `--config X`,
- any other of Invoke's options after the command is an error, except those that show something.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invoke import Argument, Exit, ParseError, ParserContext, Program, Task

from sqlstrata.errors import WrongUse
from sqlstrata.output import Report

_SHOWING = {"help", "list", "list-depth", "list-format", "complete"}


class Command(Task):  # type: ignore[type-arg]
    """A command of `sqlstrata.tasks`."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:  # noqa: FBT001 - Invoke's
        """Give the arguments, each time with their help: Invoke takes it away when it has read it."""
        kept = dict(self.help)
        try:
            return super().get_arguments(ignore_unknown_help)
        finally:
            self.help = kept


class StrictProgram(Program):
    """Invoke's program for a namespace that has our commands."""

    def parse_core(self, argv: list[str] | None) -> None:
        self.normalize_argv(argv)
        with self._complaints():
            super().parse_core(self.argv)

    def parse_tasks(self) -> None:
        words = self.core.unparsed
        if "--help" in words:  # Invoke would take it for the value of a command's first argument
            self.args["help"].set_value(words[0], cast=False)
            words.clear()
        with self._complaints():
            super().parse_tasks()
            for each in self.tasks:
                if isinstance(self.collection[each.name], Command):
                    self._hand_over(each)

    def parse_cleanup(self) -> None:
        with self._complaints():
            super().parse_cleanup()

    def _hand_over(self, command: ParserContext) -> None:
        """Give the command what Invoke has taken for itself. Raises ParseError."""
        given = {name for name, each in self.core_via_tasks.args.items() if each.got_value} - _SHOWING - {"config"}
        if self.args["dry"].value:
            given |= {"dry"}
            if "dry-run" in command.args:
                command.args["dry-run"].value = True
                given -= {"dry"}
        for name in sorted(given):
            raise ParseError(f"`{command.name}` has no option `--{name}`", command)
        config: Argument = self.args["config"]
        if config.value is not None:
            if command.args["config"].value is None:
                command.args["config"].value = config.value
            config.set_value(None, cast=False)  # or Invoke would read its own settings from it

    @contextmanager
    def _complaints(self) -> Iterator[None]:
        """Report what Invoke, or `_hand_over`, could not make sense of, and exit 2."""
        try:
            yield
        except ParseError as error:
            name = None if error.context is None else error.context.name
            hint = f"`inv --help {name}` lists its options." if name else "`inv --list` shows the commands."
            report = Report(json="--json" in self.argv, program=program_name())
            report.fail(WrongUse(f"{str(error).rstrip('.!')}.", hint=f"{hint} Nothing was done."))
            raise Exit(code=report.code) from error


def program_name() -> str:
    """The program that was run: `sqlstrata`, also as a module, or `inv`."""
    path = Path(sys.argv[0])
    name = path.parent.name if path.stem == "__main__" else path.stem
    return "sqlstrata" if name == "sqlstrata" else "inv"
