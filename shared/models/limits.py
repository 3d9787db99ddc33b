"""The trader's limits, as fractions of current equity, and what they come to in dollars."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of CONTRACTS.md section 3. Every `_pct` is a fraction (0.05 is five percent)
    of current equity, except `portfolio_delta_limit_pct`, which is in percent points.
    """

    position_limit_pct: Decimal = Decimal("0.05")
    portfolio_exposure_pct: Decimal = Decimal("0.30")
    concentration_pct: Decimal = Decimal("0.15")
    price_deviation_pct: Decimal = Decimal("0.05")
    cooldown_minutes: Decimal = Decimal("5")
    daily_loss_limit_pct: Decimal = Decimal("0.02")
    drawdown_limit_pct: Decimal = Decimal("0.10")
    open_positions_max: int = 10
    risk_per_trade_pct: Decimal = Decimal("0.01")
    stop_atr_multiple: Decimal = Decimal("2.0")
    reward_risk_min: Decimal = Decimal("1.5")
    portfolio_delta_limit_pct: Decimal = Decimal("70")
    position_size_usd_max: Decimal | None = None
    """Absolute cap besides the percentages; None where the percentages rule alone."""
    notional_per_order_usd_max: Decimal | None = None
    spread_bps_max: Decimal = Decimal("100")
    """Hard ceiling of the guard, behind the strategy's advisory gate."""
    signal_age_s_max: Decimal = Decimal("120")
    quote_age_s_max: Decimal = Decimal("120")
    """Market seconds; a replayed minute is 60 of them old when the bot may act on it."""
    orders_per_minute_max: int = 60
    """Market minutes; the bot's own brake before the broker's limit."""
    total_open_risk_pct: Decimal = Decimal("0.05")
    """Sum over positions and working entries of the loss if every stop fills."""
