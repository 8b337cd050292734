"""`new-stage`: add a stage to config.yaml, and write the skeleton of its module."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlstrata.commands.editing import decoded
from sqlstrata.commands.going_live import GoneLive, go_live
from sqlstrata.commands.skeleton import skeleton
from sqlstrata.commands.yaml_edit import with_last_frozen, with_stage
from sqlstrata.disk import shown, together
from sqlstrata.errors import WrongUse
from sqlstrata.folder import require_frozen
from sqlstrata.modules.frozen import path_of
from sqlstrata.modules.turning import turns
from sqlstrata.nearest import nearest_hint
from sqlstrata.plan import Plan, read
from sqlstrata.result import Line


@dataclass(frozen=True)
class NewStage:
    """The stage, where it is in config.yaml, its modules, and the files that were written for them.

    `frozen` is the stage that was live before, `replaces` the modules that the new one is in place of.
    """

    stage: str
    config: Path
    line: int
    modules: tuple[str, ...]
    written: tuple[Path, ...]
    frozen: str | None = None
    replaces: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        return {
            "stage": self.stage,
            "line": self.line,
            "modules": list(self.modules),
            "written": [str(path) for path in self.written],
            "frozen": self.frozen,
            "replaces": list(self.replaces),
        }

    def lines(self) -> Iterator[Line]:
        yield f"Added stage {self.stage} in {self.config.name}:{self.line}."
        for path in self.written:
            yield f"Written: {shown(path)}."
        if self.frozen is not None:
            yield f"Frozen: stage {self.frozen}; its schema is that of the last `inv rebuild`."
            yield "Next: change the models, then `inv rebuild`."
        elif self.replaces:
            first, *others = self.replaces
            yield f"It is a copy of `{first}`, and is turned on in its place."
            if others:
                yield f"Put into it what these had, which are turned off, too: {', '.join(others)}."
            yield "Next: change the models in it, then `inv rebuild`."
        else:
            yield "Next: write the models, then `inv rebuild`."


def new_stage(
    plan: Plan,
    name: str,
    *,
    enable: tuple[str, ...] = (),
    extends: str | None = None,
    replaces: tuple[str, ...] = (),
    live: bool = False,
    message: str | None = None,
) -> NewStage | GoneLive:
    """Add a stage at the end of config.yaml, and write the modules that it turns on, where they do not exist yet.

    `enable` are its modules, by default one with the stage's name; `extends` is a model that the new module adds a
    column to. `replaces` are modules that the new one is turned on in place of: it is a copy of the first, beside it.
    Afterwards config.yaml is as it was, with the stage added; it has been read again, and the module imported. Where
    the last stage is live it is frozen, as the last rebuild wrote it, and the new one is live. With `live`, stages of
    modules are all frozen, and the new one is live. Raises WrongUse, with nothing changed.
    """
    _require_name(plan, name)
    if (live or plan.stages[-1].live) and (enable or extends or replaces):
        message = "A live stage turns on no modules: it has the models as they are."
        raise WrongUse(message, hint="Leave out `--enable`, `--extends` and `--replaces`.")
    if plan.stages[-1].live:
        return _new_live_stage(plan, name, message)
    if live:
        return go_live(plan, name, message or _message(name))
    modules = enable or (_beside(replaces[0], name) if replaces else name,)
    written = _copy(plan, replaces, modules, extends) if replaces else _skeletons(plan, modules, extends)
    text, encoding = decoded(plan.path)
    added, line = with_stage(text, name, message or _message(name), modules, replaces)
    with together(plan.path) as write:
        for path, content in written.items():
            write(path, content)
        write(plan.path, added.encode(encoding))
        again = read(plan.path)
        if again.stages[:-1] != plan.stages:
            raise WrongUse(f"Cannot find the end of `stages` in {plan.path.name}.", hint="Write the stage by hand.")
        try:
            for _ in turns(again):  # undone where a module cannot be imported
                pass
        except WrongUse as error:
            if replaces:  # the place is in a module that stays
                raise
            message = f"The stage {name} is not added: {error.message}"
            raise WrongUse(message, hint="Nothing was changed.") from error
    return NewStage(name, plan.path, line, modules, tuple(written), replaces=replaces)


def _require_name(plan: Plan, name: str) -> None:
    """Raise WrongUse where a new stage cannot have this name."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise WrongUse(f"`{name}` is not a stage's name.", hint="Use a to z, 0 to 9 and _, a letter first.")
    names = [stage.name for stage in plan.stages]
    if name in names:
        where = plan.where("stages", names.index(name))
        raise WrongUse(f"There already is a stage `{name}`.", where=where, hint="Use another name.")


