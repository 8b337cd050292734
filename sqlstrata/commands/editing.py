"""Reading the user's files, to edit them."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlstrata.commands.yaml_edit import with_frozen_stages
from sqlstrata.disk import shown, together
from sqlstrata.errors import WrongUse
from sqlstrata.modules.frozen import path_of
from sqlstrata.plan import Plan, read


def decoded(path: Path) -> tuple[str, str]:
    """The text of a file, and its encoding: UTF-8, perhaps with a byte order mark."""
    content = path.read_bytes()
    encoding = "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8"
    return content.decode(encoding), encoding


def edited(plan: Plan, change: Callable[[str], str], is_right: Callable[[Plan], bool], by_hand: str) -> Plan:
    """Change the text of config.yaml, whole or not at all, and give the plan that it is then.

    Raises WrongUse, with nothing changed, where the plan is not right then, because stages share text (an anchor, for
    example); `by_hand` are the lines to write instead.
    """
    text, encoding = decoded(plan.path)
    with together() as write:
        write(plan.path, change(text).encode(encoding))
        again = _read(plan)
        if again is None or not is_right(again):
            hint = f"Write them by hand: {by_hand}. Nothing was changed."
            raise WrongUse(f"Cannot write into {plan.path.name}: its stages share text.", hint=hint)
        return again


def with_frozen(
    plan: Plan,
    entries: Sequence[Mapping[str, object]],
    texts: Sequence[str],
    change: Callable[[str], str] | None = None,
) -> tuple[Path, ...]:
    """Add frozen stages behind those that there are, with their files; give what was written, config.yaml last.

    `entries` are the stages as config.yaml has them, `texts` their files'; `change` edits config.yaml besides. All is
    written together, or nothing. A file that is there already, with the same bytes, was left by a run that was killed.
    Raises WrongUse.
    """
    text, encoding = decoded(plan.path)
    place = sum(stage.frozen for stage in plan.stages)
    text = with_frozen_stages(text, place, entries)
    paths = [path_of(plan, str(each["name"])) for each in entries]
    for path, entry, content in zip(paths, entries, texts, strict=True):
        if path.exists() and path.read_bytes() != content.encode():
            message = f"{shown(path)} exists, and {plan.path.name} has no stage {entry['name']}."
            raise WrongUse(message, hint="Move the file away.")
    with together(plan.path) as write:
        for path, content in zip(paths, texts, strict=True):
            write(path, content.encode())
        write(plan.path, (text if change is None else change(text)).encode(encoding))
        again = read(plan.path).stages
        end = place + len(entries)
        new = [{"name": stage.name, "message": stage.message, "frozen": stage.frozen} for stage in again[place:end]]
        wanted = [{key: each[key] for key in ("name", "message", "frozen")} for each in entries]
        if (new, again[:place], again[end:]) != (wanted, plan.stages[:place], plan.stages[place:]):
            raise WrongUse(
                f"Cannot find the end of the frozen stages in {plan.path.name}.",
                hint="Write `stages` as a list with one stage below the other.",
            )
    return (*paths, plan.path)


def _read(plan: Plan) -> Plan | None:
    """The plan in the file; None where it is not one any more."""
    try:
        again = read(plan.path)
    except WrongUse:
        return None
    return again if len(again.stages) == len(plan.stages) else None
