"""The error for all changes that the stages do not allow, with the lines to paste into config.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

import yaml

from sqlstrata.diff import Need
from sqlstrata.diff.words import words
from sqlstrata.errors import Refused
from sqlstrata.plan import Cast, Sql, Stage
from sqlstrata.plan.values import ALLOWED
from sqlstrata.result import counted, listed
from sqlstrata.servers import KEYS

Value = str | Mapping[str, "Value"] | None


class NotAllowed(Refused):
    """Changes that the stages do not allow: `needed` has them, `reasons` why, by stage, key and name."""

    needed: Sequence[tuple[Stage, Need]]
    reasons: Mapping[tuple[str, str, str], str]


def refused(needs: Sequence[tuple[Stage, Need]]) -> NotAllowed:
    """One error for all needs. Each value to paste is complete: what the stage allows already, and what it must."""
    lines, values = [], []
    for stage in {stage.name: stage for stage, _ in needs}.values():
        mine = [need for each, need in needs if each.name == stage.name]
        whole = {key: _whole(stage, key, [need for need in mine if need.key == key]) for key in ALLOWED}
        values += [_for_scripts(stage, need, whole[need.key][need.name]) for need in mine]
        lines.append(f"    # under stage {stage.name}:")
        if stage.revision is not None:
            lines.append("    # it is released, so its models must give what they gave, or its `revision` has to go:")
        renames = dict(need.rename for need in mine if need.rename is not None)
        if renames:
            pairs = ", ".join(f"{_yaml(old)}: {_yaml(new)}" for old, new in renames.items())
            lines.append(f"    # if it is a rename, this line in place of the others: rename: {{{pairs}}}")
        for key in dict.fromkeys(key for key in ALLOWED for need in mine if need.key == key):
            lines += _lines(key, whole[key], replaces=bool(getattr(stage, key)))
    reasons = "".join(f"\n  {stage.name}: {need.why}." for stage, need in needs)
    message = f"{counted(len(needs), 'change')} must be allowed in config.yaml:{reasons}"
    hint = "Check each one, and add the right lines to config.yaml:\n" + "\n".join(lines)
    error = NotAllowed(message, hint=hint, needs=values)
    error.needed = needs
    error.reasons = {(stage.name, need.key, need.name): need.why for stage, need in needs}
    return error


def told(stages: Sequence[Stage], needs: Sequence[tuple[Stage, Need]]) -> list[tuple[Stage, Need]]:
    """The needs, where a drop says which stages' `data` names what goes: that stage's, and those after it."""
    return [(stage, _told(stages[stages.index(stage) :], need)) for stage, need in needs]


def _told(stages: Sequence[Stage], need: Need) -> Need:
    names = set(need.name.split(".")[-2:])
    readers = [each.name for each in stages if names <= _words_of_data(each)] if need.key == "drop" else []
    return need if not readers else replace(need, why=f"{need.why}; the `data` of {listed(readers)} names it")


def _words_of_data(stage: Stage) -> set[str]:
    sides = (stage.upgrade, stage.downgrade_sql)
    return {word for side in sides for key in KEYS for text in side.on(key) for word in words(text)}


def pasted(stage: Stage, needs: Sequence[Need]) -> Stage:
    """The stage with all that it is asked for."""
    whole = {key: _whole(stage, key, [need for need in needs if need.key == key]) for key in ALLOWED}
    casts = {name: value if _has_ways(value) else {"up": value} for name, value in whole["cast"].items()}
    return replace(
        stage,
        drop=tuple(whole["drop"]),
        fill={name: _sql(value) for name, value in whole["fill"].items()},
        cast={name: Cast(**{way: _sql(each) for way, each in ways.items()}) for name, ways in casts.items()},
    )


def _has_ways(value: Value) -> TypeGuard[Mapping[str, Value]]:
    return isinstance(value, Mapping) and not value.keys().isdisjoint({"up", "down"})


def _sql(value: Value) -> Sql:
    texts = value if isinstance(value, Mapping) else {"default": value}
    return Sql(**{name: (str(text),) for name, text in texts.items()})


def _for_scripts(stage: Stage, need: Need, value: Value) -> dict[str, object]:
    """The need as the JSON object has it."""
    found: dict[str, object] = {"stage": stage.name, "key": need.key, "name": need.name, "value": value}
    if need.rename is not None:
        old, new = need.rename
        found["or"] = {"key": "rename", "name": old, "value": new}
    return found


def _whole(stage: Stage, key: str, needs: Sequence[Need]) -> dict[str, Value]:
    """The value of the key with what is needed, by name."""
    if key == "drop":
        return dict.fromkeys([*stage.drop, *(need.name for need in needs)])
    ways: dict[str, dict[str, str | dict[str, str]]] = {}
    for name, sql in stage.fill.items() if key == "fill" else ():
        ways[name] = {"up": _texts(sql)}
    for name, cast in stage.cast.items() if key == "cast" else ():
        both = (("up", cast.up), ("down", cast.down))
        ways[name] = {way: _texts(sql) for way, sql in both if sql is not None}
    for need in needs:
        of_name = ways.setdefault(need.name, {})
        way = "down" if key == "cast" and not need.up else "up"
        given, value = of_name.get(way), need.value or ""
        of_name[way] = {**given, **value} if isinstance(given, dict) and isinstance(value, dict) else value
    return {name: of_name["up"] if list(of_name) == ["up"] else of_name for name, of_name in ways.items()}


def _texts(sql: Sql) -> str | dict[str, str]:
    """SQL as it is written in config.yaml."""
    given = {name: texts[0] for name in sql.__slots__ if (texts := getattr(sql, name))}
    return given["default"] if list(given) == ["default"] else given


def _lines(key: str, whole: Mapping[str, Value], *, replaces: bool) -> list[str]:
    note = "  # replaces the stage's own" if replaces else ""
    if key == "drop":
        return [f"    drop: [{', '.join(map(_yaml, whole))}]{note}"]
    return [f"    {key}:{note}", *(f"      {_yaml(name)}: {_value(value)}" for name, value in whole.items())]


def _value(value: Value) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value(each)}" for key, each in value.items()) + "}"
    return _yaml(value or "")


def _yaml(text: str) -> str:
    plain = text.replace("_", "").replace(".", "").isalnum() and yaml.safe_load(text) == text
    return text if plain else json.dumps(text, ensure_ascii=False)
