"""The cases of changes.yaml: the result of each stage, without a database, and docs/changes.md, which is made of them.

`python -m tests.proof.changes --write` writes the document again.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import starmap
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem
from sqlalchemy_utils import EmailType

from sqlstrata.dialects import dialect
from sqlstrata.diff.order import Phase
from sqlstrata.errors import Refused, WrongUse
from sqlstrata.modules.turning import Turn
from sqlstrata.plan import Plan, read
from sqlstrata.revisions.generate import Step, steps_of
from sqlstrata.schema.describe import describe
from tests.versions import is_sayable

DOCUMENT = Path(__file__).parents[2] / "docs" / "changes.md"
TABLE = Path(__file__).with_suffix(".yaml")
SERVERS = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
ADDRESSES = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://server/shop",
    "mariadb": "mariadb+pymysql://server/shop",
}
NAMING = {
    "none": {},
    "usual": {
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    },
    "other": {
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "uq": "%(table_name)s_%(column_0_N_name)s_uq",
        "ck": "%(table_name)s_%(constraint_name)s_ck",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "pk": "%(table_name)s_pk",
    },
}

# ---------------------------------------------------------------------------------- cases


@dataclass(frozen=True)
class Case:
    """One change of changes.yaml."""

    change: str
    was: str = ""
    now: str = ""
    before: str | None = None
    after: str | None = None
    stage: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = tuple(SERVERS)
    naming: str | Mapping[str, str] = "usual"
    rows: Mapping[str, list[dict[str, Any]]] | None = None
    bad: Mapping[str, list[dict[str, Any]]] | None = None
    then: Mapping[str, list[list[Any]]] = field(default_factory=dict)

    def source(self, side: str) -> str:
        """The models before or after the stage."""
        whole: str | None = getattr(self, side)
        return f'table("item", {self.was if side == "before" else self.now})' if whole is None else whole

    def convention(self, side: str) -> dict[str, str]:
        return NAMING[self.naming if isinstance(self.naming, str) else self.naming[side]]


@dataclass(frozen=True)
class Kind:
    kind: str
    about: str
    cases: tuple[Case, ...]


@cache
def kinds() -> tuple[Kind, ...]:
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return tuple(Kind(each["kind"], each["about"], tuple(map(_case, each["cases"]))) for each in table["kinds"])


def _case(values: dict[str, Any]) -> Case:
    return Case(**{**values, "only": tuple(values["only"])} if "only" in values else values)


def cases() -> tuple[Case, ...]:
    """Those that the installed SQLAlchemy can express."""
    found = (case for kind in kinds() for case in kind.cases)
    return tuple(case for case in found if all(is_sayable(case.source(side)) for side in ("before", "after")))


# --------------------------------------------------------------------------------- models

_WORDS = re.compile(r"(?<![A-Za-z0-9])(item|article|owner|part)(?![A-Za-z0-9])")


def numbered(given: Any, number: int | None) -> Any:
    """The case's texts with a number in the names of its tables, so that many cases can stand in one schema."""
    if number is None:
        return given
    if isinstance(given, str):
        return _WORDS.sub(rf"\g<1>_{number:03}", given)
    if isinstance(given, Mapping):
        return {numbered(key, number): numbered(value, number) for key, value in given.items()}
    return [numbered(each, number) for each in given] if isinstance(given, list) else given


class Shouted(sa.TypeDecorator[str]):
    """A type of a project's own."""

    impl = sa.String
    cache_ok = True


def model(case: Case, side: str, metadata: sa.MetaData, number: int | None = None) -> None:
    """Put the case's tables of one side into the metadata."""

    def bare(name: str, *elements: SchemaItem, **options: object) -> sa.Table:
        return sa.Table(name, metadata, *elements, **options)

    def table(name: str, *elements: SchemaItem, **options: object) -> sa.Table:
        return bare(name, sa.Column("id", sa.Integer, primary_key=True), *elements, **options)

    def event(when: str, **texts: str | list[str]) -> None:
        for server, given in texts.items():
            for text in [given] if isinstance(given, str) else given:
                ddl = sa.DDL(text) if server == "all" else sa.DDL(text).execute_if(dialect=server)
                sa.event.listen(metadata, when, ddl)

    names = {
        **vars(sa),
        **{each: getattr(postgresql, each) for each in ("ARRAY", "DOMAIN", "INT4RANGE", "JSONB", "ExcludeConstraint")},
    }
    types = {"Shouted": Shouted, "EmailType": EmailType}
    own = {"bare": bare, "table": table, "event": event, "metadata": metadata, **types}
    metadata.naming_convention = sa.MetaData(naming_convention=case.convention(side)).naming_convention
    exec(  # noqa: S102  (the text is ours)
        numbered(case.source(side), number), {**names, **own}
    )
    metadata.naming_convention = sa.MetaData().naming_convention


