"""What config.yaml says, as values: they are frozen, do no I/O, and know where in the file they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, TypeAlias, TypeVar

from sqlstrata.errors import Where, WrongUse
from sqlstrata.plan.words import nearest
from sqlstrata.servers import DIALECTS, KINDS, dialects_of, key_of, kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

K = TypeVar("K")
V = TypeVar("V")
Key: TypeAlias = str | int


class FrozenDict(dict[K, V]):
    """A dict that stays as it was made: it goes wherever a dict goes (JSON, bound parameters, pickle)."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        message = "a plan does not change; make a new one"
        raise TypeError(message)

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        return type(self), (dict(self),)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one value of the file stands (a mapping's entry: its key), how it is spelled, and what lies inside it."""

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
    """SQL statements or one expression: the same for every server (default), or each server's own. False if none."""

    sqlite: tuple[str, ...] | None = None
    postgresql: tuple[str, ...] | None = None
    mysql: tuple[str, ...] | None = None
    default: tuple[str, ...] | None = None

    def on(self, dialect: str) -> tuple[str, ...]:
        """Give what is meant for a dialect, by SQLAlchemy's name for it; MariaDB reads mysql. () where nothing is."""
        texts = getattr(self, key_of(dialect)) if dialect in DIALECTS else None
        return (self.default or ()) if texts is None else texts

    def given(self, keys: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Give what is said for these servers, by their keys, and what is said for all others as `default`."""
        own = {key: texts for key in keys if (texts := getattr(self, key))}
        return own | ({"default": self.default} if self.default and len(own) < len(keys) else {})

    def __bool__(self) -> bool:
        return any((self.sqlite, self.postgresql, self.mysql, self.default))


@dataclass(frozen=True, slots=True)
class Cast:
    """How a column's values cross a change of type, each way; a plain text in the file is `up` alone."""

    up: Sql | None = None
    down: Sql | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One step in the life of the models: the modules turned on and off, and what it allows and adds."""

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
    modules: tuple[str, ...] = ()  # all that are on after this stage, in the order in which they were turned on


@dataclass(frozen=True, slots=True)
class Database:
    """The development database. The URL holds its password, so that it is never part of the repr."""

    url: str = field(repr=False)
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Models:
    """The package of stage modules, and where in it the base is."""

    package: str
    base_module: str
    base_attribute: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that config.yaml says, with paths made absolute and URLs made complete."""

    path: Path
    folder: Path
    database: Database
    models: Models
    migrations: Path
    prove_on: tuple[str, ...] = field(repr=False)
    stages: tuple[Stage, ...]
    marks: Marks = field(repr=False, compare=False)
    servers: tuple[str, ...] = tuple(KINDS)
    """The kinds of servers that the history is written for, by the names in `sqlstrata.servers`."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """Sentences for whoever runs a command, such as what was left out of a URL."""

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

    def stage(self, name: str) -> Stage:
        """Give the stage of that name; raises WrongUse with the nearest name where there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        names = [stage.name for stage in self.stages]
        raise WrongUse(f"There is no stage `{name}`.", hint=nearest(name, names, "stage"))
