"""The contents of config.yaml as frozen values, which know their places in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, TypeAlias, TypeVar

from sqlstrata.errors import Where, WrongUse
from sqlstrata.nearest import nearest_hint
from sqlstrata.servers import DIALECTS, KINDS, dialects_of, key_of, kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

K = TypeVar("K")
V = TypeVar("V")
Key: TypeAlias = str | int
ALLOWED = ("drop", "fill", "cast")
"""The keys of a stage that allow what could lose or invent values."""
HINTS = ("rename", *ALLOWED)
"""The keys of a stage that name tables and columns that change."""
TO_FILL_IN = "-- to fill in:"
"""How a text of `data` begins that stands for SQL which is still to be written."""


class FrozenDict(dict[K, V]):
    """A dict that cannot be changed; unlike other frozen mappings it can be JSON, bound parameters and pickles."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        message = "a plan cannot be changed; make a new one"
        raise TypeError(message)

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        return type(self), (dict(self),)


@dataclass(frozen=True, slots=True)
class Mark:
    """The place of one value (a mapping's entry: of its key), its spelling, and the marks of the values inside it."""

    line: int
    column: int
    source: str
    inner: Mapping[Key, Mark]


@dataclass(frozen=True, slots=True)
class Marks:
    """All marks of one file."""

    path: str
    top: Mark

    def at(self, *key: Key) -> Mark:
        """Give the mark of a value, or of the nearest one around it that the file has."""
        mark = self.top
        for part in key:
            if part not in mark.inner:
                break
            mark = mark.inner[part]
        return mark

    def where(self, *key: Key) -> Where:
        """Give the place of a value, or of the nearest one around it that the file has."""
        mark = self.at(*key)
        return Where(self.path, mark.line, mark.column)


