"""`new-stage NAME --live`: a history of modules goes on with a live stage.

1. What each stage changes is written as its frozen file, and config.yaml says `frozen` in place of its modules.
2. The modules that are on in the last stage are the models of the live stage.
3. The history of the new plan must be that of the old one, and the live stage must change nothing yet. Else all files
   are as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlstrata.commands.editing import decoded
from sqlstrata.commands.yaml_edit import with_stage, with_stages_frozen, with_value
from sqlstrata.disk import shown, together
from sqlstrata.errors import WrongUse
from sqlstrata.modules.frozen import path_of
from sqlstrata.modules.turning import metadata_of, turns, unlisted
from sqlstrata.plan import Plan, read
from sqlstrata.result import Line
from sqlstrata.revisions.frozen import differing, freeze
from sqlstrata.revisions.generate import history
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.schema.values import Schema


@dataclass(frozen=True)
class GoneLive:
    """The live stage, where it is in config.yaml, and the files of the stages that were frozen for it.

    `modules` are those that `models.modules` names now, empty for all of the package; `unused` those that no stage has
    any more.
    """

    stage: str
    config: Path
    line: int
    written: tuple[Path, ...]
    frozen: tuple[str, ...]
    modules: tuple[str, ...]
    unused: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "stage": self.stage,
            "line": self.line,
            "modules": list(self.modules),
            "written": [str(path) for path in self.written],
            "frozen": list(self.frozen),
            "unused": list(self.unused),
        }

    def lines(self) -> Iterator[Line]:
        yield f"Added stage {self.stage} in {self.config.name}:{self.line}."
        yield from (f"Written: {shown(path)}." for path in self.written)
        if self.frozen:
            yield f"Frozen: {', '.join(self.frozen)}. The history stays as it is."
        if self.modules:
            yield f"Live: {', '.join(self.modules)}, which `models.modules` names. Add the modules of new models there."
        if self.unused:
            yield f"Not needed any more: {', '.join(self.unused)}. Without them, `models.modules` can go, too."
        yield "Next: change the models, then `inv rebuild`."


def go_live(plan: Plan, name: str, message: str) -> GoneLive:
    """Freeze all stages of modules, and add a live stage with the modules that are on in the last one.

    Raises WrongUse, with nothing changed, where the revisions would be others, or where the package as it is gives
    another schema than the last stage.
    """
    before = history(plan)
    texts, schema = _frozen(plan)
    on = plan.stages[-1].modules
    unused = tuple(dict.fromkeys(each for stage in plan.stages for each in stage.enable if each not in on))
    modules = on if unused or unlisted(plan) else ()
    text, encoding = decoded(plan.path)
    text = with_stages_frozen(text)
    if modules and "modules" not in plan.marks.at("models").inner:
        text = with_value(text, ("models", "modules"), modules)
    text, line = with_stage(text, name, message, None)
    with together(plan.path) as write:
        for path, content in texts.items():
            if path.exists() and path.read_bytes() != content:
                raise WrongUse(f"{shown(path)} exists already.", hint="Move it away.")
            write(path, content)
        write(plan.path, text.encode(encoding))
        again = read(plan.path)
        if texts:
            _require_unchanged(plan, again, schema)
        for stage, old, new in zip(plan.stages, before, history(again), strict=False):
            if old.text != new.text:
                message = f"Stage {stage.name} cannot be frozen: its revision would be another."
                raise WrongUse(message, hint="Nothing was changed.")
    return GoneLive(name, plan.path, line, tuple(texts), tuple(each.stem for each in texts), modules, unused)


def _frozen(plan: Plan) -> tuple[Mapping[Path, bytes], Schema]:
    """The files of the stages that are not frozen yet, and the schema of the last one."""
    before, described = Schema(), Described(plan.dialects)
    texts: dict[Path, bytes] = {}
    for stage, metadata in turns(plan):
        after = describe(metadata, described=described)
        if not stage.frozen:
            texts[path_of(plan, stage.name)] = freeze(plan, stage.name, before, after, metadata).encode()
        before = after
    return texts, before


def _require_unchanged(plan: Plan, again: Plan, schema: Schema) -> None:
    """Raise WrongUse where the new plan has other stages, or its live stage another schema."""
    if [stage.name for stage in again.stages[:-1]] != [stage.name for stage in plan.stages]:
        raise WrongUse(f"Cannot find the end of `stages` in {plan.path.name}.", hint="Write the stage by hand.")
    live = describe(metadata_of(again, len(plan.stages)), described=Described(plan.dialects))
    found = next(differing(schema, live), None)
    if found is not None:
        part, key = found
        raise WrongUse(
            f"The modules that would be live do not give the schema of stage {plan.stages[-1].name}: "
            f"{part.removesuffix('s')} {key} differs.",
            hint=f"Have `models.modules` name those that are on: [{', '.join(plan.stages[-1].modules)}]. "
            "Nothing was changed.",
        )
