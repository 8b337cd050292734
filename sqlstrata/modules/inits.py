"""A package's `__init__`, executed without the models that it only passes on: importing them must not turn them on.

1. An import of models whose names no other statement mentions is left out. A name that it would have bound is imported
   when it is asked for.
2. A statement that works with something of a module that is off, directly or through other names, is left out, too. It
   is executed in the stages that have the module on; asking for a name that it binds is an error in all others.
3. If such a statement does more than bind names, and also works with something of a module that is on, it is an error:
   leaving it out would give that module another schema.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlstrata.modules.sources import Origin, bound

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from types import CodeType

    from sqlstrata.modules.sources import Sources, Text

_CONTAINERS = frozenset({"dict", "frozenset", "list", "set", "tuple"})
_LEADS_TO_ALL = frozenset({"metadata", "registry"})  # attributes by which a model leads to all others


class NotOn(Exception):
    """Code at a place works with a module that is off: to bind `name`, or together with `there`, which is on."""

    def __init__(self, path: str, line: int, module: str, name: str | None = None, there: str | None = None) -> None:
        super().__init__(path, line, module)
        self.path, self.line, self.module, self.name, self.there = path, line, module, name, there


@dataclass(frozen=True)
class Part:
    """What is executed of a module, and the names that are missing then."""

    code: CodeType
    passed_on: Mapping[str, tuple[Origin, ...]]
    """Names that are imported when asked for; of several origins the last one counts that is not off."""
    left_out: Mapping[str, NotOn]
    """Names that cannot be had while a module is off."""
    without: frozenset[str]
    """The modules that are off and would make it another part if they were on."""


class Inits:
    """The `__init__`s of one package, and what else passes models on.

    listed names the modules that some stage has on; one that is listed and not `on` is off. `not_on` is the first
    error, which code that swallows errors could have hidden.
    """

    def __init__(self, sources: Sources, listed: Collection[str], passes_on: Callable[[str], bool]) -> None:
        self.sources, self.passes_on = sources, passes_on
        self.listed, self.on = frozenset(listed), frozenset[str]()
        self.forget()
        self._reading: list[str] = []

    def forget(self) -> None:
        """Begin as if nothing had been executed."""
        self.executed: dict[str, Part] = {}
        self.without: set[str] = set()
        """The modules that are off, and that would have changed what was executed."""
        self.not_on: NotOn | None = None

    def execute(self, name: str) -> CodeType:
        """Give the code of a module that is executed now. Raises NotOn."""
        part = self.executed[name] = self._part(name)
        self.without |= part.without
        return part.code

    def off(self, origin: Origin) -> str | None:
        """Give the module that is off and that something comes from; None where it comes from none. Raises NotOn."""
        module, name = origin.module, origin.name
        if module in self.listed and module not in self.on:
            return module
        if name is None or module in self._reading or not self.passes_on(module) or not self.sources.path(module):
            return None
        part = self._part(module)
        if name in part.left_out:
            return part.left_out[name].module
        return _off(part.passed_on.get(name, ()), self.off)

    def origins(self, package: str, name: str) -> tuple[Origin, ...]:
        """Give where a name may come from that a package passes on, the first choice last. Raises NotOn."""
        part = self.executed.get(package)
        if part is None:
            return ()
        if name in part.left_out:
            raise self.refused(part.left_out[name])
        found = part.passed_on.get(name, ())
        self.without |= {module for each in found[1:] if (module := self.off(each)) is not None}
        return tuple(each for each in found if self.off(each) is None) or found

    def refused(self, error: NotOn) -> NotOn:
        """Remember the first error."""
        self.not_on = self.not_on or error
        return error

    def _part(self, name: str) -> Part:
        """Give the part of a module; modules inside it that it imports are names of it as well."""
        self._reading.append(name)
        try:
            text = self.sources.text(self.sources.path(name))
            part = part_of(text, lambda node: self.sources.origins(node, name), self.off)
        except NotOn as error:
            raise self.refused(error) from None
        finally:
            self._reading.pop()
        modules = (each.module for found in part.passed_on.values() for each in found)
        inner = {each.rpartition(".")[2]: (Origin(each),) for each in modules if each.rpartition(".")[0] == name}
        return replace(part, passed_on={**inner, **part.passed_on})


# ------------------------------------------------ the part of one module


@dataclass
class _Statement:
    """A statement, the names that it mentions and binds, and the imported names that it works with.

    Each of these has the module that is off and that it comes from, or None where it is there.
    """

    node: ast.stmt
    mentions: frozenset[str]
    binds: tuple[str, ...]
    works_with: dict[str, str | None]

    @property
    def off(self) -> str | None:
        """The module for which the statement is left out."""
        return next((module for _, module in sorted(self.works_with.items()) if module is not None), None)


def part_of(
    text: Text, origins: Callable[[ast.stmt], Mapping[str, Origin]], off: Callable[[Origin], str | None]
) -> Part:
    """Leave out of a module what it only passes on, and what works with modules that are off.

    `origins` gives the names that an import binds to something of the models, `off` the module that is off and that
    something comes from. Raises NotOn.
    """
    imports = {node: found for node in text.tree.body if (found := origins(node))}
    passed_on: defaultdict[str, list[Origin]] = defaultdict(list)
    for name, origin in (each for found in imports.values() for each in found.items()):
        passed_on[name].append(origin)
    statements = [_statement(node, origins, off) for node in text.tree.body if node not in imports]
    _trace(statements, {name: {name: _off(found, off)} for name, found in passed_on.items()})
    left_out = [(each, module) for each in statements if (module := each.off) is not None]
    for each, module in left_out:
        _require_only_binds(text.path, each, module)
    kept = [each for each in statements if each.off is None]
    wanted = frozenset(name for each in kept for name in each.mentions)
    new = {each.node: each.node for each in kept}
    new |= {node: made for node, own in imports.items() if (made := _import(node, own, wanted, off)) is not None}
    body = [new[node] for node in text.tree.body if node in new]
    replaced = (module for name in wanted for each in passed_on.get(name, ()) if (module := off(each)))
    return Part(
        code=compile(ast.Module(body, type_ignores=[]), text.path, "exec", dont_inherit=True),
        passed_on={name: tuple(found) for name, found in passed_on.items()},
        left_out={name: NotOn(text.path, each.node.lineno, by, name) for each, by in left_out for name in each.binds},
        without=frozenset((*(module for _, module in left_out), *replaced)),
    )


def _off(origins: Iterable[Origin], off: Callable[[Origin], str | None]) -> str | None:
    """Give the module that a name would come from, where all that it could come from are off."""
    modules = list(map(off, origins))
    return None if not modules or None in modules else modules[-1]


def _trace(statements: list[_Statement], names: dict[str, dict[str, str | None]]) -> None:
    """Find what each statement works with: what it mentions, and what that was made of."""
    size = -1
    while size != (size := sum(map(len, names.values()))):
        for each in statements:
            for name in each.mentions & names.keys():
                each.works_with |= names[name]
            for name in each.binds:
                names.setdefault(name, {}).update(each.works_with)


def _require_only_binds(path: str, statement: _Statement, module: str) -> None:
    """Raise NotOn for a statement that cannot be left out."""
    if not _only_binds(statement.node):
        there = [name for name, off in sorted(statement.works_with.items()) if off is None]
        attributes = {each.attr for each in ast.walk(statement.node) if isinstance(each, ast.Attribute)}
        if there := [*there, *sorted(attributes & _LEADS_TO_ALL)]:
            raise NotOn(path, statement.node.lineno, module, there=there[0])


def _import(
    node: ast.stmt, own: Mapping[str, Origin], wanted: frozenset[str], off: Callable[[Origin], str | None]
) -> ast.stmt | None:
    """Give an import without the models that nobody wants, or None where nothing is left of it."""
    assert isinstance(node, ast.Import | ast.ImportFrom)
    names = [alias for alias in node.names if alias.name != "*" and (alias.asname or alias.name) not in own]
    for name, origin in own.items():
        if name.partition(".")[0] in wanted and (isinstance(node, ast.Import) or off(origin) is None):
            names += [each for each in node.names if (each.asname or each.name) == name] or [ast.alias(name)]
    if not names:
        return None
    new = ast.Import(names) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, names, node.level)
    return ast.fix_missing_locations(ast.copy_location(new, node))


# ------------------------------------------------ what a statement mentions


def _statement(
    node: ast.stmt, origins: Callable[[ast.stmt], Mapping[str, Origin]], off: Callable[[Origin], str | None]
) -> _Statement:
    if _is_for_types(node):
        return _Statement(node, frozenset(), (), {})
    inside = {name: off(origin) for each in _inner(node) for name, origin in origins(each).items()}
    return _Statement(node, frozenset(_mentions(node)), tuple(bound(node)), inside)


def _is_for_types(node: ast.stmt) -> bool:
    """Whether a statement is for type checkers alone."""
    test = node.test if isinstance(node, ast.If) and not node.orelse else None
    return isinstance(test, ast.Name | ast.Attribute) and ast.unparse(test).endswith("TYPE_CHECKING")


def _inner(node: ast.AST) -> Iterator[ast.stmt]:
    """Give the statements inside a compound one that run with it, which those of functions do not."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.stmt):
                yield each
            yield from _inner(each)


def _mentions(node: ast.stmt) -> Iterator[str]:
    """Give the names that a statement reads or deletes, with the dotted ones that begin with them."""
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name, ctx=ast.Load() | ast.Del()) | ast.AugAssign(target=ast.Name(id=name)):
                yield name
            case ast.Attribute() if (dotted := ast.unparse(each)).replace(".", "").isidentifier():
                yield dotted
            case _:
                pass


def _only_binds(node: ast.stmt) -> bool:
    """Whether a statement makes a value, calling nothing but containers, and binds it to names."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return not node.decorator_list and not getattr(node, "keywords", ())
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            called = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
            return all(isinstance(each, ast.Name | ast.Tuple) for each in targets) and all(
                isinstance(each, ast.Name) and each.id in _CONTAINERS for each in called
            )
    return isinstance(node, ast.Delete)
