"""Modules whose text tells which tables they can have touched.

Most modules of models are plain: they import names, declare classes, and give a class another column. Such code reaches
only what it makes and what it has names for. Anything else may reach every table there is, through a MetaData, an event
or a function; so a module is plain only where each part of it is of a kind that is known here. In doubt it is not.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

# Modules of Python that have nothing which changes something else.
_VALUES = frozenset(
    """__future__ collections.abc datetime decimal enum math re secrets string typing typing_extensions uuid""".split()
)
_SQLALCHEMY = frozenset({"sqlalchemy", "sqlalchemy.orm", "sqlalchemy.schema", "sqlalchemy.sql", "sqlalchemy.types"})
_DIALECTS = {f"sqlalchemy.dialects.{each.__name__.rpartition('.')[2]}": each for each in (mysql, postgresql, sqlite)}
# What SQLAlchemy has, besides types and constraints, that touches nothing but what it is given.
_MAKERS = frozenset(
    """Column Computed DefaultClause DeclarativeBase DeclarativeBaseNoMeta DynamicMapped FetchedValue ForeignKey
    Identity Index Mapped MappedAsDataclass MetaData Sequence Table WriteOnlyMapped and_ asc backref case cast column
    column_property declarative_base declared_attr deferred desc false foreign func literal literal_column mapped_column
    not_ null nulls_first nulls_last or_ relationship remote synonym text true validates""".split()
)
# What a class leads to that is not its own, and functions that do anything with what they are given.
_ELSEWHERE = frozenset({"metadata", "mro", "property", "registry", "tables"})
_ANYTHING = frozenset({"__import__", "delattr", "eval", "exec", "getattr", "globals", "setattr", "vars"})
_OF_OBJECTS = frozenset({"__class__", "__init__", "__init_subclass__", "__name__", "__table_args__", "__tablename__"})
_LATER = frozenset({"default", "default_factory", "onupdate"})  # keywords for what is called when rows are written
_DECORATORS = frozenset({"classmethod", "declared_attr", "property", "staticmethod", "validates"})

Own = Callable[[ast.ImportFrom], bool]
"""Tells whether an import is one of the package of models; what comes from there must be plain by itself."""


@dataclass(frozen=True)
class Plain:
    """A plain module: its names for what belongs to the models, and those of which it sets attributes.

    `imports` are the modules of the models that it imports from, as it says them, each with the name that it wants.
    `begins` tells whether they come before all else, so that all that they make is there before what the module makes.
    `alters` tells whether it does something to tables that others have made.
    """

    names: frozenset[str]
    extended: frozenset[str]
    imports: tuple[tuple[str, str], ...]
    begins: bool
    alters: bool

    def tables(self, there: Mapping[str, object]) -> frozenset[str] | None:
        """The keys of the tables that the module can have touched, given what its names stand for once it has run.

        None where one stands for something that may be another table's, too.
        """
        values = [there[name] for name in self.names if name in there]
        extended = [there.get(name) for name in self.extended]
        if not all(map(_is_closed, values)) or any(_own_table(each) is None for each in extended):
            return None
        return frozenset(chain.from_iterable(map(_tables, values)))


def plain(tree: ast.Module, own: Own) -> Plain | None:
    """What is known of a module from its text; None where that is not enough."""
    text = _Text(tree.body, own)
    if not all(map(text.is_plain, tree.body)):
        return None
    begins = all(map(_makes_nothing, tree.body[: text.last]))
    alters = any(map(_alters, tree.body))
    return Plain(frozenset(text.own), frozenset(text.extended), tuple(text.imports), begins, alters)


# ------------------------------------------------------------------------- names


def _is_closed(value: object) -> bool:
    """Whether what a name stands for is of nobody but a class or table that it is or makes itself."""
    if isinstance(value, dict | list | tuple | set | frozenset):
        return all(map(_is_closed, value.values() if isinstance(value, dict) else value))
    constants = (str, bytes, int, float, type(None), enum.Enum)
    known = isinstance(value, (*constants, type, sa.Table, sa.MetaData, sa.types.TypeEngine))
    return known or type(value).__module__ in {"decimal", "datetime", "re", "uuid", "typing", "types"}


def _tables(value: object) -> Iterable[str]:
    """The tables of a class, and of those that it inherits from."""
    if isinstance(value, sa.Table):
        return (value.key,)
    bases = value.__mro__ if isinstance(value, type) else ()
    return (table.key for table in map(_own_table, bases) if table is not None)


def _own_table(value: object) -> sa.Table | None:
    table = vars(value).get("__table__") if isinstance(value, type) else None
    return table if isinstance(table, sa.Table) else None


@cache
def _makers(module: str) -> frozenset[str]:
    """The names that a module of SQLAlchemy has for what touches nothing but what it is given."""
    place = _DIALECTS.get(module, sa)
    found = (name for name, value in vars(place).items() if isinstance(value, type) and _is_maker(value))
    return frozenset(found) | (_MAKERS if place is sa else frozenset())


def _is_maker(cls: type) -> bool:
    return issubclass(cls, (sa.types.TypeEngine, sa.Constraint)) and cls.__module__.startswith("sqlalchemy.")


# -------------------------------------------------------------------------- text


class _Text:
    """A module's statements, its names for what is the models' `own`, and those that libraries gave it."""

    def __init__(self, body: Iterable[ast.stmt], own: Own) -> None:
        self.is_own = own
        self.makers: set[str] = set()
        self.modules: dict[str, str] = {}
        self.own: set[str] = set()
        self.extended: set[str] = set()
        self.imports: list[tuple[str, str]] = []
        self.last = 0  # how many statements there are before the last of these imports
        for number, node in enumerate(body):
            self._learn(node, number)

    def _learn(self, node: ast.stmt, number: int) -> None:
        match node:
            case ast.Import(names=aliases):
                self.modules |= {alias.asname or alias.name: alias.name for alias in aliases}
            case ast.ImportFrom(module="sqlalchemy.dialects", names=aliases):
                self.modules |= {alias.asname or alias.name: f"sqlalchemy.dialects.{alias.name}" for alias in aliases}
            case ast.ImportFrom(names=aliases):
                own = self.is_own(node)
                names = self.own if own else self.makers
                names.update(alias.asname or alias.name for alias in aliases)
                if own:
                    self.imports += [("." * node.level + (node.module or ""), alias.name) for alias in aliases]
                    self.last = number
            case ast.ClassDef(name=name):
                self.own.add(name)
            case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
                self._learn_target(target)
            case _:
                pass

    def _learn_target(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self.own.add(name)
            case ast.Attribute(value=ast.Name(id=name)):
                self.extended.add(name)
            case _:
                pass

    # ---- statements

    def is_plain(self, node: ast.stmt) -> bool:
        """Whether a statement of the module is of a kind that is known."""
        match node:
            case ast.Import(names=aliases):
                return all(each.name in _VALUES or each.name in _SQLALCHEMY for each in aliases)
            case ast.ImportFrom():
                return self._imports(node)
            case ast.ClassDef(keywords=[], decorator_list=[]):
                return self._is_new(node.name) and all(map(self._reads, node.bases)) and all(map(self._says, node.body))
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]):
                return "TYPE_CHECKING" in self.makers
            case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
                return self._sets(target) and self._reads_all(node, "value", "annotation")
            case ast.Expr(value=value):
                return self._reads(value)
            case _:
                return isinstance(node, ast.Pass)

    def _imports(self, node: ast.ImportFrom) -> bool:
        names = {alias.name for alias in node.names}
        if "*" in names or self.is_own(node):
            return "*" not in names
        module = node.module or ""
        if node.level or module == "sqlalchemy.dialects":
            return not node.level and all(f"{module}.{name}" in _DIALECTS for name in names)
        known = module in _SQLALCHEMY or module in _DIALECTS
        return module in _VALUES or (known and names <= _makers(module))

    def _is_new(self, name: str) -> bool:
        """Whether a name is not one that a library gave, so that what is called by that is the library's."""
        return name not in self.makers and name not in self.modules

    def _says(self, node: ast.stmt) -> bool:
        """Whether a statement in a class says what that is, and no more."""
        match node:
            case ast.FunctionDef():
                return self._is_function(node)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                return self._is_new(name) and self._reads_all(node, "value", "annotation")
            case ast.Expr(value=ast.Constant()):
                return True
            case _:
                return isinstance(node, ast.Pass)

    def _is_function(self, node: ast.FunctionDef) -> bool:
        """Whether a function, should anybody call it meanwhile, reaches nothing but its object."""
        parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        read = [node.returns, *(each.annotation for each in parameters), *node.args.defaults, *node.args.kw_defaults]
        if any(_name(each) not in _DECORATORS for each in node.decorator_list) or not all(map(self._reads_one, read)):
            return False
        return all(self._stays(each) for statement in node.body for each in ast.walk(statement))

    def _stays(self, node: ast.AST) -> bool:
        match node:
            case ast.Name(id=name):
                return name not in self.own and name not in _ANYTHING
            case ast.Attribute(attr=attr):
                return attr not in _ELSEWHERE and (not attr.startswith("__") or attr in _OF_OBJECTS)
            case _:
                return not isinstance(node, ast.Import | ast.ImportFrom | ast.Global)

    def _sets(self, target: ast.expr) -> bool:
        match target:
            case ast.Name(id=name):
                return self._is_new(name)
            case ast.Attribute(value=ast.Name(), attr=attr):
                return not attr.startswith("_") and attr not in _ELSEWHERE
            case _:
                return False

    # ---- expressions

    def _reads_all(self, node: ast.stmt, *fields: str) -> bool:
        """The same for those parts of a statement that are there."""
        return all(self._reads_one(getattr(node, field, None)) for field in fields)

    def _reads_one(self, node: ast.expr | None) -> bool:
        return node is None or self._reads(node)

    def _reads(self, node: ast.expr) -> bool:
        """Whether evaluating an expression touches nothing but what it makes, and what it has names for."""
        match node:
            case ast.Constant() | ast.Name():
                return True
            case ast.Attribute():
                return self._is_part(node)
            case ast.Call():
                return self._calls(node)
            case ast.Tuple() | ast.List() | ast.Set() | ast.Dict() | ast.BinOp() | ast.UnaryOp() | ast.BoolOp():
                return all(self._reads(each) for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr))
            case ast.Compare(left=left, comparators=others):
                return all(map(self._reads, [left, *others]))
            case ast.Subscript(value=ast.Name(id=name), slice=inner):
                return name not in self.own and self._reads(inner)
            case ast.Subscript(value=ast.Attribute(value=ast.Name(id=name)), slice=inner):
                return name in self.modules and self._reads(inner)
            case _:
                return False

    def _is_part(self, node: ast.Attribute) -> bool:
        """A name in a library's module, `Usuario.nome`, or `Usuario.__table__.c.nome`."""
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                return self._has(name, attr) if name in self.modules else attr not in _ELSEWHERE
            case ast.Attribute(value=held):
                return _is_of_table(held, {"c", "columns"})

    def _has(self, name: str, attribute: str) -> bool:
        """Whether a library's module has a maker of that name."""
        module = self.modules[name]
        return module in _VALUES or attribute in _makers(module)

    def _calls(self, node: ast.Call) -> bool:
        """Whether a call is one of a maker. What is given as `default=` is called by nobody meanwhile."""
        now = [each for each in node.keywords if each.arg not in _LATER or not isinstance(each.value, ast.Lambda)]
        touches = any(each.arg in {None, "extend_existing", "replace_existing"} for each in node.keywords)
        given = [*_but_for_metadata(node), *(each.value for each in now)]
        return self._makes(node.func) and not touches and all(map(self._reads, given))

    def _makes(self, func: ast.expr) -> bool:
        """Whether something is a maker, one of `func`'s, or the method of a type that was made here."""
        match func:
            case ast.Name(id=name):
                return name in self.makers and name not in self.own
            case ast.Attribute(value=ast.Name(id="func")):
                return "func" in self.makers
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                return name in self.modules and self._has(name, attr)
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=name), attr="func")):
                return name in self.modules
            case ast.Attribute(value=ast.Call() as made, attr="with_variant"):
                return self._reads(made)
            case _:
                return _is_of_table(func, {"append_column", "append_constraint"})


