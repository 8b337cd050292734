"""Faults put back into the program, each of which the campaign must find: so one sees that it looks where it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Hole:
    """A fault: what it is, how it is put back into a process, and the scenarios and the count that must find it."""

    what: str
    put_back: Callable[[], None]
    only: str
    fault: str


def _put(module: str, **functions: object) -> None:
    """Replace functions of one of the program's modules, which must be there."""
    for name, function in functions.items():
        getattr(import_module(module), name)
        setattr(import_module(module), name, function)


def _options_overrule_the_url() -> None:
    _put("sqlstrata.plan.urls", _named_once=lambda url: url, _require_one_server=lambda _: None)
    _put("sqlstrata.databases.database", require_named=lambda *_: None)
    _put("sqlstrata.scratch.bracket", require=lambda *_: None)
    _put("sqlstrata.scratch.marker", require=lambda *_: None)


def _every_database_is_ours() -> None:
    _put("sqlstrata.databases.ownership", require_ours=lambda *_: None)


def _a_comment_like_a_mark_counts() -> None:
    ownership = import_module("sqlstrata.databases.ownership")

    def require_ours(connection: Any, _: object) -> None:
        if not any(
            line.startswith(("strata: ", "sqlstrata: ")) for line in ownership._comment(connection).splitlines()
        ):
            raise import_module("sqlstrata.errors").Protected("It is not ours.")

    _put("sqlstrata.databases.ownership", require_ours=require_ours)


def _a_mark_travels() -> None:
    ownership = import_module("sqlstrata.databases.ownership")

    def whose(connection: Any, *_: object) -> str | None:
        return None if ownership.read(connection).owned else "is not ours"

    _put("sqlstrata.databases.ownership", _why_foreign=whose)


def _nothing_is_looked_at_again() -> None:
    _put("sqlstrata.commands.reset", _require_still=lambda *_: None)
    _put("sqlstrata.databases.removal", _require_same=lambda *_: None)


def _nothing_is_protected() -> None:
    _put("sqlstrata.databases.ownership", require_unprotected=lambda *_, **__: None)


def _what_has_no_marker_stays() -> None:
    marker = import_module("sqlstrata.scratch.marker")
    _put("sqlstrata.databases.maker", _machine=lambda: "0bad0bad")  # what others run beside must not sweep it
    _put("sqlstrata.scratch.sweep", _require_left_behind=marker.read)


HOLES: dict[str, Hole] = {
    "dbname": Hole(
        "libpq's `dbname` leads a scratch database's connections elsewhere",
        _options_overrule_the_url, "path and query dbname={other}", "strangers",
    ),
    "database": Hole(
        "PyMySQL's `database` does so", _options_overrule_the_url, "path and query database={other}", "strangers"
    ),
    "init-command": Hole(
        "so does USE", _options_overrule_the_url, "prove_on init_command=USE%20{other}", "strangers"
    ),
    "no-mark": Hole(
        "`reset` drops databases without a mark", _every_database_is_ours, "a database without any mark", "strangers"
    ),
    "like-a-mark": Hole(
        "a person's comment counts as a mark", _a_comment_like_a_mark_counts, "a person s comment", "strangers"
    ),
    "renamed": Hole("a mark goes along with a name", _a_mark_travels, "a database that was renamed", "strangers"),
    "copied": Hole("a mark goes along with a file", _a_mark_travels, "a file that was copied", "strangers"),
    "taken": Hole(
        "who takes the name while the question stands is dropped",
        _nothing_is_looked_at_again, "another takes the name", "strangers",
    ),
    "protected": Hole(
        "who is protected while the question stands is dropped",
        _nothing_is_looked_at_again, "it is protected meanwhile", "strangers",
    ),
    "nothing-is-protected": Hole(
        "`reset` drops protected databases", _nothing_is_protected, "one that config yaml protects", "strangers"
    ),
    "no-marker": Hole(
        "a scratch database that was killed before its marker stays",
        _what_has_no_marker_stays, "right after a database was made", "left",
    ),
}  # fmt: skip


def open_hole(name: str) -> None:
    """Put a fault back into this process; the hook calls it in each that a scenario starts with this hole."""
    HOLES[name].put_back()