def metadata(case: Case, side: str, number: int | None = None) -> sa.MetaData:
    made = sa.MetaData()
    model(case, side, made, number)
    return made


# -------------------------------------------------------------------------------- outcomes


@dataclass(frozen=True)
class Outcome:
    """The result of a case, without a database."""

    servers: tuple[str, ...]
    """Those that can have the models before and after."""
    problems: Mapping[str, str]
    """Why the others cannot."""
    refused: str | None = None
    """The sentence, where no key of the stage would help."""
    asked: bool = False
    """Whether the stage is refused without the keys of the case."""
    step: Step | None = None


@cache
def outcomes() -> tuple[Outcome, ...]:
    return tuple(map(outcome, cases()))


def outcome(case: Case) -> Outcome:
    try:
        problems = _problems(case)
        servers = tuple(each for each in case.only if each not in problems)
        asked = _asked(case, servers)
        return Outcome(servers, problems, asked=asked, step=steps(case, case.stage, servers)[-1])
    except WrongUse as error:
        message = error.message.removeprefix("Stage after: ")
        return Outcome(case.only, {}, refused=f"{message} {error.hint or ''}".strip())


def _problems(case: Case) -> dict[str, str]:
    """The servers that cannot have the models, each with the reason."""
    found: dict[str, str] = {}
    for side in ("before", "after"):
        for table in describe(metadata(case, side)).tables.values():
            found |= {name: why for name, why in table.problems.items() if name in case.only}
    return found


def _asked(case: Case, servers: tuple[str, ...]) -> bool:
    try:
        steps(case, {}, servers)
    except Refused:
        return True
    return False


def needs(case: Case) -> list[dict[str, Any]]:
    """What the refusal asks for, where the stage says nothing."""
    try:
        steps(case, {}, outcome(case).servers)
    except Refused as error:
        return list(error.details["needs"])
    return []


def steps(
    case: Case, stage: Mapping[str, Any], servers: tuple[str, ...], number: int | None = None
) -> tuple[Step, ...]:
    """The two revisions, before and after. Raises Refused and WrongUse."""
    stages = [{"name": "before"}, {"name": "after", **numbered(stage, number)}]
    made = plan(stages, [ADDRESSES[each] for each in servers])
    sides = (metadata(case, side, number) for side in ("before", "after"))
    return steps_of(made, starmap(Turn, zip(made.stages, sides, strict=True)))


