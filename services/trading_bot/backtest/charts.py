"""Curves as inline SVG: no script, no font and no picture from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, PAD = 960, 240, 80, 14
Mark = tuple[float, float, str, str]
"""Where on the curve (index, value), the class of the mark, and what it says."""


def curve_svg(
    title: str, values: Sequence[float], labels: tuple[str, str], marks: Sequence[Mark] = ()
) -> str:
    """Return a chart of the values over their index; `labels` stand at its two ends."""
    if not values:
        return f"<p>{escape(title)}: nothing to draw.</p>"
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 1, high + 1
    points = " ".join(
        f"{_x(at, len(values)):.1f},{_y(value, low, high):.1f}" for at, value in enumerate(values)
    )
    spots = "".join(
        f'<circle class="{kind}" cx="{_x(at, len(values)):.1f}" cy="{_y(value, low, high):.1f}"'
        f' r="3"><title>{escape(words)}</title></circle>'
        for at, value, kind, words in marks
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>"
        f'<polyline class="curve" points="{points}"/>{spots}'
        f'<text x="4" y="{PAD + 4}">{high:,.2f}</text>'
        f'<text x="4" y="{HEIGHT - PAD - 8}">{low:,.2f}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 2}">{escape(labels[0])}</text>'
        f'<text x="{WIDTH - PAD}" y="{HEIGHT - 2}" text-anchor="end">{escape(labels[1])}</text>'
        "</svg>"
    )


def _x(at: float, count: int) -> float:
    return LEFT + (WIDTH - LEFT - PAD) * (at / max(1, count - 1))


def _y(value: float, low: float, high: float) -> float:
    usable = HEIGHT - 3 * PAD
    return PAD + usable * (1 - (value - low) / (high - low))
