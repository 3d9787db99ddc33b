"""Pure: the bot's status becomes account, positions, limits and feeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from services.dashboard import formats
from services.dashboard.documents import (
    Reading,
    bot_status_age_s,
    is_bot_status_fresh,
    sees_broker,
)
from services.dashboard.gaps import NO_NUMBERS
from services.dashboard.tolerant import (
    EMPTY,
    Row,
    count_of,
    flag_of,
    known_rows,
    moment_of,
    number_of,
    rows_of,
    text_of,
)

USE_WARN_PCT = Decimal(80)
"""From here the bar of a loss asks for a look; the guard itself acts at 100."""
ROOM = frozenset({"gross_exposure", "largest_position", "open_positions"})
"""Limits of what may be held: there to be filled, and only more than the whole is wrong."""


_LIMIT_FORMS: Mapping[str, Callable[[Decimal | None], str]] = {
    "daily_loss": formats.money,
    "drawdown_pct": partial(formats.percent, places=2),
    "gross_exposure": formats.money,
    "largest_position": formats.money,
    "open_positions": formats.quantity,
}
"""Limit to the unit that it is counted in."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """The account in words. `note` says whose numbers these are when they are not fresh."""

    account_id: str
    equity: str
    cash: str
    day_pnl: str
    day_direction: str
    total_pnl: str
    total_direction: str
    open_positions: str
    trades: str
    trades_detail: str
    win_rate: str
    drawdown: str
    market: str
    fresh: bool
    note: str


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One open position."""

    symbol: str
    qty: str
    entry: str
    price: str
    value: str
    pnl: str
    pnl_pct: str
    direction: str
    stop: str
    target: str
    stop_word: str
    stop_tone: str
    strategy: str


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit and how much of it is used, 0 to 100 for the bar."""

    name: str
    limit: str
    used: str
    used_pct: str
    bar: int
    tone: str


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One source of market data. `age` is a sentence."""

    name: str
    state: str
    tone: str
    age: str
    reason: str


def account_view(reading: Reading) -> AccountView:
    """Return the tiles on top of the money part."""
    status: Row = reading.bot_status if reading.bot_status is not None else EMPTY
    day, total = number_of(status, "day_pnl"), number_of(status, "total_pnl")
    positions = known_rows(status, "positions")
    seen = sees_broker(reading)
    return AccountView(
        account_id=text_of(status, "account_id", formats.NOTHING),
        equity=formats.money(number_of(status, "equity")),
        cash=formats.money(number_of(status, "cash")),
        day_pnl=formats.signed_money(day),
        day_direction=formats.direction(day),
        total_pnl=formats.signed_money(total),
        total_direction=formats.direction(total),
        open_positions=formats.count(None if positions is None else len(positions)),
        trades=formats.count(count_of(status, "total_trades")),
        trades_detail=_trades_detail(status),
        win_rate=formats.percent(number_of(status, "win_rate")),
        drawdown=formats.percent(number_of(status, "max_drawdown_pct"), 2),
        market=_market(status),
        fresh=seen,
        note="" if seen else _old_numbers_note(reading),
    )


def _trades_detail(status: Row) -> str:
    keys = ("wins", "losses", "breakeven")
    won, lost, even = (formats.count(count_of(status, key)) for key in keys)
    return f"{won} won, {lost} lost, {even} even"


def _market(status: Row) -> str:
    moment = moment_of(status, "market_time")
    if moment is None:
        return "market time unknown"
    words = {True: "open", False: "closed"}
    is_open = words.get(flag_of(status, "is_open"), "unknown")  # type: ignore[arg-type]  # None: unknown
    return f"market {is_open}, {formats.clock_text(moment)}"


def _old_numbers_note(reading: Reading) -> str:
    if is_bot_status_fresh(reading):
        return "The broker cannot be asked: these numbers are what it said last."
    if reading.bot_status is None:
        why = reading.problems.get("bot_status.json", NO_NUMBERS)
        return f"There are no numbers: {why}."
    age_s = bot_status_age_s(reading)
    if reading.bot_status.get("boot_id") != reading.boot_id:
        return "These numbers are from before this machine started; the trading-bot is silent."
    if age_s is None:
        return "The time of these numbers cannot be right; nobody knows how old they are."
    return f"These numbers are {formats.duration(age_s)} old: the trading-bot is silent."


