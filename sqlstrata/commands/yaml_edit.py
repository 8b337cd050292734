"""Add a stage, or keys of stages, to the text of a config.yaml; comments and layout are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from sqlstrata.start.texts import scalar


def with_stage(
    text: str, name: str, message: str, modules: tuple[str, ...] | None, off: tuple[str, ...] = ()
) -> tuple[str, int]:
    """Give the text with one more stage at the end, and the line of that stage. Nothing else changes.

    `modules` are those that it turns on, after `off` were turned off; None for a live stage.
    """
    node: Any = _at(text, ("stages",))
    turns = {"disable": off, "enable": modules or ()}
    pairs = [("name", name), ("message", scalar(message))]
    pairs += [(key, f"[{', '.join(map(scalar, each))}]") for key, each in turns.items() if each]
    pairs += [("live", "true")] if modules is None else []
    if node.flow_style:
        return _in_flow(text, node, "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}")
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    after = _end(lines, node)
    dash, column = node.start_mark.column, node.value[-1].start_mark.column
    lead = " " * dash + "-" + " " * (column - dash - 1)
    added = [f"{lead if not number else ' ' * column}{key}: {value}" for number, (key, value) in enumerate(pairs)]
    if _separated(lines, node):
        added.insert(0, "")
    if after and not lines[after - 1].endswith(("\n", "\r")):
        lines[after - 1] += newline
    line = after + len(added) - len(pairs) + 1
    return "".join([*lines[:after], *(f"{each}{newline}" for each in added), *lines[after:]]), line


def with_last_frozen(text: str) -> str:
    """Give the text with the last stage frozen, which was live. Nothing else changes."""
    pairs = _at(text, ("stages",)).value[-1].value
    key, value = next((key, value) for key, value in pairs if key.value == "live")
    return f"{text[: key.start_mark.index]}frozen: true{text[value.end_mark.index :]}"


def with_stages_frozen(text: str) -> str:
    """Give the text with all stages frozen: `enable` and `disable` become `frozen: true`. Nothing else changes."""
    made = text
    for stage in reversed(_at(text, ("stages",)).value):
        pairs = {key.value: (key, value) for key, value in stage.value}
        turning = sorted((pairs[key] for key in ("enable", "disable") if key in pairs), key=_start)
        if turning:
            for pair in reversed(turning[1:]):
                made = _without(made, stage, pair)
            made = f"{made[: _start(turning[0])]}frozen: true{made[_end_of(turning[0][1]) :]}"
        elif "frozen" not in pairs:
            made = _with_frozen(made, stage, pairs["name"])
    return made


_Pair = tuple[yaml.Node, yaml.Node]


def _without(text: str, stage: yaml.MappingNode, pair: _Pair) -> str:
    """Give the text without a key of a stage that is not the first: its lines, or its part of `{…, …}`."""
    if stage.flow_style:
        before = stage.value[stage.value.index(pair) - 1][1]
        return text[: _end_of(before)] + text[_end_of(pair[1]) :]
    start = text.rfind("\n", 0, _start(pair)) + 1
    end = text.find("\n", _end_of(pair[1])) + 1
    return text[:start] + (text[end:] if end else "")


def _with_frozen(text: str, stage: yaml.MappingNode, name: _Pair) -> str:
    """Give the text with `frozen: true` behind the name of a stage."""
    end = _end_of(name[1])
    if stage.flow_style:
        return f"{text[:end]}, frozen: true{text[end:]}"
    end = text.find("\n", end)
    lead = " " * stage.start_mark.column
    return f"{text[:end]}\n{lead}frozen: true{text[end:]}"


def _start(pair: _Pair) -> int:
    return int(pair[0].start_mark.index)


def _end_of(value: yaml.Node) -> int:
    return max(int(each.end_mark.index) for each in _leaves(value))


Value = str | Sequence[str] | Mapping[str, "Value"]
_Path = tuple[str | int, ...]


def with_frozen_stages(text: str, place: int, stages: Sequence[Mapping[str, object]]) -> str:
    """Give the text with more stages before the one at `place`, or at the end. Nothing else changes."""
    node: Any = _at(text, ("stages",))
    if node.flow_style:
        return _before_in_flow(text, node, place, stages)
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    at = node.value[place].start_mark.line if place < len(node.value) else _end(lines, node)
    while place < len(node.value) and lines[at - 1].lstrip().startswith("#"):
        at -= 1
    dash = " " * node.start_mark.column
    added: list[str] = []
    for stage in stages:
        dumped = yaml.safe_dump([dict(stage)], allow_unicode=True, sort_keys=False, width=10**9)
        added += [f"{dash}{line}{newline}" for line in dumped.splitlines()] + [newline]
    return "".join([*lines[:at], *added, *lines[at:]])


def _before_in_flow(text: str, node: Any, place: int, stages: Sequence[Mapping[str, object]]) -> str:  # noqa: ANN401 - the same
    """The same in `stages: [{…}, {…}]`."""
    items = [
        yaml.safe_dump(dict(stage), allow_unicode=True, sort_keys=False, width=10**9, default_flow_style=True).strip()
        for stage in stages
    ]
    if place == len(node.value):
        at = node.value[-1].end_mark.index
        return f"{text[:at]}, {', '.join(items)}{text[at:]}"
    at = node.value[place].start_mark.index
    return f"{text[:at]}{', '.join(items)}, {text[at:]}"


def with_top_key(text: str, key: str, value: str | Sequence[str]) -> str:
    """Give the text with another value of a key at the top, which is added at the end where it is missing."""
    top: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    new = scalar(value) if isinstance(value, str) else f"[{', '.join(map(scalar, value))}]"
    found = next((node for name, node in top.value if name.value == key), None)
    if found is not None:
        return f"{text[: found.start_mark.index]}{new}{text[found.end_mark.index :]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    end = "" if text.endswith("\n") else newline
    return f"{text}{end}{key}: {new}{newline}"


def with_value(text: str, path: _Path, value: Value, after: str | None = None) -> str:
    """Give the text with a value at a path, such as ("stages", 1, "drop"), added to what is there already.

    A new key comes behind the key `after`, or behind the last one; more items behind the items of a list, more entries
    behind those of a mapping. Another value that is there is replaced. Nothing else changes.
    """
    *above, key = path
    node = _at(text, tuple(above))
    there = _child(node, key)
    if there is None:
        behind = None if after is None else _child(node, after)
        return _added(text, node, f"{scalar(str(key))}: {_flow(value)}", behind)
    if isinstance(value, Mapping) and isinstance(there, yaml.MappingNode):
        for name, each in value.items():
            text = with_value(text, (*path, name), each)
        return text
    if not isinstance(value, str | Mapping) and isinstance(there, yaml.SequenceNode):
        for item in value:
            text = _added(text, _at(text, path), scalar(item), None)
        return text
    start, end = there.start_mark.index, there.end_mark.index
    blank, line_end = " " * text[:start].endswith(":"), "\n" * text[start:end].endswith("\n")
    return f"{text[:start]}{blank}{_flow(value)}{line_end}{text[end:]}"


def _at(text: str, path: _Path) -> yaml.Node:
    """The node at a path. It must be there."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in path:
        node = node.value[key] if isinstance(key, int) else _child(node, key)
    found: yaml.Node = node
    return found


