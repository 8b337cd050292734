"""The YAML text of config.yaml as frozen data, with the line and column of each value.

The nodes that PyYAML composes become data beside a tree of marks; an `Entry` is one value with the way to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, TypeAlias

import yaml

from sqlstrata.errors import Where, WrongUse
from sqlstrata.plan.values import FrozenDict, Key, Mark, Marks
from sqlstrata.secret import keep_url

if TYPE_CHECKING:
    from pathlib import Path

TOP = "`database:`, `models:` and `stages:`, each with its keys"
"""What a file must have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of the file (a mapping is a FrozenDict, a list a tuple) and the way to it; its str names it."""

    data: object
    marks: Marks
    key: tuple[Key, ...] = ()

    def __str__(self) -> str:
        return label(self.key)

    def __getitem__(self, part: Key) -> Entry:
        return Entry(self.data[part], self.marks, (*self.key, part))  # type: ignore[index]

    def inside(self, name: str) -> tuple[Entry, ...]:
        """Give the values in the mapping or list under a name; () where it is missing."""
        if not isinstance(self.data, FrozenDict) or name not in self.data:
            return ()
        inner = self[name]
        parts = inner.data if isinstance(inner.data, FrozenDict) else range(len(inner.data))  # type: ignore[arg-type]
        return tuple(inner[part] for part in parts)

    def listed(self, name: str) -> tuple[Entry, ...]:
        """Give the values in the list under a name; () where there is none."""
        is_list = isinstance(self.data, FrozenDict) and isinstance(self.data.get(name), tuple)
        return self.inside(name) if is_list else ()

    @property
    def name(self) -> str:
        """The value's own key."""
        return str(self.key[-1])

    @property
    def text(self) -> str:
        """The value as text."""
        return str(self.data)

    @property
    def source(self) -> str:
        """The value as it is spelled in the file."""
        return self.marks.at(*self.key).source

    @property
    def where(self) -> Where:
        """The place of the value."""
        return self.marks.where(*self.key)

    def wrong(self, message: str, hint: str) -> WrongUse:
        """Make the error for this value; the message may begin with its name."""
        return WrongUse(message[0].upper() + message[1:], where=self.where, hint=hint)


def load(path: Path) -> Entry:
    """Read a file as YAML. Raises WrongUse with the first mistake."""
    try:
        node = _compose(_text(path), path)
        if node is None:
            raise WrongUse("The file is empty.", where=Where(str(path), 1, 1), hint=f"Write {TOP}.")
        data, mark = _plain(node, str(path), {})
    except RecursionError:
        message = "The file nests lists or mappings too deeply to be read."
        raise WrongUse(message, where=str(path), hint=f"Write {TOP}.") from None
    return Entry(data, Marks(str(path), mark))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        beside = sorted(p.name for p in path.parent.glob("*.y*ml"))
        near = f"The folder has {', '.join(beside)}" if beside else "`sqlstrata init` writes one"
        message = "There is no such configuration file."
        raise WrongUse(message, where=str(path), hint=f"{near}; `--config` names another.") from None
    except IsADirectoryError:
        message = "The configuration file is a folder."
        raise WrongUse(message, where=str(path), hint="Name the file in it, as in `--config x/config.yaml`.") from None
    except OSError as error:
        message = f"The configuration file cannot be read: {error.strerror}."
        raise WrongUse(message, where=str(path), hint="Look at its rights, or name another with `--config`.") from error
    except UnicodeDecodeError as error:
        message = f"The file is not UTF-8: byte 0x{error.object[error.start]:02x}."
        place = _end_of(error.object[: error.start].decode(), path)
        raise WrongUse(message, where=place, hint="Save it as UTF-8.") from None


def _end_of(text: str, path: Path) -> Where:
    return Where(str(path), text.count("\n") + 1, len(text) - text.rfind("\n"))


def _compose(text: str, path: Path) -> yaml.Node | None:
    """Compose with libyaml where PyYAML has it, ten times as fast; PyYAML's own parser explains what it refuses."""
    try:
        try:
            return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError:
            return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(text, path, error) from None
    except yaml.reader.ReaderError as error:
        message = f"The file has a character that YAML does not allow: U+{ord(text[error.position]):04X}."
        place = _end_of(text[: error.position], path)
        raise WrongUse(message, where=place, hint='Remove it, or write it as an escape in "quotes".') from None


_CONFLICT = re.compile(r"^<{7}(?: [^\n]*)?\r?$.*?^>{7}(?: [^\n]*)?$", re.MULTILINE | re.DOTALL)


def _conflicts(text: str) -> list[str]:
    """The lines of each git conflict in a text, such as "30 to 38"."""
    found = ((match.start(), match.end()) for match in _CONFLICT.finditer(text))
    return [f"{text.count(chr(10), 0, start) + 1} to {text.count(chr(10), 0, end) + 1}" for start, end in found]


def _not_yaml(text: str, path: Path, error: yaml.MarkedYAMLError) -> WrongUse:
    if conflicts := _conflicts(text):
        message = f"The file has a git conflict in lines {' and '.join(conflicts)}."
        hint = (
            "Keep the stages of both sides, remove the lines with <<<<<<<, ======= and >>>>>>>, and run `inv rebuild`."
        )
        return WrongUse(message, where=Where(str(path), int(conflicts[0].split()[0]), 1), hint=hint)
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    around = text.splitlines()[line : line + 1]
    hint = "Check the indentation and the quotes here and in the line before."
    if around and "${" in around[0]:
        hint = 'Inside [ ] and { } a variable needs quotes: "${NAME}".'
    return WrongUse(f"This is not valid YAML: {problem}.", where=Where(str(path), line + 1, column + 1), hint=hint)