def _is_of_table(node: ast.expr, what: Collection[str]) -> bool:
    """Whether something is `Usuario.__table__.c`, say: it touches what `Usuario` is known to."""
    match node:
        case ast.Attribute(value=ast.Attribute(value=ast.Name(), attr="__table__"), attr=attr):
            return attr in what
        case _:
            return False


def _but_for_metadata(node: ast.Call) -> list[ast.expr]:
    """What a call is given, without the `Base.metadata` of a Table, in which that makes nothing but itself."""
    match node:
        case ast.Call(
            func=ast.Name(id="Table") | ast.Attribute(attr="Table"),
            args=[name, ast.Attribute(value=ast.Name(), attr="metadata"), *others],
        ):
            return [name, *others]
        case _:
            return node.args


def _makes_nothing(node: ast.stmt) -> bool:
    """Whether a statement of a plain module is an import, or there for readers alone."""
    return isinstance(node, ast.Import | ast.ImportFrom | ast.If) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _alters(node: ast.stmt) -> bool:
    """Whether a statement of a plain module may do something to a table that others have made."""
    match node:
        case ast.Assign(targets=[ast.Attribute()]) | ast.AnnAssign(target=ast.Attribute()) | ast.Expr(value=ast.Call()):
            return True
        case _:
            return False


def _name(decorator: ast.expr) -> str:
    """`declared_attr` also for `declared_attr.directive`, `validates` for `validates("nome")`."""
    match decorator:
        case ast.Call(func=ast.Name(id=name)) | ast.Attribute(value=ast.Name(id=name)) | ast.Name(id=name):
            return name
        case _:
            return ""