def _beside(module: str, name: str) -> str:
    """The name of a new module in the package that another is in."""
    above = module.rpartition(".")[0]
    return f"{above}.{name}" if above else name


def _skeletons(plan: Plan, modules: tuple[str, ...], extends: str | None) -> dict[Path, bytes]:
    """The files of the modules that do not exist. Raises WrongUse."""
    paths = {module: _path(plan, module) for module in modules}
    missing = {module: path for module, path in paths.items() if not _is_there(path)}
    if extends and not missing:
        message = f"The module {', '.join(modules)} already exists, so nothing is written for --extends."
        raise WrongUse(message, hint="Leave out --extends, or name another module.")
    folder = _package_folder(plan)
    return {path: skeleton(plan, folder, module, extends).encode() for module, path in missing.items()}


def _copy(plan: Plan, replaced: tuple[str, ...], modules: tuple[str, ...], extends: str | None) -> dict[Path, bytes]:
    """The file of the module that is a copy of the first one replaced. Raises WrongUse."""
    on = plan.stages[-1].modules
    for each in replaced:
        if each not in on:
            hint = nearest_hint(each, on, "module that is on")
            raise WrongUse(f"The module `{each}` is not on, so no other can replace it.", hint=hint)
    if extends or len(modules) > 1:
        raise WrongUse("`--replaces` writes one module.", hint="Leave out `--extends`, and give `--enable` once.")
    source, target = _path(plan, replaced[0]), _path(plan, modules[0])
    if _is_there(target):
        hint = "Give it another name, with `--enable`."
        raise WrongUse(f"The module `{modules[0]}` already exists.", where=shown(target), hint=hint)
    if not source.is_file():
        message = f"The module `{replaced[0]}` is a package, of which no copy is made."
        raise WrongUse(message, hint="Copy the folder, and add the stage to config.yaml by hand.")
    return {target: source.read_bytes()}


def _new_live_stage(plan: Plan, name: str, message: str | None) -> NewStage:
    """Freeze the live stage, and begin the next one."""
    last = plan.stages[-1]
    file = path_of(plan, last.name)
    if not file.exists():
        message = f"The live stage `{last.name}` has no frozen file {shown(file)} yet."
        raise WrongUse(message, where=plan.where("stages", len(plan.stages) - 1), hint="Run `inv rebuild` first.")
    require_frozen(plan)
    text, encoding = decoded(plan.path)
    added, line = with_stage(with_last_frozen(text), name, message or _message(name), None)
    with together() as write:
        write(plan.path, added.encode(encoding))
        again = read(plan.path)
        if again.stages[:-1] != (*plan.stages[:-1], replace(last, live=False, frozen=True)):
            raise WrongUse(f"Cannot find the end of `stages` in {plan.path.name}.", hint="Write the stage by hand.")
    return NewStage(name, plan.path, line, (), (), last.name)


def _message(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _path(plan: Plan, module: str) -> Path:
    """The file of a module of the package."""
    if not all(part.isidentifier() for part in module.split(".")):
        raise WrongUse(f"`{module}` is not a module's name.", hint="Use a to z, 0 to 9 and _, a letter first.")
    return _package_folder(plan).joinpath(*module.split(".")).with_suffix(".py")


def _package_folder(plan: Plan) -> Path:
    """The folder of the package of models. Raises WrongUse."""
    inside = plan.folder.joinpath(*plan.models.package.split("."))
    if inside.is_dir():
        return inside
    try:
        spec = importlib.util.find_spec(plan.models.package)
    except ModuleNotFoundError:
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise WrongUse(f"Cannot find the package {plan.models.package}.", where=plan.where("models", "package"))
    return Path(places[0])


def _is_there(path: Path) -> bool:
    return path.exists() or path.with_suffix("").joinpath("__init__.py").exists()