def _child(node: Any, key: str | int) -> yaml.Node | None:  # noqa: ANN401 - the kinds of yaml.Node share no `value`
    return next((value for name, value in node.value if name.value == key), None)


def _added(text: str, node: Any, added: str, behind: yaml.Node | None) -> str:  # noqa: ANN401 - the same
    """Add an entry to a mapping, or an item to a list, behind one that is there, by default the last."""
    parts = [each[1] if isinstance(each, tuple) else each for each in node.value]
    before = behind or (parts[-1] if parts else None)
    if node.flow_style or before is None:
        place = node.start_mark.index + 1 if before is None else before.end_mark.index
        return f"{text[:place]}{', ' * (before is not None)}{added}{text[place:]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    line = max(_last_line(each) for each in _leaves(before)) + 1
    lead = " " * node.start_mark.column + "- " * isinstance(node, yaml.SequenceNode)
    if not lines[line - 1].endswith(("\n", "\r")):
        lines[line - 1] += newline
    return "".join([*lines[:line], f"{lead}{added}{newline}", *lines[line:]])


def _flow(value: Value) -> str:
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    return f"[{', '.join(map(scalar, value))}]"


def _in_flow(text: str, node: yaml.SequenceNode, item: str) -> tuple[str, int]:
    """Add the item after the last one of `stages: [{…}, {…}]`."""
    if not node.value:
        place = node.start_mark.index + 1
        return f"{text[:place]}{item}{text[place:]}", node.start_mark.line + 1
    place = node.value[-1].end_mark.index
    return f"{text[:place]}, {item}{text[place:]}", node.value[-1].end_mark.line + 1


def _end(lines: list[str], node: yaml.SequenceNode) -> int:
    """The number of lines up to the end of the last stage, including its comments."""
    end = max(_last_line(each) for each in _leaves(node)) + 1
    while end > 0 and not lines[end - 1].strip():
        end -= 1
    inside = end
    for number in range(end, len(lines)):
        stripped = lines[number].strip()
        indent = len(lines[number]) - len(lines[number].lstrip())
        if stripped and not (stripped.startswith("#") and indent > node.start_mark.column):
            break
        if stripped:
            inside = number + 1
    return inside


def _leaves(node: Any) -> Iterator[yaml.Node]:  # noqa: ANN401 - the kinds of yaml.Node share no `value`
    """The nodes whose end marks are right: scalars and flow collections. A block's is where the next node begins."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        yield node
        return
    for each in node.value:
        for part in each if isinstance(each, tuple) else (each,):
            yield from _leaves(part)


def _last_line(node: yaml.Node) -> int:
    mark = node.end_mark
    return int(mark.line - 1 if mark.column == 0 and mark.line > node.start_mark.line else mark.line)


def _separated(lines: list[str], node: yaml.SequenceNode) -> bool:
    """Whether to put a blank line before the stage: as between the others, or where a single one has several lines."""
    if len(node.value) == 1:
        return int(max(_last_line(each) for each in _leaves(node))) > int(node.start_mark.line)
    return not lines[node.value[-1].start_mark.line - 1].strip()
