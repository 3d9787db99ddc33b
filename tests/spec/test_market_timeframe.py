"""Bar lengths, longer bars of shorter ones, and quotes around a price."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.market.port import BarQuery, BarUnit, Timeframe
from services.exchange_sim.market.spread import quote_around
from services.exchange_sim.market.timeframe import bucket_start, merge, parse_timeframe
from tests.support.bar_texts import seeded
from tests.support.bars import bars_of_closes

pytestmark = pytest.mark.unit

AT = datetime(2019, 2, 13, 15, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "timeframe"),
    [
        ("1Min", Timeframe(1, BarUnit.MINUTE)),
        ("59T", Timeframe(59, BarUnit.MINUTE)),
        ("1Hour", Timeframe(1, BarUnit.HOUR)),
        ("1D", Timeframe(1, BarUnit.DAY)),
        ("1Week", Timeframe(1, BarUnit.WEEK)),
        ("3M", Timeframe(3, BarUnit.MONTH)),
    ],
)
def test_timeframe_when_alpaca_offers_it_then_is_read(text: str, timeframe: Timeframe) -> None:
    """Long and short spellings, as the clients in the wild send them."""
    assert parse_timeframe(text) == timeframe


@pytest.mark.parametrize("text", ["", "Min", "0Min", "60Min", "24Hour", "2Day", "5Month", "1min"])
def test_timeframe_when_alpaca_refuses_it_then_value_error(text: str) -> None:
    """What the real server answers with 400."""
    with pytest.raises(ValueError, match="invalid timeframe"):
        parse_timeframe(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("5Min", datetime(2019, 2, 13, 15, 45, tzinfo=UTC)),
        ("1Hour", datetime(2019, 2, 13, 15, 0, tzinfo=UTC)),
        ("1Day", datetime(2019, 2, 13, 5, 0, tzinfo=UTC)),
        ("1Week", datetime(2019, 2, 11, 5, 0, tzinfo=UTC)),
        ("1Month", datetime(2019, 2, 1, 5, 0, tzinfo=UTC)),
        ("12Month", datetime(2019, 1, 1, 5, 0, tzinfo=UTC)),
    ],
)
def test_bucket_when_asked_then_starts_where_new_york_says(text: str, start: datetime) -> None:
    """Days, weeks and months begin at New York midnight."""
    assert bucket_start(AT, parse_timeframe(text)) == start


def test_merge_when_minutes_make_five_then_first_open_last_close_extremes_and_sum() -> None:
    """Ten minutes from 15:00 make two bars of five."""
    minutes = bars_of_closes([100, 103, 99, 101, 102, 105, 104, 107, 106, 108])
    bars = list(merge(minutes, parse_timeframe("5Min")))
    assert [bar.start for bar in bars] == [minutes[0].start, minutes[5].start]
    assert (bars[0].open, bars[0].close) == (Decimal("100.00"), Decimal("102.00"))
    assert (bars[0].high, bars[0].low) == (Decimal("103.05"), Decimal("98.95"))
    assert bars[0].volume == 5_000


@given(
    st.decimals(min_value="0.0001", max_value="5000", places=4),
    st.decimals(min_value=0, max_value=200, places=1),
)
def test_quote_around_any_price_then_is_near_it_and_as_wide_as_asked(
    price: Decimal, spread_bps: Decimal
) -> None:
    """Not crossed, on ticks, positive; within a tick of the width asked for, and of the price."""
    quote = quote_around("X", AT, price, spread_bps)
    tick = Decimal("0.01") if price >= 1 else Decimal("0.0001")
    wanted = price * spread_bps / 10_000
    assert tick <= quote.bid <= quote.ask
    assert quote.bid % tick == 0 == quote.ask % tick
    assert abs(quote.ask - quote.bid - wanted) <= tick
    assert (quote.ask > quote.bid) == (spread_bps > 0)
    assert abs(quote.mid - price) <= tick + wanted / 2
    assert timedelta(0) == quote.at - AT


@pytest.mark.parametrize("text", ["1Min", "1Hour", "1Day", "12Month"])
def test_bars_when_the_range_is_all_of_time_then_bounded_by_what_is_known(text: str) -> None:
    """A client may ask from the year 1 to 9999; the answer ends at now, without an overflow."""
    market = seeded(1, "AAPL")
    now = market.begins_at
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    bars = market.bars(BarQuery("AAPL", first, last, parse_timeframe(text), now, limit=100))
    assert bars
    assert bars[-1].start < now
