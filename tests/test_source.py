"""Revisions are laid out as `ruff format` would leave them, and every text comes back as it was."""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlstrata.source import WIDTH, Call, Chain, Source, call, flat, items, laid_out, quoted

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


NAMES = ("f", "op.add_column", "sa.Column", "a_function_with_quite_a_long_name")
KEYWORDS = ("name", "nullable", "postgresql_where", "comment")
PLAIN = ("None", "True", "0", "-1", "1.5")
BODY = "def upgrade() -> None:\n"


class Made:
    """Sources that chance makes up; the same for the same number."""

    def __init__(self, number: int) -> None:
        self.chance = random.Random(number)

    def text(self) -> Source:
        return quoted("".join(self.chance.choices("abcdefghij ãß漢'\"\\\n%{}", k=self.chance.randrange(50))))

    def literal(self) -> Source:
        return self.text() if self.chance.random() < 0.5 else self.chance.choice(PLAIN)

    def several(self, inner: Callable[[], Source], most: int = 3) -> tuple[Source, ...]:
        return tuple(inner() for _ in range(self.chance.randint(0, most)))

    def call(self, inner: Callable[[], Source]) -> Call:
        keywords = dict(zip(self.chance.sample(KEYWORDS, 2), self.several(inner, 2), strict=False))
        return Call(self.chance.choice(NAMES), self.several(inner), tuple(keywords.items()))

    def source(self, depth: int) -> Source:
        def inner() -> Source:
            return self.source(depth - 1)

        match self.chance.randrange(6) if depth else 0:
            case 0:
                return self.literal()
            case 1:
                return items(self.chance.choice(("[]", "()")), self.several(inner))
            case 2:
                return items("{}", [(self.text(), inner()) for _ in range(self.chance.randrange(4))])
            case 3:
                return Chain(self.call(inner), Call("with_variant", (inner(),)))
            case _:
                return self.call(inner)

    def statement(self) -> Source:
        """A statement of a revision is always a call, and what is in it may be anything."""
        return self.call(lambda: self.source(3))


@pytest.mark.parametrize("number", range(int(os.environ.get("STRATA_SOURCES", "10"))))
def test_ruff_format_leaves_what_is_laid_out_as_it_is(number: int) -> None:
    made = Made(number)
    text = BODY + "".join(f"    {laid_out(made.statement(), 4)}\n" for _ in range(40))
    assert formatted(text) == text


@pytest.mark.parametrize("number", range(10))
def test_layout_changes_nothing_but_white_space(number: int) -> None:
    made = Made(number)
    for source in [made.statement() for _ in range(40)]:
        assert ast.dump(ast.parse(laid_out(source, 4))) == ast.dump(ast.parse(flat(source)))


def formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--isolated", f"--line-length={WIDTH}", "-"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode()


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