@dataclass(frozen=True, slots=True)
class Sql:
    """SQL statements or one expression: for every server (default), or for each server. False where there is none."""

    sqlite: tuple[str, ...] | None = None
    postgresql: tuple[str, ...] | None = None
    mysql: tuple[str, ...] | None = None
    default: tuple[str, ...] | None = None

    def on(self, dialect: str) -> tuple[str, ...]:
        """Give the SQL for a dialect, by SQLAlchemy's name; MariaDB reads mysql. () where there is none."""
        texts = getattr(self, key_of(dialect)) if dialect in DIALECTS else None
        return (self.default or ()) if texts is None else texts

    def given(self, keys: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Give what is said for these servers, by their keys, and what is said for all others as `default`."""
        own = {key: texts for key in keys if (texts := getattr(self, key))}
        return own | ({"default": self.default} if self.default and len(own) < len(keys) else {})

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts, whatever server they are for."""
        return tuple(text for name in self.__slots__ for text in getattr(self, name) or ())

    def __bool__(self) -> bool:
        return any((self.sqlite, self.postgresql, self.mysql, self.default))


@dataclass(frozen=True, slots=True)
class Cast:
    """How a column's values are converted in a change of type, up and down."""

    up: Sql | None = None
    down: Sql | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One step in the evolution of the models: the modules turned on and off, and the hints."""

    name: str
    message: str
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    rename: Mapping[str, str] = FrozenDict()
    drop: tuple[str, ...] = ()
    fill: Mapping[str, Sql] = FrozenDict()
    cast: Mapping[str, Cast] = FrozenDict()
    upgrade: Sql = Sql()
    downgrade_sql: Sql = Sql()
    reversible: bool = True
    rows: Mapping[str, tuple[Mapping[str, object], ...]] = FrozenDict()
    revision: str | None = None  # the id under which it is released
    modules: tuple[str, ...] = ()  # all that are on after this stage, in the order they were turned on
    live: bool = False
    """Whether its schema is that of the application's models as they are now."""
    frozen: bool = False
    """Whether its schema is defined by a file in the folder of frozen stages."""


@dataclass(frozen=True, slots=True)
class Database:
    """The development database. The URL contains its password, so it is not part of the repr."""

    url: str = field(repr=False)
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Base:
    """Where a base or a MetaData is: a module, of the package or beside it, and an attribute, or one inside it."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


@dataclass(frozen=True, slots=True)
class Models:
    """The package of stage modules, the bases of its tables, and the MetaData whose tables are not in the history."""

    package: str
    bases: tuple[Base, ...]
    ignore: tuple[Base, ...] = ()
    modules: tuple[str, ...] = ("*",)
    """Patterns of the modules that a live stage turns on."""

    def full(self, module: str) -> str:
        """Give the full name of a module of the package, in which `__init__` is the package itself."""
        return self.package if module == "__init__" else f"{self.package}.{module}"

    @property
    def base_module(self) -> str:
        """The module of the first base."""
        return self.bases[0].module

    @property
    def base_attribute(self) -> str:
        """The attribute of the first base."""
        return self.bases[0].attribute


@dataclass(frozen=True, slots=True)
class Extension:
    """A PostgreSQL extension that the models need, and the schema that it belongs in, if that is given."""

    name: str
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class VersionTable:
    """Alembic's table with the revision of a database; without a schema it is in the default one."""

    name: str = "alembic_version"
    schema: str | None = None

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The contents of config.yaml, with absolute paths and complete URLs."""

    path: Path
    folder: Path
    database: Database
    models: Models
    migrations: Path
    frozen: Path
    """The folder of frozen stages."""
    prove_on: tuple[str, ...] = field(repr=False)
    stages: tuple[Stage, ...]
    marks: Marks = field(repr=False, compare=False)
    servers: tuple[str, ...] = tuple(KINDS)
    """The kinds of servers that the history is written for, by the names in `sqlstrata.servers`."""
    not_ours: tuple[str, ...] = ()
    """Patterns of the tables that belong to somebody else, as `plan.foreign.is_foreign` reads them."""
    version_table: VersionTable = VersionTable()
    legacy: tuple[Path, ...] = ()
    """The folders with the revisions of an older Alembic history, which stages are from."""
    extensions: tuple[Extension, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    """Sentences to print, such as which options of a URL are ignored."""

    @property
    def foreign(self) -> tuple[str, ...]:
        """The patterns of all tables that are no part of any stage: `not_ours`, and Alembic's own."""
        return (*self.not_ours, str(self.version_table))

    @property
    def dialects(self) -> tuple[str, ...]:
        """SQLAlchemy's names for `servers`."""
        return dialects_of(self.servers)

    def require_server(self, dialect: str) -> None:
        """Raise WrongUse, with the line to write, where the history is not for the server with this SQLAlchemy name."""
        kind = kind_of(dialect)
        if kind.name not in self.servers:
            names = ", ".join(each for each in KINDS if each in (*self.servers, kind.name))
            message = f"This history is not written for {kind.title}: `servers` does not name it."
            hint = f"Write `servers: [{names}]` in config.yaml, and run `inv rebuild`."
            raise WrongUse(message, where=self.where("servers"), hint=hint)

    def where(self, *key: Key) -> Where:
        """Give the place of a value in the file; its key is a path such as "stages", 2, "drop", 0."""
        return self.marks.where(*key)

    def unfilled(self) -> tuple[tuple[Stage, str, Where], ...]:
        """The texts of `data` that stand for SQL which is still to be written, with their stages and places."""
        return tuple(
            (stage, text.removeprefix(TO_FILL_IN).strip(), self._place(index, text))
            for index, stage in enumerate(self.stages)
            for text in (*stage.upgrade.texts, *stage.downgrade_sql.texts)
            if text.startswith(TO_FILL_IN)
        )

    def _place(self, index: int, text: str) -> Where:
        """Give the place of a text in the `data` of a stage."""
        waiting = [self.marks.at("stages", index, "data")]
        while waiting:
            mark = waiting.pop(0)
            if " ".join(text.split()) in " ".join(mark.source.split()):  # YAML may have it in several lines
                return Where(self.marks.path, mark.line, mark.column)
            waiting += mark.inner.values()
        return self.where("stages", index, "data")

    def stage(self, name: str) -> Stage:
        """Give the stage of that name; raises WrongUse with the nearest name where there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        names = [stage.name for stage in self.stages]
        raise WrongUse(f"There is no stage `{name}`.", hint=nearest_hint(name, names, "stage"))
