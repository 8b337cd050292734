"""The comparison of two snapshots of databases on one server.

Column order is not compared. Where the server generated the name on the expected side, any name is right: such elements
are matched by their facts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple

from sqlstrata.snapshot.values import DEFINITION, Element, Facts, Snapshot, Thing, listed


class Difference(NamedTuple):
    """One difference: in which table (or view, type…), what, and both sides (None: absent)."""

    table: str
    what: str
    expected: str | None
    found: str | None


def differences(expected: Snapshot, found: Snapshot) -> tuple[Difference, ...]:
    """All differences, ordered by name; empty where the two databases are equal."""
    names = sorted(expected.things.keys() | found.things.keys())
    return tuple(
        difference for name in names for difference in _things(name, expected.things.get(name), found.things.get(name))
    )


def _things(name: str, expected: Thing | None, found: Thing | None) -> Iterator[Difference]:
    if expected == found or (expected is None and found is not None and found.kind == "extension"):
        return  # an extension more is nobody's fault: the server's template may have brought it
    if expected is None or found is None or expected.kind != found.kind:
        kind = (expected or found or Thing("thing")).kind
        yield Difference(name, kind, _text(expected, kind), _text(found, kind))
        return
    label = "" if expected.kind == "table" else expected.kind
    yield from _facts(name, label, expected.facts, found.facts)
    yield from _elements(name, expected.elements, found.elements)


def _text(thing: Thing | None, kind: str) -> str | None:
    if thing is None:
        return None
    columns = sum(element.kind == "column" for element in thing.elements)
    text = f"{columns} column{'s' * (columns != 1)}" if columns else listed(thing.facts) or "present"
    return text if thing.kind == kind else f"{thing.kind}: {text}"


def _facts(name: str, label: str, expected: Facts, found: Facts) -> Iterator[Difference]:
    for fact in sorted(expected.keys() | found.keys()):
        if expected.get(fact) != found.get(fact):
            what = label if label and fact == DEFINITION else f"{label}: {fact}".removeprefix(": ")
            yield Difference(name, what, expected.get(fact), found.get(fact))


def _elements(table: str, expected: tuple[Element, ...], found: tuple[Element, ...]) -> Iterator[Difference]:
    pairs, missing, extra = _matched(expected, found)
    result = [difference for pair in pairs for difference in _pair(table, *pair)]
    result += [Difference(table, element.label, listed(element.facts) or "present", None) for element in missing]
    result += [Difference(table, element.label, None, listed(element.facts) or "present") for element in extra]
    yield from sorted(result, key=lambda difference: difference.what)


def _pair(table: str, expected: Element, found: Element) -> Iterator[Difference]:
    yield from _facts(table, expected.label, expected.facts, found.facts)
    if expected.name is not None and expected.name != found.name:
        what = f"{expected.kind} {expected.about or ''}".rstrip()
        yield Difference(table, f"{what}: name", expected.name, found.name)


Pairs = list[tuple[Element, Element]]


def _matched(expected: Iterable[Element], found: Iterable[Element]) -> tuple[Pairs, list[Element], list[Element]]:
    """Pairs of the same element on both sides, then those that are only expected and only found.

    Matched by name first; then expected elements without a name by their facts; then by what they are about.
    """
    pairs: Pairs = []
    left, right = list(expected), list(found)
    for wanted, there in ((_name, _name), (_nameless, _facts_of), (_about, _about)):
        more, left, right = _paired(left, right, wanted, there)
        pairs += more
    return pairs, left, right


Sign = Callable[[Element], Hashable | None]


def _paired(
    expected: list[Element], found: list[Element], wanted: Sign, there: Sign
) -> tuple[Pairs, list[Element], list[Element]]:
    """Pairs with equal signs that are not None, then those without a partner; a found one without a name goes first."""
    waiting: dict[Hashable, list[Element]] = {}
    for element in sorted(found, key=lambda each: (each.name is not None, each.order)):
        waiting.setdefault(there(element), []).append(element)
    waiting.pop(None, None)
    pairs, alone = [], []
    for element in expected:
        others = waiting.get(wanted(element))
        if others:
            pairs.append((element, others.pop(0)))
        else:
            alone.append(element)
    taken = {id(other) for _, other in pairs}
    return pairs, alone, [element for element in found if id(element) not in taken]


def _name(element: Element) -> Hashable | None:
    return None if element.name is None else (element.kind, element.name)


def _facts_of(element: Element) -> Hashable | None:
    return element.kind, tuple(sorted(element.facts.items()))


def _nameless(element: Element) -> Hashable | None:
    return _facts_of(element) if element.name is None else None


def _about(element: Element) -> Hashable | None:
    return None if element.about is None else (element.kind, element.about)
