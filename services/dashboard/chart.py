"""Pure: the equity curve as the coordinates of an inline SVG. No script draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.dashboard import formats
from services.dashboard.documents import Document
from services.dashboard.tolerant import moment_of, number_of

WIDTH = 800
HEIGHT = 220
UNDER_HEIGHT = 60
"""Of the drawdown's picture below the curve."""
PADDING = 8
POINTS_DRAWN_MAX = 400
"""Enough for the widest screen; more points only make the page heavy."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A drawn curve: SVG point lists in a WIDTH x HEIGHT box, and the words around it."""

    line: str
    area: str
    under: str
    """The drawdown, hanging from the top of its own WIDTH x UNDER_HEIGHT box."""
    start_y: float
    """Height of the dashed line at the first value."""
    direction: str
    low: str
    high: str
    first_at: str
    last_at: str
    first: str
    last: str
    change: str
    drawdown: str
    count: int

    @property
    def description(self) -> str:
        """One sentence for people who do not see the picture."""
        if not self.count:
            return "No equity points yet."
        return (
            f"Equity from {self.first} at {self.first_at} to {self.last} at {self.last_at},"
            f" change {self.change}, lowest {self.low}, highest {self.high},"
            f" deepest drawdown {self.drawdown}."
        )


NO_CURVE = Curve("", "", "", 0.0, "flat", *(formats.NOTHING,) * 8, 0)


def curve(points: Sequence[Document]) -> Curve:
    """Return the curve of equity points, oldest first; points without a number are left out."""
    readable = [
        (moment, value)
        for moment, value in ((moment_of(p, "at"), number_of(p, "equity")) for p in points)
        if moment is not None and value is not None
    ]
    if len(readable) < 2:
        return NO_CURVE
    values = [value for _, value in readable]
    low, high = min(values), max(values)
    drawn = thin(values, POINTS_DRAWN_MAX)
    coordinates = _coordinates(drawn, low, high)
    depths = drawdowns(values)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in coordinates)
    change = values[-1] - values[0]
    share = change / values[0] if values[0] else None
    return Curve(
        line=line,
        area=f"{PADDING},{HEIGHT - PADDING} {line} {WIDTH - PADDING},{HEIGHT - PADDING}",
        under=_under(depths),
        start_y=coordinates[0][1],
        direction=formats.direction(change),
        low=formats.money(low),
        high=formats.money(high),
        first_at=formats.clock_text(readable[0][0]),
        last_at=formats.clock_text(readable[-1][0]),
        first=formats.money(values[0]),
        last=formats.money(values[-1]),
        change=f"{formats.signed_money(change)} ({formats.percent(share, 2)})",
        drawdown=formats.percent(max(depths), 2),
        count=len(values),
    )


def thin(values: Sequence[Decimal], count_max: int) -> list[Decimal]:
    """Return at most `count_max` values, keeping each stretch's lowest and highest in order, so
    that no dip disappears from the picture; first and last stay.
    """
    if len(values) <= count_max:
        return list(values)
    inner = values[1:-1]
    stretches = (count_max - 2) // 2
    kept: list[Decimal] = [values[0]]
    for index in range(stretches):
        begin = index * len(inner) // stretches
        end = (index + 1) * len(inner) // stretches
        span = range(begin, end)
        lowest = min(span, key=lambda place: inner[place])
        highest = max(span, key=lambda place: inner[place])
        kept.extend(inner[place] for place in sorted({lowest, highest}))
    kept.append(values[-1])
    return kept


def drawdowns(values: Sequence[Decimal]) -> list[Decimal]:
    """Return how far each value lies below the peak before it, as a fraction of that peak."""
    peak, depths = values[0], []
    for value in values:
        peak = max(peak, value)
        depths.append((peak - value) / peak if peak > 0 else Decimal(0))
    return depths


def _under(depths: Sequence[Decimal]) -> str:
    drawn = thin(depths, POINTS_DRAWN_MAX)
    deepest = max(drawn)
    step = (WIDTH - 2 * PADDING) / (len(drawn) - 1)
    points = (
        f"{PADDING + index * step:.1f},{float(depth / deepest) * UNDER_HEIGHT:.1f}"
        for index, depth in enumerate(drawn)
        if deepest
    )
    return f"{PADDING},0 {' '.join(points)} {WIDTH - PADDING},0"


def _coordinates(
    values: Sequence[Decimal], low: Decimal, high: Decimal
) -> list[tuple[float, float]]:
    span = float(high - low)
    width, height = WIDTH - 2 * PADDING, HEIGHT - 2 * PADDING
    step = width / (len(values) - 1)
    return [
        (
            PADDING + index * step,
            PADDING + height * (1 - float(value - low) / span) if span else HEIGHT / 2,
        )
        for index, value in enumerate(values)
    ]
