"""How config.yaml is spoken of in errors: what a value must be, is called, and is, and what was perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Wanted(NamedTuple):
    """What a value must be, and a line to copy; for one that must be text, what YAML misreads asks for quotes."""

    what: str
    example: str
    text: bool = False


TOP = "`database:`, `models:` and `stages:`, each with what belongs to it"
_SQL = "SQL text or SQL for each server"
_SCRIPT = "SQL text, a list of it, or either for each server"
WANTED = {
    "": Wanted("a mapping", "database: {url: sqlite:///exemplo.db}"),
    "database": Wanted("a mapping", "database: {url: sqlite:///exemplo.db}"),
    "database.url": Wanted("a database URL", "url: sqlite:///exemplo.db", text=True),
    "database.protected": Wanted("true or false", "protected: false"),
    "models": Wanted("a mapping", "models: {package: project.models, base: 'base:Base'}"),
    "models.package": Wanted("the name of a package", "package: project.models", text=True),
    "models.base": Wanted("module:attribute", "base: base:Base", text=True),
    "migrations": Wanted("the path of a folder", "migrations: migrations", text=True),
    "servers": Wanted("a list of kinds of servers", "servers: [sqlite, postgresql, mariadb]"),
    "servers[]": Wanted("the name of a kind of server", "servers: [sqlite, postgresql, mariadb]", text=True),
    "prove_on": Wanted("a list of database URLs", "prove_on: [sqlite://]"),
    "prove_on[]": Wanted("a database URL", "prove_on: [sqlite://]", text=True),
    "stages": Wanted("a list of stages", "stages: [{name: usuario, enable: [usuario]}]"),
    "stages[]": Wanted("a mapping", "- {name: usuario, enable: [usuario]}"),
    "stages[].name": Wanted("the stage's name", "name: usuario", text=True),
    "stages[].message": Wanted("text", "message: Criação do modelo", text=True),
    "stages[].enable": Wanted("a list of modules", "enable: [usuario]"),
    "stages[].enable[]": Wanted("the name of a module", "enable: [usuario]", text=True),
    "stages[].disable": Wanted("a list of modules", "disable: [usuario]"),
    "stages[].disable[]": Wanted("the name of a module", "disable: [usuario]", text=True),
    "stages[].rename": Wanted("a mapping of old names to new ones", "rename: {usuarios.nome: nome_completo}"),
    "stages[].rename.*": Wanted("given a new name", "rename: {usuarios.nome: nome_completo}", text=True),
    "stages[].drop": Wanted("a list of tables and columns", "drop: [usuarios.idade]"),
    "stages[].drop[]": Wanted("the name of a table or column", "drop: [usuarios.idade]", text=True),
    "stages[].fill": Wanted("a mapping of columns to SQL", "fill: {usuarios.email: \"''\"}"),
    "stages[].fill.*": Wanted(_SQL, "usuarios.email: \"''\"", text=True),
    "stages[].fill.*.*": Wanted("SQL text", "sqlite: \"''\"", text=True),
    "stages[].cast": Wanted("a mapping of columns to SQL", "cast: {usuarios.idade: CAST(idade AS INTEGER)}"),
    "stages[].cast.*": Wanted(
        f"{_SQL}, or these under up and down", "usuarios.idade: CAST(idade AS INTEGER)", text=True
    ),
    "stages[].cast.*.*": Wanted(_SQL, "up: CAST(idade AS INTEGER)", text=True),
    "stages[].cast.*.*.*": Wanted("SQL text", "sqlite: CAST(idade AS INTEGER)", text=True),
    "stages[].data": Wanted(
        "a mapping of upgrade and downgrade to SQL", "data: {upgrade: UPDATE usuarios SET idade = 0}"
    ),
    "stages[].data[]": Wanted("SQL text", "data: [UPDATE usuarios SET idade = 0]", text=True),
    "stages[].data.*": Wanted(_SCRIPT, "upgrade: UPDATE usuarios SET idade = 0", text=True),
    "stages[].data.*[]": Wanted("SQL text", "upgrade: [UPDATE usuarios SET idade = 0]", text=True),
    "stages[].data.*.*": Wanted("SQL text or a list of it", "sqlite: UPDATE usuarios SET idade = 0", text=True),
    "stages[].data.*.*[]": Wanted("SQL text", "sqlite: [UPDATE usuarios SET idade = 0]", text=True),
    "stages[].downgrade": Wanted("true or false", "downgrade: false"),
    "stages[].rows": Wanted("a mapping of tables to their rows", "rows: {usuarios: [{nome: Alice}]}"),
    "stages[].rows.*": Wanted("a list of rows", "usuarios: [{nome: Alice}]"),
    "stages[].rows.*[]": Wanted("a mapping of columns to values", "- {nome: Alice}"),
}


def wanted(key: tuple[str | int, ...]) -> Wanted:
    """Give what the value at a key must be: that at ("stages", 2, "fill", "usuarios.email") is `stages[].fill.*`."""
    pattern = ""
    for part in key:
        named = f"{pattern}.{part}".lstrip(".")
        pattern = f"{pattern}[]" if isinstance(part, int) else named if named in WANTED else f"{pattern}.*"
    return WANTED[pattern]


def label(key: tuple[str | int, ...]) -> str:
    """Give what the value at a key is called in the middle of a sentence."""
    match key:
        case ():
            return "the file"
        case ("stages", int(index)):
            return f"stage {index + 1}"
        case (*_, str(name), int(index)):
            return f"item {index + 1} of `{name}`"
        case _:
            return f"`{key[-1]}`"


def kind(value: object) -> str:
    """Give what YAML made of a value, with its article."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case str():
            return "text"
        case bytes():
            return "binary data"
        case date():
            return "a date"
        case Mapping():
            return "a mapping"
    return "a list"


def nearest(word: str, known: Iterable[str], noun: str) -> str:
    """Give the sentence that names the nearest of the known words, or all of them where none is near."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word.lower(), names, n=1)
    if close:
        return f"The nearest {noun} is `{close[0]}`."
    return f"The {noun}s are {', '.join(names)}." if names else f"There is no {noun}."
