"""What is left of a package's `__init__` without the models that it only passes on.

An `__init__` that imports its modules does not turn them on. So it is executed without part of its statements:

1. An import of the models whose names no other statement mentions is left out. A name that it would have bound is
   imported when somebody asks the package for it.
2. A statement that mentions something of a module that is off is left out, too, and so is one that mentions a name
   which such a statement binds. It is executed in the stages that have these modules on. Asking for a name of it in
   another stage is an error.
3. A statement that would be left out is an error where it does more than to bind names and also mentions something
   that is there: nobody can say what it should do to that.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING

from sqlstrata.modules.text import bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlstrata.modules.text import Text

_CONTAINERS = frozenset({"dict", "frozenset", "list", "set", "tuple"})
_LEADS_TO_ALL = frozenset({"metadata", "registry"})  # attributes by which a model leads to all others


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an imported name comes from: a module, or a name in it."""

    module: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A name that a statement at a line would bind, were a module on."""

    name: str
    line: int
    module: str


@dataclass(frozen=True)
class Part:
    """What is executed of a module, and the names that are missing then."""

    code: CodeType
    later: Mapping[str, tuple[Origin, ...]]
    """The names that the module passes on: the last of several origins that is not off counts."""
    waiting: Mapping[str, Waiting]
    without: frozenset[str]
    """The modules that are off and would make it another part if they were on."""


class NotOn(Exception):
    """Code at a place works with a module that is off; `there` is what else it works with."""

    def __init__(self, path: str, line: int, module: str, name: str | None = None, there: str | None = None) -> None:
        super().__init__(path, line, module)
        self.path, self.line, self.module, self.name, self.there = path, line, module, name, there


def part_of(
    text: Text, origins: Callable[[ast.stmt], Mapping[str, Origin]], off: Callable[[Origin], str | None]
) -> Part:
    """Leave out of a module what it only passes on, and what works with modules that are off.

    `origins` gives the names that an import binds to something of the models, `off` the module that is off and that
    something comes from. Raises NotOn.
    """
    return _Module(text, origins, off).part()


@dataclass
class _Statement:
    """A statement with the names that it mentions and binds, and those that imports inside it bring."""

    node: ast.stmt
    mentions: frozenset[str]
    binds: tuple[str, ...]
    inside: Mapping[str, Origin]
    cause: str | None = field(default=None)
    """The module that is off for which the statement is left out."""


class _Module:
    """The statements of one module."""

    def __init__(
        self, text: Text, origins: Callable[[ast.stmt], Mapping[str, Origin]], off: Callable[[Origin], str | None]
    ) -> None:
        self.text, self.off = text, off
        self.imports = {node: found for node in text.tree.body if (found := origins(node))}
        self.origins: defaultdict[str, list[Origin]] = defaultdict(list)
        for found in self.imports.values():
            for name, origin in found.items():
                self.origins[name].append(origin)
        others = (node for node in text.tree.body if node not in self.imports)
        self.statements = [_statement(node, origins) for node in others]
        self.waiting: dict[str, Waiting] = {}

    def part(self) -> Part:
        """Give what is executed."""
        self._leave_out()
        self._check()
        kept = {each.node for each in self.statements if each.cause is None}
        wanted = frozenset(name for each in self.statements if each.cause is None for name in each.mentions)
        body = [new for node in self.text.tree.body if (new := self._new(node, kept, wanted)) is not None]
        tree = ast.Module(body, type_ignores=[])
        replaced = (module for name in wanted for each in self.origins.get(name, ()) if (module := self.off(each)))
        causes = (each.cause for each in self.statements if each.cause is not None)
        return Part(
            code=compile(tree, self.text.path, "exec", dont_inherit=True),
            later={name: tuple(found) for name, found in self.origins.items()},
            waiting=self.waiting,
            without=frozenset((*causes, *replaced)),
        )

    def _leave_out(self) -> None:
        """Find the statements that work with modules that are off, and the names that are missing without them."""
        missing = {name: module for name, found in self.origins.items() if (module := self._off(found)) is not None}
        while found := [each for each in self.statements if each.cause is None and self._cause(each, missing)]:
            for each in found:
                each.cause = module = self._cause(each, missing)
                assert module is not None
                missing |= dict.fromkeys(each.binds, module)
                self.waiting |= {name: Waiting(name, each.node.lineno, module) for name in each.binds}

    def _cause(self, statement: _Statement, missing: Mapping[str, str]) -> str | None:
        inside = filter(None, map(self.off, statement.inside.values()))
        return next((missing[name] for name in sorted(statement.mentions & missing.keys())), None) or next(inside, None)

    def _off(self, origins: Iterable[Origin]) -> str | None:
        """The module that a name would come from, where all that it could come from are off."""
        modules = list(map(self.off, origins))
        return None if None in modules else modules[-1]

    def _check(self) -> None:
        """Raise NotOn for a statement that cannot be left out."""
        risky = [each for each in self.statements if each.cause is not None and not _only_binds(each.node)]
        reach = self._reach() if risky else {}
        for each in risky:
            names = sorted({name for mention in each.mentions for name in reach.get(mention, ())})
            there = [name for name in names if self._off(self.origins[name]) is None]
            there += [name for name, origin in each.inside.items() if self.off(origin) is None]
            there += sorted(_attributes(each.node) & _LEADS_TO_ALL)
            if there and each.cause is not None:
                raise NotOn(self.text.path, each.node.lineno, each.cause, there=there[0])

    def _reach(self) -> Mapping[str, set[str]]:
        """Give, for each name, the imported names that its value may be made of."""
        reach: defaultdict[str, set[str]] = defaultdict(set, {name: {name} for name in self.origins})
        size = -1
        while size != (size := sum(map(len, reach.values()))):
            for each in self.statements:
                found = {name for mention in each.mentions for name in reach.get(mention, ())}
                for name in each.binds:
                    reach[name] |= found
        return reach

    def _new(self, node: ast.stmt, kept: set[ast.stmt], wanted: frozenset[str]) -> ast.stmt | None:
        """Give a statement as it is executed, or None where it is left out."""
        if node not in self.imports:
            return node if node in kept else None
        assert isinstance(node, ast.Import | ast.ImportFrom)
        own = self.imports[node]
        names = [alias for alias in node.names if alias.name != "*" and _bound_by(alias) not in own]
        for name, origin in own.items():
            if name.partition(".")[0] in wanted and (isinstance(node, ast.Import) or self.off(origin) is None):
                names += [each for each in node.names if _bound_by(each) == name] or [ast.alias(name)]
        if not names:
            return None
        new = ast.Import(names) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, names, node.level)
        return ast.fix_missing_locations(ast.copy_location(new, node))


# ------------------------------------------------ what a statement mentions


def _bound_by(alias: ast.alias) -> str:
    return alias.asname or alias.name


def _statement(node: ast.stmt, origins: Callable[[ast.stmt], Mapping[str, Origin]]) -> _Statement:
    if _is_for_types(node):
        return _Statement(node, frozenset(), (), {})
    inside = {name: origin for each in _inner(node) for name, origin in origins(each).items()}
    return _Statement(node, frozenset(_mentions(node)), tuple(name for name, _ in bound([node])), inside)


def _is_for_types(node: ast.stmt) -> bool:
    """Whether a statement is for type checkers alone."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name | ast.Attribute)
        and ast.unparse(node.test).endswith("TYPE_CHECKING")
        and not node.orelse
    )


