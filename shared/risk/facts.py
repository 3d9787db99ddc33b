"""What the guard must know before an order goes out.

Every field may be missing: an amount is then MISSING and an age UNKNOWN_AGE (both NaN, which no
comparison lets pass), everything else None. Whatever is missing, stale, NaN or infinite denies an
ENTRY with the code of the check that needed it. Ages are seconds of market time unless said
otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import nan

from shared.models.trading_state import TradingState

MISSING = Decimal("NaN")
"""An amount that is not known."""

UNKNOWN_AGE = nan
"""An age that is not known."""

UNKNOWN_COUNT = -1
"""A count that is not known; no check takes it for a small one."""


def known(amount: Decimal | None) -> Decimal:
    """Return the amount, or MISSING for None."""
    return MISSING if amount is None else amount


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFacts:
    """The facts for one order. A bare `GuardFacts()` knows nothing and allows no entry."""

    # The system
    emergency_stop: bool | None = None
    """Whether the emergency_stop file exists; an unreadable one counts as existing."""
    trading_state: TradingState | None = None
    is_open: bool | None = None
    """Whether the regular session is open, by the broker's clock."""
    reconcile_age_s: float = UNKNOWN_AGE
    unknown_outcomes: int | None = None
    stream_listening: bool | None = None
    store_writable: bool | None = None
    account_may_trade: bool | None = None
    clock_skew_s: float = UNKNOWN_AGE
    """Our clock less the broker's, in real seconds."""

    # Identity
    mode_matches: bool | None = None
    """Whether state, settings and endpoint are of one mode."""
    account_matches: bool | None = None
    """Whether the broker's account is the one of the state."""
    asset_class: str | None = None
    """The broker's class of this very symbol; `us_equity` is the only one traded here."""
    tradable: bool | None = None

    # The market of the symbol
    bid: Decimal = MISSING
    ask: Decimal = MISSING
    last_trade: Decimal = MISSING
    """Price of the last trade, or the last bar's close."""
    prior_close: Decimal = MISSING
    """Close of the session before."""
    price_age_s: float = UNKNOWN_AGE
    signal_age_s: float = UNKNOWN_AGE

    # The account, in dollars
    equity: Decimal = MISSING
    buying_power: Decimal = MISSING
    day_pnl: Decimal = MISSING
    """Equity less the day's base and transfers."""
    drawdown_pct: Decimal = MISSING
    """Fall from the peak as a fraction."""

    # What stands already; dollars count positions, external ones, working and unknown entries
    symbol_exposure: Decimal = MISSING
    gross_exposure: Decimal = MISSING
    open_risk: Decimal = MISSING
    """Loss if every stop of ours filled, working entries included."""
    open_positions: int = UNKNOWN_COUNT
    """Symbols with a position of ours or a working entry."""
    owner: str | None = None
    """Who owns the symbol; an empty text means nobody."""
    uncovered_symbols: int | None = None
    """Positions of ours with less stop quantity than shares."""
    opposite_orders: int | None = None
    """Resting orders on the other side of the symbol."""
    known_id: bool | None = None
    """Whether this client_order_id was used before."""
    twin_orders: int | None = None
    """Working orders of the same symbol, side and quantity."""
    cooldown_left_s: float = UNKNOWN_AGE
    entries_last_minute: int = UNKNOWN_COUNT
    exits_last_minute: int | None = None

    # The position, for exits
    position_qty: Decimal = MISSING
    """Signed shares read fresh from the broker; 0 when it says there are none."""
    position_qty_known: Decimal = MISSING
    """Signed shares by our own last knowledge."""
    exits_live_qty: Decimal = MISSING
    """Shares that other live exits would already close, the replaced group not counted."""
    unknown_exits: int | None = None
    """Exits of the symbol whose outcome is unknown."""
