"""Pure text: money, percentages, ages and sizes as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

NOTHING = "–"  # noqa: RUF001  an en dash is meant
"""What stands in a cell when nobody knows the value."""

_CENT = Decimal("0.01")
_SHARE_STEP = Decimal("1E-9")
_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400
_KIBI = 1024


def money(value: Decimal | None) -> str:
    """`$1,234.50`, with a real minus sign; four decimals below one dollar."""
    if value is None:
        return NOTHING
    places = _CENT if abs(value) >= 1 or value == 0 else Decimal("0.0001")
    amount = f"${abs(value).quantize(places, ROUND_HALF_EVEN):,}"
    return f"−{amount}" if value < 0 else amount  # noqa: RUF001  the typographic minus is meant


def signed_money(value: Decimal | None) -> str:
    """Profit or loss in whole cents, its sign always shown."""
    if value is None:
        return NOTHING
    cents = value.quantize(_CENT, ROUND_HALF_EVEN)
    amount = f"${abs(cents):,}"
    return f"+{amount}" if cents > 0 else f"−{amount}" if cents < 0 else amount  # noqa: RUF001  the typographic minus is meant


def direction(value: Decimal | None) -> str:
    """`gain`, `loss` or `flat`: the word behind the colour of a profit or loss."""
    if value is None or value == 0:
        return "flat"
    return "gain" if value > 0 else "loss"


def quantity(value: Decimal | None) -> str:
    """Shares without trailing zeros."""
    if value is None:
        return NOTHING
    return f"{value.quantize(_SHARE_STEP).normalize():,f}"


def count(number: int | None) -> str:
    """A whole number of things."""
    return NOTHING if number is None else str(number)


def percent(fraction: Decimal | None, places: int = 1) -> str:
    """A fraction as a percentage: 0.025 is `2.5 %`."""
    return NOTHING if fraction is None else f"{fraction * 100:.{places}f} %"


def signed_percent(percent_points: Decimal) -> str:
    """Percent points with their sign: 0.27 is `+0.27 %`."""
    sign = "+" if percent_points > 0 else "−" if percent_points < 0 else ""  # noqa: RUF001  the typographic minus is meant
    return f"{sign}{abs(percent_points):.2f} %"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 5 s`, `2 h 4 min`, `3 d 2 h`: two units at most."""
    if seconds is None:
        return NOTHING
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        minutes, rest = divmod(whole, _MINUTE_S)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if whole < _DAY_S:
        hours, rest = divmod(whole, _HOUR_S)
        return f"{hours} h {rest // _MINUTE_S} min"
    days, rest = divmod(whole, _DAY_S)
    return f"{days} d {rest // _HOUR_S} h"


def clock_text(moment: datetime | None, today: datetime | None = None) -> str:
    """`18:00:05 UTC`, with the date in front when it is another day than today's."""
    if moment is None:
        return NOTHING
    utc = moment.astimezone(UTC)
    if today is not None and utc.date() == today.astimezone(UTC).date():
        return f"{utc:%H:%M:%S} UTC"
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC"


def since_text(moment: datetime | None, now: datetime) -> str:
    """`18:00:05 UTC, 12 s ago`: the moment, and what it means now."""
    if moment is None:
        return NOTHING
    return f"{clock_text(moment, now)}, {duration((now - moment).total_seconds())} ago"


def share(percent_points: Decimal | None) -> str:
    """Percent points without places, never rounded up: 99.6 is not yet the whole."""
    if percent_points is None:
        return NOTHING
    return f"{percent_points.quantize(Decimal(1), ROUND_FLOOR)} %"


def size(count: Decimal | None) -> str:
    """Bytes as MiB, or KiB below one MiB."""
    if count is None or count < 0:
        return NOTHING
    mebi = count / (_KIBI * _KIBI)
    return f"{mebi:.0f} MiB" if mebi >= 1 else f"{count / _KIBI:.0f} KiB"