def position_rows(reading: Reading) -> tuple[PositionRow, ...]:
    """Return the open positions in the bot's order."""
    seen = sees_broker(reading)
    return tuple(_position_row(row, seen) for row in rows_of(reading.bot_status, "positions"))


def _position_row(row: Row, seen: bool) -> PositionRow:
    confirmed = flag_of(row, "stop_confirmed") is True
    words = {
        (True, True): ("stop confirmed at broker", "ok"),
        (True, False): ("NOT confirmed", "bad"),
        (False, True): ("confirmed when last heard", "warn"),
        (False, False): ("NOT confirmed when last heard", "bad"),
    }
    gain_pct = number_of(row, "unrealized_pnl_pct")
    stop_word, stop_tone = words[seen, confirmed]
    return PositionRow(
        symbol=text_of(row, "symbol", formats.NOTHING),
        qty=formats.quantity(number_of(row, "qty")),
        entry=formats.money(number_of(row, "entry_price")),
        price=formats.money(number_of(row, "current_price")),
        value=formats.money(number_of(row, "market_value")),
        pnl=formats.signed_money(number_of(row, "unrealized_pnl")),
        pnl_pct="" if gain_pct is None else formats.signed_percent(gain_pct),
        direction=formats.direction(number_of(row, "unrealized_pnl")),
        stop=formats.money(number_of(row, "stop_price")),
        target=formats.money(number_of(row, "target_price")),
        stop_word=stop_word,
        stop_tone=stop_tone,
        strategy=text_of(row, "strategy", formats.NOTHING),
    )


def limit_rows(reading: Reading) -> tuple[LimitRow, ...]:
    """Return the limits with their use; what a silent bot said of it is history, never well."""
    fresh = is_bot_status_fresh(reading)
    rows: list[LimitRow] = []
    for row in rows_of(reading.bot_status, "limits"):
        use = number_of(row, "used_pct")
        name = text_of(row, "name", formats.NOTHING)
        rows.append(
            LimitRow(
                name=name.removesuffix("_pct").replace("_", " "),
                limit=_amount(row, "limit", name),
                used=_amount(row, "used", name) if fresh else f"was {_amount(row, 'used', name)}",
                used_pct=formats.share(use),
                bar=0 if use is None else int(max(Decimal(0), min(Decimal(100), use))),
                tone=_use_tone(name, use, fresh),
            )
        )
    return tuple(rows)


def _amount(row: Row, key: str, name: str) -> str:
    """The number in its own unit; as it was told where we do not know the limit."""
    form = _LIMIT_FORMS.get(name)
    return text_of(row, key, formats.NOTHING) if form is None else form(number_of(row, key))


def _use_tone(name: str, use: Decimal | None, fresh: bool) -> str:
    if use is None or use > 100 or (use == 100 and name not in ROOM):
        return "bad"
    if name in ROOM:
        return "ok" if fresh else "warn"
    return "ok" if fresh and use < USE_WARN_PCT else "warn"


def feed_rows(reading: Reading) -> tuple[FeedRow, ...]:
    """Return the market-data feeds; while the bot is silent what it said of them is history."""
    tones = {"live": "ok", "connecting": "warn"}
    fresh = is_bot_status_fresh(reading)
    waited_s = 0.0 if fresh else bot_status_age_s(reading) or 0.0
    rows: list[FeedRow] = []
    for row in rows_of(reading.bot_status, "feeds"):
        age_s = number_of(row, "age_s")
        state = text_of(row, "state", "unknown")
        rows.append(
            FeedRow(
                name=text_of(row, "name", formats.NOTHING),
                state=state if fresh else f"was {state}",
                tone=tones.get(state, "bad") if fresh else "bad",
                age="no data yet"
                if age_s is None
                else f"data {formats.duration(float(age_s) + waited_s)} old",
                reason=text_of(row, "reason"),
            )
        )
    return tuple(rows)
