"""The limits in dollars: worked out once per change of equity, rounded down to the cent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from shared.models.limits import Limits
from shared.models.numbers import CENT

ZERO = Decimal(0)
ONE = Decimal(1)
HUGE = Decimal(10) ** 12
"""No honest amount reaches a trillion dollars; anything above it, infinity too, is refused."""


@dataclass(frozen=True, slots=True)
class DollarLimits:
    """What the fractions of Limits come to at one equity. Without a sane equity all are zero."""

    limits: Limits
    equity: Decimal | None
    notional: Decimal
    """Largest order."""
    position: Decimal
    """Largest position of one symbol of ours."""
    concentration: Decimal
    """Largest exposure of one symbol, external shares included."""
    exposure: Decimal
    """Largest gross exposure."""
    daily_loss: Decimal
    """A day's loss that ends entering until the next day."""
    daily_loss_floor: Decimal
    """The same as a P&L: negative."""
    risk_per_trade: Decimal
    """Largest loss of one trade if its stop fills."""
    total_risk: Decimal
    """Largest sum of such losses."""
    spread_share: Decimal
    """Largest spread as a fraction of bid plus ask."""
    band: Decimal
    """How far a limit may stray from a reference, as a fraction; and both ends of it."""
    band_low: Decimal
    band_high: Decimal
    quote_age_s: float
    signal_age_s: float
    drawdown_pct: Decimal
    open_positions_max: int
    orders_per_minute_max: int

    @classmethod
    def of(cls, limits: Limits, equity: Decimal | None) -> DollarLimits:
        """Return the limits at this equity; a missing, NaN or negative equity allows nothing."""
        sane = equity is not None and equity.is_finite() and 0 < equity < HUGE
        base = equity if equity is not None and sane else ZERO
        daily_loss = _cents(base * limits.daily_loss_limit_pct)
        position = _capped(base * limits.position_limit_pct, limits.position_size_usd_max)
        return cls(
            limits=limits,
            equity=equity if sane else None,
            notional=_capped(position, limits.notional_per_order_usd_max),
            position=position,
            concentration=_cents(base * limits.concentration_pct),
            exposure=_cents(base * limits.portfolio_exposure_pct),
            daily_loss=daily_loss,
            daily_loss_floor=-daily_loss,
            risk_per_trade=_cents(base * limits.risk_per_trade_pct),
            total_risk=_cents(base * limits.total_open_risk_pct),
            spread_share=limits.spread_bps_max / 20_000,
            band=limits.price_deviation_pct,
            band_low=1 - limits.price_deviation_pct,
            band_high=1 + limits.price_deviation_pct,
            quote_age_s=float(limits.quote_age_s_max),
            signal_age_s=float(limits.signal_age_s_max),
            drawdown_pct=limits.drawdown_limit_pct,
            open_positions_max=limits.open_positions_max,
            orders_per_minute_max=limits.orders_per_minute_max,
        )


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_DOWN)


def _capped(amount: Decimal, cap: Decimal | None) -> Decimal:
    return _cents(amount if cap is None else min(amount, cap))
