"""Curves as an SVG: seconds against stages, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import floor, log10

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 420, 60, 20, 190, 50
_FONT = 'font-family="sans-serif" font-size="12"'
_COLOURS = ("#1b6ca8", "#3ca55c", "#c0392b", "#8e44ad")

Curves = Mapping[str, Sequence[tuple[int, float]]]


def svg(curves: Curves) -> str:
    """The picture."""
    points = [point for curve in curves.values() for point in curve]
    x, y = _scale([stages for stages, _ in points]), _scale([seconds for _, seconds in points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for value in sorted({stages for stages, _ in points}):
        place = _across(x(value))
        parts.append(f'<text x="{place:.0f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{value}</text>')
    for exponent in range(floor(log10(min(s for _, s in points))), floor(log10(max(s for _, s in points))) + 2):
        place = _up(y(10.0**exponent))
        if _TOP <= place <= _HEIGHT - _BOTTOM + 1:
            parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{place:.0f}" y2="{place:.0f}" stroke="#ddd"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{place + 4:.0f}" text-anchor="end">{10.0**exponent:g} s</text>')
    for colour, (name, curve) in zip(_COLOURS, curves.items(), strict=False):
        line = " ".join(f"{_across(x(stages)):.1f},{_up(y(seconds)):.1f}" for stages, seconds in curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        stages, seconds = curve[-1]
        end = _across(x(stages)) + 8, _up(y(seconds)) + 4
        parts.append(f'<text x="{end[0]:.0f}" y="{end[1]:.0f}" fill="{colour}">{escape(name)}, {seconds:.3g} s</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 10}" text-anchor="middle">stages</text>')
    return "\n".join([*parts, "</svg>", ""])


def _scale(values: Sequence[float]) -> Callable[[float], float]:
    low, high = log10(min(values)), log10(max(values))
    return lambda value: (log10(value) - low) / ((high - low) or 1)


def _across(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _up(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)
