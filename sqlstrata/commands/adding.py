"""`new-stage`: a stage more in config.yaml, its comments and layout kept, and the skeleton of its module."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sqlstrata.commands.skeleton import skeleton
from sqlstrata.disk import write_whole
from sqlstrata.errors import WrongUse
from sqlstrata.modules.turning import metadatas
from sqlstrata.plan import Plan, read


@dataclass(frozen=True)
class NewStage:
    """What was added, and where."""

    stage: str
    line: int
    modules: tuple[str, ...]
    written: tuple[Path, ...]


def new_stage(
    plan: Plan, name: str, *, enable: tuple[str, ...] = (), extends: str | None = None, message: str | None = None
) -> NewStage:
    """Add a stage at the end of config.yaml, and write the module that it turns on, where that is not there yet.

    `enable` are its modules, by default one with the stage's name; `extends` is a model that the new module adds a
    column to. Afterwards the file says what it said, and the stage; it has been read again, and the module imported.
    Raises WrongUse, with nothing changed.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise WrongUse(f"`{name}` is not a stage's name.", hint="Use a to z, 0 to 9 and _, a letter first.")
    if name in {stage.name for stage in plan.stages}:
        raise WrongUse(
            f"There is a stage `{name}` already.",
            where=plan.where("stages", [stage.name for stage in plan.stages].index(name)),
            hint="Take another name.",
        )
    modules = enable or (name,)
    paths = {module: _path(plan, module) for module in modules}
    missing = {module: path for module, path in paths.items() if not _is_there(path)}
    if extends and not missing:
        message = f"The module {', '.join(modules)} is there already, so that nothing is written for --extends."
        raise WrongUse(message, hint="Leave --extends out, or name another module.")
    text = plan.path.read_bytes().decode("utf-8-sig")
    added, line = with_stage(text, name, message or name.replace("_", " ").capitalize(), modules)
    with _undone() as done:
        written = [
            _write(path, skeleton(plan, package_folder(plan), module, extends), done)
            for module, path in missing.items()
        ]
        _replace(plan.path, added, done)
        again = read(plan.path)
        if again.stages[:-1] != plan.stages:
            raise WrongUse(f"The end of `stages` in {plan.path.name} cannot be found.", hint="Write the stage by hand.")
        for _ in metadatas(again):  # it imports, or it is undone
            pass
    return NewStage(name, line, modules, tuple(written))


# ------------------------------------------------------------------------- config.yaml


def with_stage(text: str, name: str, message: str, modules: tuple[str, ...]) -> tuple[str, int]:
    """The text with a stage more, and the line where it stands. Nothing else in it is touched."""
    top: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    node = next(value for key, value in top.value if key.value == "stages")
    pairs = [("name", name), ("message", _scalar(message)), ("enable", f"[{', '.join(map(_scalar, modules))}]")]
    if node.flow_style:
        return _in_flow(text, node, "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}")
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    after = _end(lines, node)
    dash, column = node.start_mark.column, node.value[-1].start_mark.column
    lead = " " * dash + "-" + " " * (column - dash - 1)
    made = [f"{lead if not number else ' ' * column}{key}: {value}" for number, (key, value) in enumerate(pairs)]
    if _separated(lines, node):
        made.insert(0, "")
    if after and not lines[after - 1].endswith(("\n", "\r")):
        lines[after - 1] += newline
    where = after + len(made) - len(pairs) + 1
    return "".join([*lines[:after], *(f"{line}{newline}" for line in made), *lines[after:]]), where


def _in_flow(text: str, node: yaml.SequenceNode, item: str) -> tuple[str, int]:
    """`stages: [{…}, {…}]`: after the last one."""
    if not node.value:
        place = node.start_mark.index + 1
        return f"{text[:place]}{item}{text[place:]}", node.start_mark.line + 1
    place = node.value[-1].end_mark.index
    return f"{text[:place]}, {item}{text[place:]}", node.value[-1].end_mark.line + 1


def _end(lines: list[str], node: yaml.SequenceNode) -> int:
    """The number of lines up to the end of the last stage, with the comments that stand in it."""
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


def _leaves(node: Any) -> Iterator[yaml.Node]:  # noqa: ANN401 - yaml.Node has no word for what its kinds share
    """What knows where it ends: scalars, and what stands in brackets. A block ends where the next thing begins."""
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
    """Whether blank lines stand between the stages; a single one gets one where it has several lines."""
    if len(node.value) == 1:
        return int(max(_last_line(each) for each in _leaves(node))) > int(node.start_mark.line)
    return not lines[node.value[-1].start_mark.line - 1].strip()


def _scalar(text: str) -> str:
    """The text as YAML in one line, in quotes where it needs them, also within brackets."""
    dumped: str = yaml.safe_dump([text], allow_unicode=True, width=10**9, default_flow_style=True)
    return dumped.strip()[1:-1]


# ---------------------------------------------------------------------------- the module


def _path(plan: Plan, module: str) -> Path:
    """The file of a module of the package."""
    if not all(part.isidentifier() for part in module.split(".")):
        raise WrongUse(f"`{module}` is not a module's name.", hint="Use a to z, 0 to 9 and _, a letter first.")
    return package_folder(plan).joinpath(*module.split(".")).with_suffix(".py")


def package_folder(plan: Plan) -> Path:
    """Where the package of models is."""
    inside = plan.folder.joinpath(*plan.models.package.split("."))
    if inside.is_dir():
        return inside
    try:
        spec = importlib.util.find_spec(plan.models.package)
    except ModuleNotFoundError:
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise WrongUse(f"The package {plan.models.package} is not found.", where=plan.where("models", "package"))
    return Path(places[0])


def _is_there(path: Path) -> bool:
    return path.exists() or path.with_suffix("").joinpath("__init__.py").exists()


Done = list[tuple[Path, bytes | None]]
"""Files that were written, and what was in them before."""


@contextmanager
def _undone() -> Iterator[Done]:
    """Put every file back that was written, if anything goes wrong."""
    done: Done = []
    try:
        yield done
    except BaseException as error:
        for path, content in reversed(done):
            if content is None:
                path.unlink(missing_ok=True)
            else:
                write_whole(path, content)
        if isinstance(error, OSError):
            raise WrongUse(f"It cannot be written: {error}.", hint="Nothing was changed.") from error
        raise


def _write(path: Path, text: str, done: Done) -> Path:
    done.append((path, None))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
    return path


def _replace(path: Path, text: str, done: Done) -> None:
    before = path.read_bytes()
    write_whole(path, (b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b"") + text.encode())
    done.append((path, before))
