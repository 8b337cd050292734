"""Revisions are laid out as `ruff format` would leave them, and every text comes back as it was."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from project.source import WIDTH, Call, Chain, Items, Source, call, flat, items, laid_out, quoted

# ------------------------------------------------------------------------------- layout

LONG = quoted("a text that alone needs more than half of a line")
COLUMN = call("sa.Column", quoted("nome"), call("sa.String", length="50"), nullable="False")

LAYOUTS: list[tuple[str, Source, str]] = [
    ("a call that fits stays on one line", COLUMN, 'sa.Column("nome", sa.String(length=50), nullable=False)'),
    ("a call without arguments stays on one line", call("op.f"), "op.f()"),
    (
        "a call that does not fit has one argument a line",
        call("op.add_column", quoted("usuarios"), COLUMN, fill=LONG),
        f"""op.add_column(
    "usuarios",
    sa.Column("nome", sa.String(length=50), nullable=False),
    fill={LONG},
)""",
    ),
    (
        "an argument that does not fit is broken in its turn",
        call("op.add_column", call("sa.Column", LONG, LONG)),
        f"""op.add_column(
    sa.Column(
        {LONG},
        {LONG},
    ),
)""",
    ),
    ("a text that does not fit stays whole", quoted("x" * 100), quoted("x" * 100)),
    (
        "a method's own parentheses are broken",
        Chain(call("sa.JSON"), call("with_variant", call("postgresql.JSONB"), LONG, quoted("postgresql"))),
        f"""sa.JSON().with_variant(
    postgresql.JSONB(),
    {LONG},
    "postgresql",
)""",
    ),
    (
        "several methods stand under one another",
        call("sa.Column", Chain(Chain(call("sa.JSON"), call("with_variant", LONG)), call("with_variant", LONG))),
        f"""sa.Column(
    sa.JSON()
    .with_variant({LONG})
    .with_variant({LONG}),
)""",
    ),
    (
        "before a method, what it is of is broken where it must be",
        call("op.add_column", Chain(call("sa.Numeric", LONG, LONG), call("with_variant", quoted("mysql")))),
        f"""op.add_column(
    sa.Numeric(
        {LONG},
        {LONG},
    ).with_variant("mysql"),
)""",
    ),
    ("a tuple of one has its comma", items("()", [quoted("a")]), '("a",)'),
    ("a list of one has none", items("[]", [quoted("a")]), '["a"]'),
    ("a dictionary has its keys", items("{}", [(quoted("a"), "1"), (quoted("b"), "2")]), '{"a": 1, "b": 2}'),
    (
        "a dictionary that does not fit has one entry a line",
        items("{}", [(quoted("a"), LONG), (quoted("b"), LONG)]),
        f"""{{
    "a": {LONG},
    "b": {LONG},
}}""",
    ),
]


@pytest.mark.parametrize(("source", "expected"), [case[1:] for case in LAYOUTS], ids=[case[0] for case in LAYOUTS])
def test_source_is_laid_out(source: Source, expected: str) -> None:
    assert laid_out(source) == expected


def test_a_line_may_be_full_but_no_longer() -> None:
    full = Call("f", (quoted("x" * (WIDTH - 5)),))
    longer = Call("f", (quoted("x" * (WIDTH - 4)),))
    assert "\n" not in laid_out(full)
    assert laid_out(full, indent=1).count("\n") == 2
    assert laid_out(longer).count("\n") == 2


def test_a_chinese_character_is_twice_as_wide() -> None:
    assert "\n" not in laid_out(Call("f", (quoted("漢" * ((WIDTH - 5) // 2)),)))
    assert "\n" in laid_out(Call("f", (quoted("漢" * ((WIDTH - 3) // 2)),)))


NAMES = st.sampled_from(["f", "op.add_column", "sa.Column", "a_function_with_quite_a_long_name"])
KEYWORDS = st.sampled_from(["name", "nullable", "postgresql_where", "comment"])
TEXTS = st.text(st.sampled_from("abcdefghij ãß漢'\"\\\n%{}"), max_size=50).map(quoted)
LITERALS = TEXTS | st.sampled_from(["None", "True", "0", "-1", "1.5"])


def calls(inner: st.SearchStrategy[Source]) -> st.SearchStrategy[Call]:
    keywords = st.dictionaries(KEYWORDS, inner, max_size=2).map(lambda given: tuple(given.items()))
    return st.builds(Call, NAMES, st.lists(inner, max_size=3).map(tuple), keywords)


def displays(inner: st.SearchStrategy[Source]) -> st.SearchStrategy[Items]:
    lists = st.builds(items, st.sampled_from(["[]", "()"]), st.lists(inner, max_size=3))
    return lists | st.builds(items, st.just("{}"), st.lists(st.tuples(TEXTS, inner), max_size=3))


def compounds(inner: st.SearchStrategy[Source]) -> st.SearchStrategy[Source]:
    made = calls(inner)
    return made | displays(inner) | st.builds(Chain, made, st.builds(Call, st.just("with_variant"), st.tuples(inner)))


SOURCES = st.recursive(LITERALS, compounds, max_leaves=12)
BODY = "def upgrade() -> None:\n"


@given(st.lists(SOURCES.flatmap(lambda each: calls(st.just(each))), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate])
def test_ruff_format_leaves_what_is_laid_out_as_it_is(sources: list[Source]) -> None:
    """A statement of a revision is always a call, and what is in it may be anything."""
    text = BODY + "".join(f"    {laid_out(source, 4)}\n" for source in sources)
    assert formatted(text) == text


def formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--isolated", f"--line-length={WIDTH}", "-"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode()


@given(SOURCES)
@settings(deadline=None)
def test_layout_changes_nothing_but_white_space(source: Source) -> None:
    assert ast.dump(ast.parse(laid_out(source, 4))) == ast.dump(ast.parse(flat(source)))


# ------------------------------------------------------------------------------ literals

QUOTED = [
    ("plain", '"plain"'),
    ("it's", '"it\'s"'),
    ('say "yes"', "'say \"yes\"'"),
    ('it\'s "yes"', "'it\\'s \"yes\"'"),
    ("it's isn't \"", '"it\'s isn\'t \\""'),
    ("50%", '"50%"'),
    ("line\nbreak", '"line\\nbreak"'),
    ("back\\slash", '"back\\\\slash"'),
    ("ação", '"ação"'),
    (None, "None"),
    (True, "True"),
    (12, "12"),
    (("a", 'b"'), "('a', 'b\"')"),
]


@pytest.mark.parametrize(("value", "expected"), QUOTED)
def test_a_value_is_quoted_as_a_person_would(value: object, expected: str) -> None:
    assert quoted(value) == expected


@given(st.text() | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_literal_is_the_value(value: object) -> None:
    assert ast.literal_eval(quoted(value)) == value


@given(st.text(st.sampled_from("ab'\"\\\n%{}\t")))
def test_quotes_and_backslashes_come_back(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text