# One for each node, however many aliases lead to it; None while it is being made.
_Made: TypeAlias = dict[int, tuple[object, Mark] | None]


def _plain(node: yaml.Node, path: str, made: _Made) -> tuple[object, Mark]:
    if id(node) not in made:
        made[id(node)] = None
        made[id(node)] = _branch(node, path, made)
    found = made[id(node)]
    if found is None:
        raise _at(node, path, "This value contains itself.", "Replace its alias (*) by what it stands for.")
    return found


def _branch(node: yaml.Node, path: str, made: _Made) -> tuple[object, Mark]:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, path), _mark(node, source=node.value)
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        items = [_plain(item, path, made) for item in node.value]
        return tuple(data for data, _ in items), _mark(node, dict(enumerate(mark for _, mark in items)))
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        entries = _entries(node, path, made)
        inner: dict[Key, Mark] = {key: mark for key, (_, mark) in entries.items()}
        return FrozenDict({key: data for key, (data, _) in entries.items()}), _mark(node, inner)
    raise _at(node, path, f"The tag {_tag(node)} is not supported here.", "Remove it.")


def _entries(node: yaml.MappingNode, path: str, made: _Made) -> dict[str, tuple[object, Mark]]:
    """Read a mapping: duplicate keys are refused; own keys win over those that `<<` merges in, the first merge wins."""
    own: dict[str, tuple[object, Mark]] = {}
    merged: dict[str, tuple[object, Mark]] = {}
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE:
            for name, entry in _merge(key_node, path, *_plain(value_node, path, made)):
                merged.setdefault(name, entry)
            continue
        key = _key(key_node, path)
        if key in own:
            message = f"The key `{key}` is a duplicate; it is first in line {own[key][1].line}."
            raise _at(key_node, path, message, "Remove one of the two.")
        data, mark = _plain(value_node, path, made)
        own[key] = data, replace(mark, line=key_node.start_mark.line + 1, column=key_node.start_mark.column + 1)
    return {**merged, **own}


def _merge(node: yaml.Node, path: str, data: object, mark: Mark) -> list[tuple[str, tuple[object, Mark]]]:
    sources = data if isinstance(data, tuple) else (data,)
    marks = [mark.inner[index] for index in range(len(sources))] if isinstance(data, tuple) else [mark]
    entries = []
    for source, around in zip(sources, marks, strict=True):
        if not isinstance(source, FrozenDict):
            raise _at(
                node,
                path,
                "`<<` merges mappings, and this is not one.",
                "Write `<<: *name`, where `&name` is a mapping.",
            )
        entries += [(name, (value, around.inner[name])) for name, value in source.items()]
    return entries


def _key(node: yaml.Node, path: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _at(node, path, "A key must be text, not a list or a mapping.", "Write `key: value`.")
    data = _scalar(node, path)
    if not isinstance(data, str):
        message = f"A key must be text, but YAML reads `{node.value}` as {kind(data)}."
        raise _at(node, path, message, f'Put it in quotes: "{node.value}".')
    return data


_BRACES = re.compile(r"\$\{[^}]*\}")  # the name of a variable is no password
_MERGE = "tag:yaml.org,2002:merge"


def _scalar(node: yaml.ScalarNode, path: str) -> object:
    if node.tag == "tag:yaml.org,2002:str":
        if stranger := _UNWRITABLE.search(node.value):
            message = f"The text has the character U+{ord(stranger[0]):04X}, which no file or database can store."
            raise _at(node, path, message, "Remove its escape; above U+FFFF write it as \\U with eight digits.")
        keep_url(_BRACES.sub("", node.value))  # so that no error quotes its password
        return node.value
    if node.tag not in _SCALARS:
        raise _at(node, path, f"The tag {_tag(node)} is not supported here.", "Remove it.")
    try:
        value: object = yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError):  # of int(), date() and the like
        message = f"YAML cannot read this as a {node.tag.rpartition(':')[2]}."
        raise _at(node, path, message, "Correct it, or put it in quotes if it is text.") from None
    if isinstance(value, int | float) and not node.style and _SURPRISING.match(node.value):
        message = f"YAML reads `{node.value}` as the number {value}."
        raise _at(node, path, message, f'Write "{node.value}" if it is text, or {value} if it is that number.')
    return value


_SCALARS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "timestamp", "binary")}
_UNWRITABLE = re.compile(r"[\0\ud800-\udfff]")  # NUL, and half a character
_SURPRISING = re.compile(r"[-+]?(0[0-9_]+$|[0-9_]+:)")  # octal and base 60 of YAML 1.1: 010 is 8, 12:30 is 750


def _mark(node: yaml.Node, inner: Mapping[Key, Mark] | None = None, source: str = "") -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1, source, FrozenDict(inner or {}))


def _at(node: yaml.Node, path: str, message: str, hint: str) -> WrongUse:
    return WrongUse(message, where=Where(path, node.start_mark.line + 1, node.start_mark.column + 1), hint=hint)


def _tag(node: yaml.Node) -> str:
    return node.tag.replace("tag:yaml.org,2002:", "!!")


# ------------------------------------------------ how errors call a value


def label(key: tuple[str | int, ...]) -> str:
    """Give the name of the value at a key, for the middle of a sentence."""
    match key:
        case ():
            return "the file"
        case ("stages", int(index)):
            return f"stage {index + 1}"
        case (*_, str(name), int(index)):
            return f"item {index + 1} of `{name}`"
        case _:
            return f"`{key[-1]}`"


def kind(value: object) -> str:
    """Give what YAML made of a value, with its article."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case str():
            return "text"
        case bytes():
            return "binary data"
        case date():
            return "a date"
        case Mapping():
            return "a mapping"
    return "a list"
