"""Questions about what a stage would have to allow, whose answers are written into config.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlstrata.commands.editing import edited
from sqlstrata.commands.yaml_edit import with_value
from sqlstrata.plan import Plan
from sqlstrata.revisions.refusal import NotAllowed

Ask = Callable[[str], str]
"""Asks a question and gives the answer; an empty one stands for the suggestion in the question."""
_YES = {"y", "yes"}


class Questions:
    """The questions of one run: none is asked twice."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.declined: set[tuple[str, str, str]] = set()

    def answered(self, plan: Plan, refused: NotAllowed) -> Plan | None:
        """Ask what the refusal needs, and give the plan with the answers; None where the answer is no.

        The renames come first: after one, what else is needed is another matter. config.yaml is written whole or not
        at all, comments and layout kept. Raises WrongUse.
        """
        needs: list[dict[str, Any]] = refused.details["needs"]  # type: ignore[assignment] # as `refusal` makes them
        offered = [(need["stage"], need["or"]["name"], need["or"]["value"]) for need in needs if "or" in need]
        renames = [each for each in dict.fromkeys(offered) if self._is_rename(*each)]
        if renames:
            return _written(plan, [(stage, "rename", old, new) for stage, old, new in renames])
        values = []
        for need in needs:
            value = self._value(need, refused.reasons[need["stage"], need["key"], need["name"]])
            if value is None:
                return None
            values.append((need["stage"], need["key"], need["name"], value))
        return _written(plan, values)

    def _is_rename(self, stage: str, old: str, new: str) -> bool:
        if (stage, old, new) in self.declined:
            return False
        if self._agrees(f"Stage {stage}: was {old} renamed to {new}?"):
            return True
        self.declined.add((stage, old, new))
        return False

    def _value(self, need: Mapping[str, Any], why: str) -> Any:  # noqa: ANN401 - any value of config.yaml
        """What to write: True for a drop, SQL for the others; None for no."""
        stage, key, name, value = need["stage"], need["key"], need["name"], need["value"]
        if key == "drop":
            return self._agrees(f"Stage {stage}: {why}. Drop {name}?") or None
        if isinstance(value, str):
            return self.ask(f"Stage {stage}: {why}. SQL for {key} [{value}]: ").strip() or value
        lines = "".join(f"\n  {way}: {each}" for way, each in value.items())
        return value if self._agrees(f"Stage {stage}: {why}. Write this {key}?{lines}\n") else None

    def _agrees(self, question: str) -> bool:
        return self.ask(f"{question} [y/N] ").strip().lower() in _YES


def _written(plan: Plan, values: Sequence[tuple[str, str, str, Any]]) -> Plan:
    """Write values under their stages: the stage, the key, the name of the table or column, and what it gets."""
    names = [stage.name for stage in plan.stages]

    def change(text: str) -> str:
        for stage, key, name, value in values:
            added = [name] if key == "drop" else {name: value}
            text = with_value(text, ("stages", names.index(stage), key), added)
        return text

    touched = {stage for stage, *_ in values}
    entries = [
        (stage, key, f"[{name}]" if key == "drop" else f"{{{name}: {value}}}") for stage, key, name, value in values
    ]
    by_hand = "; ".join(f"`{key}: {entry}` in {stage}" for stage, key, entry in entries)
    return edited(plan, change, lambda again: all(a == b or a.name in touched for a, b in _pairs(plan, again)), by_hand)


def _pairs(plan: Plan, again: Plan) -> list[tuple[Any, Any]]:
    return list(zip(plan.stages, again.stages, strict=True))
