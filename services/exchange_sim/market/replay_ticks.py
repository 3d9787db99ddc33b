"""The trades that a recorded minute is taken to be made of: the file holds only the bar. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from services.exchange_sim.market.bar_file import epoch_minute
from services.exchange_sim.market.noise import whole_at
from services.exchange_sim.market.port import TradeTick
from services.exchange_sim.market.prints import (
    TICK_SECONDS,
    Corners,
    print_prices,
    print_sizes,
)
from shared.models.market import Candle

_TICK = timedelta(seconds=TICK_SECONDS)
_ONE_MINUTE = timedelta(minutes=1)
_CENT_DIGITS = 2


def recorded_trades(candle: Candle, *, extended: bool = False) -> list[TradeTick]:
    """Return the trades of a recorded minute, oldest first; none when its volume is 0."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    exponents = [price.normalize().as_tuple().exponent for price in prices]
    digits = max(_CENT_DIGITS, *(-exponent for exponent in exponents if isinstance(exponent, int)))
    corners = Corners(*(int(price.scaleb(digits)) for price in prices))
    dice = whole_at(f"replay|{candle.symbol}|ticks", epoch_minute(candle.start))
    ticks = zip(
        print_prices(corners, candle.volume, dice), print_sizes(candle.volume, dice), strict=True
    )
    return [
        TradeTick(
            candle.start + number * _TICK,
            candle.symbol,
            Decimal(price).scaleb(-digits),
            size,
            extended,
        )
        for number, (price, size) in enumerate(ticks)
        if size
    ]


def newest_trade(candle: Candle, trades: Sequence[TradeTick], now: datetime) -> TradeTick:
    """Return the newest trade before `now` of a minute that began before it, given all of its.

    Where no share has changed hands yet, the open, later the close, stands with size 0.
    """
    made = [trade for trade in trades if trade.at < now]
    if made:
        return made[-1]
    is_finished = candle.start + _ONE_MINUTE <= now
    price = candle.close if is_finished else candle.open
    return TradeTick(candle.start, candle.symbol, price, 0)