def _inner(node: ast.stmt) -> Iterator[ast.stmt]:
    """Give the statements inside a compound one that run with it, which those of functions do not."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.stmt):
            yield each
        if isinstance(each, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _inner(each)  # type: ignore[arg-type]


def _mentions(node: ast.stmt) -> Iterator[str]:
    """Give the names that a statement reads or deletes, with the dotted ones that begin with them."""
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name, ctx=ast.Load() | ast.Del()) | ast.AugAssign(target=ast.Name(id=name)):
                yield name
            case ast.Attribute() if (dotted := _dotted(each)) is not None:
                yield dotted
            case _:
                pass


def _dotted(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            before = _dotted(value)
            return None if before is None else f"{before}.{name}"
        case _:
            return None


def _attributes(node: ast.stmt) -> set[str]:
    return {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def _only_binds(node: ast.stmt) -> bool:
    """Whether a statement makes a value and binds it to names, and does nothing else."""
    match node:
        case ast.FunctionDef(decorator_list=[]) | ast.AsyncFunctionDef(decorator_list=[]):
            return True
        case ast.ClassDef(decorator_list=[], keywords=[]) | ast.Delete():
            return True
        case ast.Assign(targets=targets):
            return all(isinstance(each, ast.Name | ast.Tuple) for each in targets) and not _calls(node)
        case ast.AnnAssign(target=ast.Name()) | ast.AugAssign(target=ast.Name()):
            return not _calls(node)
        case _:
            return False


def _calls(node: ast.stmt) -> bool:
    """Whether a statement calls anything but what makes a container."""
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(not (isinstance(each, ast.Name) and each.id in _CONTAINERS) for each in calls)