def plan(stages: list[dict[str, Any]], servers: list[str]) -> Plan:
    """A plan, read from a config.yaml."""
    values = {
        "database": {"url": servers[0]},
        "models": {"package": "models", "base": "base:Base"},
        "prove_on": servers,
        "stages": [{"message": each["name"].capitalize(), "enable": [each["name"]], **each} for each in stages],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return read(path)


# ----------------------------------------------------------------------- what is done to a server


def module(text: str) -> dict[str, Any]:
    """A revision's names."""
    found: dict[str, Any] = {}
    exec(text, found)  # noqa: S102  (the text is ours)
    return found


def statements(step: Step, server: str, way: str = "upgrade") -> list[str]:
    """The SQL of a revision, without a database."""
    buffer = io.StringIO()
    options = {"as_sql": True, "output_buffer": buffer, "literal_binds": True}
    context = MigrationContext.configure(dialect=dialect(server), opts=options)
    with Operations.context(context):
        module(step.revision.text)[way]()
    return [each.strip() for each in re.split(r";\s*\n\n", buffer.getvalue()) if each.strip()]


_REBUILT = re.compile(r'ALTER TABLE \S+ RENAME TO "?_before_(\w+)')
_CLAUSES = (
    (r"ALTER COLUMN .*? (TYPE|(?:SET|DROP) (?:NOT NULL|DEFAULT)|DROP (?:EXPRESSION|IDENTITY))\b", r"ALTER COLUMN … \1"),
    (r"ALTER COLUMN .*? ADD GENERATED", "ALTER COLUMN … ADD GENERATED"),
    (r"ADD CONSTRAINT \S+ (PRIMARY KEY|FOREIGN KEY|UNIQUE|CHECK|EXCLUDE)", r"ADD \1"),
    (r"(ADD|DROP) (PRIMARY KEY|FOREIGN KEY|UNIQUE|CHECK|EXCLUDE|COLUMN|CONSTRAINT|INDEX)", r"\1 \2"),
    (r"(RENAME COLUMN|RENAME TO|RENAME CONSTRAINT|RENAME INDEX|RENAME KEY|MODIFY COLUMN|SET SCHEMA|COMMENT)", r"\1"),
    (r"(?:SET|RESET) \(", "SET ( … )"),
    (r"SET (LOGGED|UNLOGGED|TABLESPACE)", r"SET \1"),
    (r"(\w+)=", r"\1="),
)  # fmt: skip


def deeds(step: Step, server: str) -> list[str]:
    """What the upgrade does on a server, in the words of SQL."""
    texts = statements(step, server)
    rebuilt = [found[1] for text in texts if (found := _REBUILT.match(text))]
    done = ["the table is rebuilt" if len(rebuilt) == 1 else f"{len(rebuilt)} tables are rebuilt"] if rebuilt else []
    for text in texts:
        if not text.startswith(("SET ", "SELECT ")) and not (rebuilt and _is_of_rebuild(text, rebuilt)):
            done += [f"`{each}`" for each in _deed(text)]
    return list(dict.fromkeys(done)) or ["nothing to do"]


def _is_of_rebuild(text: str, rebuilt: list[str]) -> bool:
    parts = r"PRAGMA|DROP INDEX|(ALTER|DROP) TABLE \W?_before_|ALTER TABLE \S+ RENAME TO \W?_before_"
    parts += "".join(
        rf"|CREATE TABLE \W?{name}\b|INSERT INTO \W?{name}\b|CREATE .*INDEX .* ON \W?{name}\b" for name in rebuilt
    )
    return re.match(parts, text) is not None


def _deed(text: str) -> Iterator[str]:
    if found := re.match(r"ALTER TABLE (?:[\w.]+|\"[^\"]+\"|`[^`]+`) (.*)", text, re.DOTALL):
        for clause in _split(found[1]):
            yield _clause(clause)
    elif found := re.match(
        r"(?:CREATE|DROP|ALTER|COMMENT ON) (?:OR REPLACE )?(?:UNIQUE |FULLTEXT |UNLOGGED |TEMPORARY )?\w+|\w+", text
    ):
        yield re.sub(r" (UNIQUE|FULLTEXT|UNLOGGED)\b", "", found[0])


def _clause(clause: str) -> str:
    for pattern, words in _CLAUSES:
        if found := re.match(pattern, clause, re.DOTALL):
            return found.expand(words)
    raise AssertionError(f"docs/changes.md has no words for {clause!r}")


def _split(clauses: str) -> Iterator[str]:
    """The clauses of one ALTER TABLE: split at commas outside of quotes and parentheses."""
    depth, quote, start = 0, "", 0
    for place, character in enumerate(clauses):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and depth == 0:
            yield clauses[start:place].strip()
            start = place + 1
    yield clauses[start:].strip()


# ------------------------------------------------------------------ what must be true of the rows


def stops(step: Step, way: str) -> list[str]:
    """What the revision checks in the rows before its first statement, in words."""
    tree = ast.parse(step.revision.text)
    body = next(each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == way)
    calls = [each for each in ast.walk(body) if isinstance(each, ast.Call)]
    words = [_stop(call) for call in calls if ast.unparse(call.func).startswith(("op.require_", "op.irreversible"))]
    return list(dict.fromkeys(words))


def _stop(call: ast.Call) -> str:
    given = [each.value if isinstance(each, ast.Constant) else None for each in call.args]
    match ast.unparse(call.func):
        case "op.require_no_nulls":
            return f"where `{given[0]}.{given[1]}` is NULL"
        case "op.require_no_rows":
            return f"where `{given[0]}` has rows"
        case "op.require_no_rows_where":
            condition = str(given[1]).removeprefix("NOT (").removesuffix(")")
            return f"where a row of `{given[0]}` breaks `{condition}`"
        case "op.require_unique":
            return f"where two rows of `{given[0]}` have the same {' and '.join(_list(call.args[1]))}"
        case "op.require_parents":
            key = call.args[1]
            assert isinstance(key, ast.Call)
            other = _list(key.args[1])[0].strip("`").rpartition(".")[0]
            return f"where a row of `{given[0]}` has no row in `{other}` for its {' and '.join(_list(key.args[0]))}"
        case "op.require_convertible":
            column = call.args[1]
            assert isinstance(column, ast.Call)
            return f"where a value of `{given[0]}.{ast.literal_eval(column.args[0])}` would be lost"
        case "op.irreversible":
            return "always"
        case other:
            raise AssertionError(f"docs/changes.md has no words for {other}")


def _list(node: ast.expr) -> list[str]:
    return [f"`{each}`" for each in ast.literal_eval(node)]


# ------------------------------------------------------------------------------- the document

# What each phase does, for the list of the order; every phase is in it.
_ORDER = {
    "REQUIRE": "the rows are checked, before anything changes",
    "STATEMENTS_OFF": "views, triggers and other objects that stand on what changes are dropped",
    "PREPARE": "values that the stage's SQL gives are computed from the rows as they were",
    "RENAME": "tables and columns are renamed",
    "FOREIGN_KEYS_OFF": "foreign keys are dropped",
    "INDEXES_OFF": "indexes are dropped",
    "TABLES_OFF": "tables are dropped",
    "TYPES_ON": "enum types, sequences and what events create before the tables are created",
    "TABLES_ON": "tables are created",
    "TABLES_CHANGED": "tables are changed",
    "INDEXES_ON": "indexes are created",
    "FOREIGN_KEYS_ON": "foreign keys are created",
    "TYPES_OFF": "enum types and sequences are dropped",
    "STATEMENTS_ON": "views, triggers and other objects are created",
}


def document() -> str:
    """The whole of docs/changes.md."""
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    order = "\n".join(f"{number}. {_ORDER[phase.name]}" for number, phase in enumerate(Phase, start=1))
    pieces = [table["opening"].replace("ORDER", order).strip()]
    found = iter(outcomes())
    for kind in kinds():
        rows = [_row(case, next(found)) for case in kind.cases]
        head = f"| change | {' | '.join(SERVERS.values())} | the stage |\n|---|---|---|---|---|"
        pieces.append(f"## {kind.kind}\n\n{_wrapped(kind.about)}\n\n{head}\n" + "\n".join(rows))
        pieces += [_by_hand(table["by hand"])] if kind.kind == table["by hand"]["behind"] else []
    return "\n\n".join(pieces) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _row(case: Case, made: Outcome) -> str:
    cells = [case.change, *(_cell(case, made, server) for server in SERVERS), _needed(case, made)]
    return "| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |"


def _cell(case: Case, made: Outcome, server: str) -> str:
    if server not in case.only:
        return "–"  # noqa: RUF001  (meant as it is)
    if made.refused is not None:
        return "refused"
    if server in made.problems:
        return f"refused: {made.problems[server].rstrip('.')}"
    assert made.step is not None
    return ", ".join(deeds(made.step, server))


def _needed(case: Case, made: Outcome) -> str:
    if made.refused is not None or made.step is None:
        return str(made.refused)
    parts = [f"{_may(key, made)} `{_line({key: value})}`" for key, value in case.stage.items()]
    up, down = stops(made.step, "upgrade"), stops(made.step, "downgrade")
    parts += [f"stops{', up and down,' if each in down else ''} {each}" for each in up]
    parts += [f"down, stops {each}" for each in down if each not in up]
    return "<br>".join(parts)


def _may(key: str, made: Outcome) -> str:
    if key in {"data", "downgrade"}:
        return "says"
    return "must say" if made.asked else "may say"


def _line(values: Mapping[str, Any]) -> str:
    """As it is written in config.yaml, on one line."""
    text = yaml.safe_dump(dict(values), default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    return text.strip()[1:-1]


def _by_hand(section: Mapping[str, Any]) -> str:
    head = f"| created by hand | {' | '.join(SERVERS.values())} |\n|---|---|---|---|"
    cells = {each["thing"]: " | ".join(_fate(each, server) for server in SERVERS) for each in section["things"]}
    rows = [f"| {thing} | {fates} |" for thing, fates in cells.items()]
    return f"## {section['kind']}\n\n{_wrapped(section['about'])}\n\n{head}\n" + "\n".join(rows)


def _fate(thing: Mapping[str, Any], server: str) -> str:
    fate = thing["fate"] if isinstance(thing["fate"], str) else thing["fate"][server]
    return str(fate)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(document(), encoding="utf-8")
    else:
        sys.stdout.write(document())
