"""Asking on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlstrata.commands.progress import Notify
    from sqlstrata.plan import Plan
    from sqlstrata.result import Result


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def asked(question: str) -> bool:
    """Ask on the terminal. Raises WrongUse, which names the flag, where there is none."""
    from sqlstrata.errors import WrongUse

    if not is_terminal():
        raise WrongUse(f"{question} There is no terminal to ask.", hint="Answer with `--yes`. Nothing was changed.")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def confirmed(notify: Notify, *, yes: bool) -> Callable[[str], bool]:
    """What answers a question about values that would be lost: the flag, else the terminal, else no."""

    def answer(question: str) -> bool:
        notify("", "")  # or the progress would cover the question
        return asked(question)

    if yes or not is_terminal():
        return lambda _: yes
    return answer


def with_answers(once: Callable[[Plan], Result], plan: Plan) -> Result:
    """Run a command; where stages must allow more, ask, and run it again with the answers in config.yaml."""
    from sqlstrata.commands.questions import Questions
    from sqlstrata.revisions.refusal import NotAllowed

    questions = Questions(input)
    while True:
        try:
            return once(plan)
        except NotAllowed as refused:
            try:
                again = questions.answered(plan, refused)
            except EOFError:
                again = None
            if again is None:
                raise refused from None
            plan = again
