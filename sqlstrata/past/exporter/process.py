"""Import old code, with stubs for what is missing, and write the tables of its bases.

The object that is read has: `folder`, to work in; `roots`, folders that modules are imported from; `stubs`, names of
modules; `bases`, for each the names that it may have, such as `app.db:Base`; `ignored`, the same for MetaData that is
left out; `modules`, what to import; `dialects`; `memory`, bytes; `seconds`. The object that is written has `statements`
and `notes`; or `missing`, the name of a module; or `bases`, those that there are, where no name was right; or `error`,
with its `where` and `kind`.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import types
from collections.abc import Mapping
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

import sqlalchemy as sa

from .events import statements
from .stubs import Stub, StubMixin, StubModule, Stubs
from .tables import own, tables
from .text import CannotExport, Dialects

Answer = Dict[str, Any]


def answer(asked: Answer) -> Answer:
    """Import what is asked for, and give what is written."""
    roots = asked["roots"]
    sys.path[:0] = roots
    sys.meta_path.insert(0, Stubs(asked["stubs"]))
    _limit(asked["memory"], asked["seconds"])
    try:
        for name in asked["modules"]:
            importlib.import_module(name)
        bases, lost = _named(asked["bases"])
    except BaseException as error:  # noqa: BLE001 - old code may raise anything
        return _failure(error, roots)
    if not bases:
        return {"bases": ["%s (%d)" % each for each in _present(roots)], "lost": lost}
    try:
        dialects = Dialects(asked["dialects"])
        defined = list(tables(bases, dialects))
        _refuse_stubs()
        made = [*(text for _, text in defined), *own(bases, dialects), *statements(bases, dialects)]
    except CannotExport as error:
        return {"error": "%s." % error, "where": None, "kind": "stub" if "stub `" in str(error) else "models"}
    except Exception as error:  # noqa: BLE001 - a type or default of the old code may raise anything
        return {**_failure(error, roots), "kind": "models"}
    ignored, _ = _named(asked["ignored"])
    return {"statements": made, "tables": [key for key, _ in defined], "notes": list(_notes(roots, bases, ignored))}


def _limit(memory: int, seconds: int) -> None:
    """Bound the memory of this process, and its time if nobody waits for it any more; where the system can."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
        import signal  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        signal.alarm(seconds)
    except ImportError:
        pass


def _failure(error: BaseException, roots: List[str]) -> Answer:
    """What went wrong: a module that is missing, or an error with the place in the old code."""
    cause: Optional[BaseException] = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            return {"missing": cause.name, "where": _where(error, roots)}
        cause = cause.__cause__
    said = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
    frames = traceback.extract_tb(error.__traceback__)
    is_variable = isinstance(error, KeyError) and bool(frames) and frames[-1].filename in (os.__file__, "<frozen os>")
    kind = "memory" if isinstance(error, MemoryError) else "variable" if is_variable else "import"
    return {"error": said, "where": _where(error, roots), "kind": kind}


def _where(error: BaseException, roots: List[str]) -> Optional[str]:
    """The last place in the old code, relative to its root."""
    if isinstance(error, SyntaxError) and error.filename:
        return _relative(error.filename, error.lineno or 1, roots)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        place = _relative(frame.filename, frame.lineno or 1, roots)
        if place is not None:
            return place
    return None


def _relative(filename: str, line: int, roots: List[str]) -> Optional[str]:
    for root in roots:
        if filename.startswith(root + os.sep):
            return "%s:%d" % (os.path.relpath(filename, root), line)
    return None


# ------------------------------------------------------------------------------- bases


def _named(bases: Iterable[List[str]]) -> Tuple[List[Any], List[str]]:
    """The MetaData of the bases, each once, and the names of bases that are nowhere."""
    found: List[Any] = []
    lost: List[str] = []
    for names in bases:
        metadata = next(filter(lambda each: each is not None, map(_value, names)), None)
        if metadata is None:
            lost += names
        elif not any(each is metadata for each in found):
            found.append(metadata)
    return found, lost


def _value(name: str) -> Any:
    """The MetaData that a name such as `app.db:Base` stands for; None where there is none."""
    module, _, attribute = name.partition(":")
    try:
        value: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise
        return None
    for part in attribute.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    return _metadata(value)


def _metadata(value: Any) -> Any:
    if isinstance(value, sa.MetaData):
        return value
    try:
        found = getattr(value, "metadata", None)
    except Exception:  # noqa: BLE001 - an object of the old code may raise anything
        return None
    return found if isinstance(found, sa.MetaData) else None


def _present(roots: List[str]) -> Iterator[Tuple[str, int]]:
    """The bases and MetaData with tables that modules of the old code have: best name, and number of tables."""
    found: Dict[int, Tuple[int, str, int]] = {}
    for name, module in _ours(roots).items():
        for attribute, value in sorted(vars(module).items()):
            metadata = None if attribute.startswith("_") or isinstance(value, sa.Table) else _metadata(value)
            if metadata is None or not metadata.tables or getattr(value, "__table__", None) is not None:
                continue
            rank = 0 if not isinstance(value, sa.MetaData) else 1
            rank += 2 * (getattr(value, "__module__", name) != name)
            named = (rank, "%s:%s" % (name, attribute), len(metadata.tables))
            found[id(metadata)] = min(found.get(id(metadata), named), named)
    return ((name, number) for _, name, number in sorted(found.values()))


def _ours(roots: List[str]) -> Dict[str, types.ModuleType]:
    """The modules that were imported from the roots, by their names."""
    found = {}
    for name, module in sorted(sys.modules.items()):
        file = None if isinstance(module, StubModule) else getattr(module, "__file__", None)
        if file is not None and _relative(file, 1, roots) is not None:
            found[name] = module
    return found


def _refuse_stubs() -> None:
    """Raise CannotExport for a class that would have a table, if its base were not a stub."""
    left: List[Any] = [StubMixin]
    while left:
        cls = left.pop()
        left += cls.__subclasses__()
        if "__tablename__" in vars(cls) and not hasattr(cls, "__table__"):
            raise CannotExport(
                "class %s.%s has a table, and its base comes from the stub `%s`"
                % (cls.__module__, cls.__qualname__, cls.stub_name)
            )


def _notes(roots: List[str], bases: List[Any], ignored: List[Any]) -> Iterator[str]:
    """Sentences about what is not in the statements."""
    known = (*bases, *ignored)
    for name, number in _present(roots):
        metadata = _value(name)
        if not any(each is metadata for each in known):
            yield "%s has %d more table%s, which are in no base." % (name, number, "s" * (number != 1))
    for metadata in bases:
        for table in metadata.tables.values():
            for column in table.columns:
                if isinstance(column.default, Stub):
                    yield "The default of %s is a stub." % column
    given: Dict[str, str] = {}
    for module in _ours(roots).values():
        for name, value in _stub_attributes(module):
            given.setdefault(value.stub_name, name)
    for stub, name in given.items():
        yield "The stub `%s` gives models attributes such as %s, which are no columns." % (stub, name)


def _stub_attributes(module: types.ModuleType) -> Iterator[Tuple[str, Stub]]:
    """The attributes of mapped classes that are stubs, which perhaps should be columns."""
    for cls in list(vars(module).values()):
        if isinstance(cls, type) and cls.__module__ == module.__name__ and getattr(cls, "__table__", None) is not None:
            for name, value in vars(cls).items():
                if isinstance(value, Stub):
                    yield "%s.%s.%s" % (cls.__module__, cls.__name__, name), value
