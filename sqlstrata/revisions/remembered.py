"""A cache for `check`: nothing is generated again when no input has changed.

`rebuild` writes a digest of everything that its revisions were made of, and the digests of the revisions, into
Python's cache folder beside env.py. `check` compares both; if one differs, or there is none, it makes the history
again. The folder may be deleted at any time.

A digest is written only if nothing else can have an influence: the modules of the package import nothing but each
other, SQLAlchemy and parts of Python that never depend on their surroundings, and call nothing that reads files, the
clock or a database. That is found in their texts; in doubt no digest is written.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.machinery import all_suffixes
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sqlstrata.disk import is_ignored
from sqlstrata.plan import Plan
from sqlstrata.revisions.generate import dialects_used
from sqlstrata.revisions.revision import Revision

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("alembic", "msgspec", "pyyaml", "sqlalchemy", "sqlalchemy-utils")
_PURE = frozenset(
    """__future__ abc collections dataclasses datetime decimal enum fractions functools itertools math numbers operator
    re sqlalchemy string textwrap types typing typing_extensions uuid""".split()
)
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<whole>[\w.]+)[ \t]+import\b[^\n;]*"
    r"|import[ \t]+(?P<one>[\w.]+)(?:[ \t]+as[ \t]+\w+)?[ \t]*)$",
    re.MULTILINE,
)
_MODULES = tuple(all_suffixes())
_WORD = re.compile(r"\bimport\b")
# Reads files, the clock, random numbers or a database; imports in another way; or continues on the next line.
_OUTSIDE = re.compile(
    r"\b(?:open|exec|eval|input|globals|utcnow|today|fromtimestamp|astimezone|uuid[1-8]|getnode)\s*\("
    r"|(?<!func\.)\bnow\s*\(|\\\n|\\\r"
    r"|__(?:import|builtins|loader|spec|file|path|cached)__|create_(?:async_)?engine|engine_from_config|autoload"
    r"|automap|reflect|Reflection"
)
# Raised where there is no file, or it has other content.
_DOUBTS = (OSError, PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError)


def digest(plan: Plan) -> str | None:
    """A digest of everything that a history is made of now; None where something else may have an influence."""
    with suppress(OSError, PackageNotFoundError):
        texts = _texts(plan)
        own = plan.models.package
        if texts is not None and all(is_closed(text, own, _package_of(path)) for path, text in texts.items()):
            return _made_of(plan, texts)
    return None


def remember(plan: Plan, before: str | None, revisions: Sequence[Revision]) -> None:
    """Write what these revisions were made of: `before`, the digest from before they were made.

    Nothing is written if that is None, if it is another by now because a file was changed meanwhile, or if the folder
    is not writable.
    """
    place = _place(plan)
    with suppress(OSError):  # nothing depends on it
        place.unlink(missing_ok=True)
        texts = None if before is None else _texts(plan)
        if texts is None or before != _made_of(plan, texts):
            return
        files = {each.filename: _digest(each.text.encode()) for each in revisions}
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps({"made of": before, "files": files}), encoding="utf-8")


def is_unchanged(plan: Plan) -> bool:
    """Whether the folder has exactly the files that these stages gave the last time. False also in doubt. Read-only."""
    try:
        known = json.loads(_place(plan).read_text(encoding="utf-8"))
        texts = _texts(plan)
        if texts is None or known["made of"] != _made_of(plan, texts):
            return False
        versions = plan.migrations / "versions"
        found = {path.name: path for path in versions.iterdir() if not is_ignored(path.name)}
        files = known["files"]
        return found.keys() == files.keys() and all(_digest(found[name].read_bytes()) == files[name] for name in files)
    except _DOUBTS:
        return False


def is_closed(text: bytes, own: str, here: str) -> bool:
    """Whether a module depends on nothing but the modules of the package `own` and pure libraries.

    here: the package that the module is in, or is.
    """
    try:
        source = text.decode()
    except UnicodeDecodeError:
        return False
    found = list(_IMPORT.finditer(source))
    if len(found) != len(_WORD.findall(source)) or _OUTSIDE.search(source):
        return False
    names = (_resolved(each["whole"] or each["one"], here) for each in found)
    return all(f"{name}.".startswith(f"{own}.") or name.partition(".")[0] in _PURE for name in names)


def _resolved(name: str, here: str) -> str:
    """A module's full name, as a module in the package `here` imports it."""
    bare = name.lstrip(".")
    dots = len(name) - len(bare)
    above = here.split(".")
    return ".".join([*above[: len(above) - dots + 1], bare]).rstrip(".") if dots else name


def _package_of(path: str) -> str:
    return path.rpartition("/")[0].replace("/", ".")


def _place(plan: Plan) -> Path:
    return plan.migrations / "__pycache__" / "strata.json"


def _texts(plan: Plan) -> Mapping[str, bytes] | None:
    """The modules of the package, and of the packages around it, by their paths.

    None if it is not a folder beside the plan, or has more than Python source.
    """
    package = plan.folder.joinpath(*plan.models.package.split("."))
    above = list(package.relative_to(plan.folder).parents)[:-1]
    found = [plan.folder / each / "__init__.py" for each in above]
    if not all(path.is_file() for path in (*found, package / "__init__.py")):
        return None
    for folder, folders, files in os.walk(package):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        if any(os.path.islink(os.path.join(folder, each)) for each in folders):  # noqa: PTH114, PTH118 - many
            return None
        modules = [name for name in files if name.endswith(_MODULES)]
        if not all(name.endswith(".py") for name in modules):
            return None
        found += [Path(folder, name) for name in sorted(modules)]
    found += sorted(plan.frozen.glob("*.py")) if plan.frozen.is_relative_to(plan.folder) else []
    return {path.relative_to(plan.folder).as_posix(): path.read_bytes() for path in found}


def _made_of(plan: Plan, texts: Mapping[str, bytes]) -> str:
    """One digest of config.yaml, the servers, the models, this program, and the versions of its libraries."""
    whole = sha256()
    for part in _parts(plan, texts):
        whole.update(_digest(part).encode())
    return whole.hexdigest()


def _parts(plan: Plan, texts: Mapping[str, bytes]) -> Iterator[bytes]:
    yield sys.version.encode()
    yield from _versions()
    yield from _program()
    yield plan.path.read_bytes()
    yield repr([plan.models, *(replace(stage, modules=()) for stage in plan.stages)]).encode()  # as it was read
    yield " ".join((*plan.servers, *dialects_used(plan))).encode()
    for name, text in texts.items():
        yield name.encode()
        yield text


@cache
def _versions() -> tuple[bytes, ...]:
    """The versions of the libraries; asked once, because Python keeps each look into a folder that has changed."""
    return tuple(f"{name} {version(name)}".encode() for name in _PACKAGES)


@cache
def _program() -> tuple[bytes, ...]:
    """The files of this program, as they were at the first call."""
    paths = sorted(_ROOT.rglob("*.py"))
    return tuple(part for path in paths for part in (path.relative_to(_ROOT).as_posix().encode(), path.read_bytes()))


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
