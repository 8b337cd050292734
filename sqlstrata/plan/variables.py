"""`${NAME}` and `${NAME:-default}` in the values of `database` and `prove_on`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import yaml

from sqlstrata.plan.values import FrozenDict
from sqlstrata.secret import keep_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlstrata.plan.document import Entry

_BRACES = re.compile(r"\$\{([^}]*)\}")  # any other dollar sign stays as it is
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-([^{]*))?")


def expanded(top: Entry, environ: Mapping[str, str]) -> Entry:
    """Put the environment's values in place of the variables. Raises WrongUse where one is not set."""
    if not isinstance(top.data, FrozenDict):
        return top
    places = {name: _expand(top[name], environ) for name in ("database", "prove_on") if name in top.data}
    return replace(top, data=FrozenDict({**top.data, **places}))


def _expand(entry: Entry, environ: Mapping[str, str]) -> object:
    if isinstance(entry.data, FrozenDict):
        return FrozenDict({name: _expand(entry[name], environ) for name in entry.data})
    if isinstance(entry.data, tuple):
        return tuple(_expand(entry[index], environ) for index in range(len(entry.data)))
    if not isinstance(entry.data, str):
        return entry.data
    text = _BRACES.sub(lambda match: _value(entry, match[1], environ), entry.data)
    keep_url(text)
    if entry.key == ("database", "protected") and text != entry.data:  # variables are text
        return yaml.SafeLoader.bool_values.get(text.lower(), text)
    return text


def _value(entry: Entry, inside: str, environ: Mapping[str, str]) -> str:
    match = _VARIABLE.fullmatch(inside)
    if match is None:
        hint = "Write ${NAME} or ${NAME:-default}; in a URL, a literal dollar sign is %24."
        raise entry.wrong(f"{entry} has a `${{…}}` that is not the name of a variable.", hint)
    name, default = match.groups()
    if default is None and name not in environ:
        hint = f"Set it, or give a default: ${{{name}:-default}}."
        raise entry.wrong(f"The environment variable {name} is not set.", hint)
    return environ.get(name) or default or ""
