"""Pages of bars and quotes, and stream messages: one broken item never costs the others."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.contracts.alpaca_market import (
    read_bar,
    read_bars,
    read_latest_quotes,
    read_stream_item,
)
from shared.contracts.drift import SchemaDrift
from tests.support import alpaca_payloads as raw

pytestmark = pytest.mark.unit


def test_bars_when_one_is_broken_then_only_it_is_dropped() -> None:
    """A bad bar is dropped and named; the page goes on."""
    page = read_bars(
        {"bars": {"SPY": [raw.raw_bar(), raw.raw_bar(o=-1)]}, "next_page_token": "abc"}
    )
    assert len(page.candles) == 1
    assert [drift.path for drift in page.dropped] == ["bars.SPY[1].o"]
    assert page.next_page_token == "abc"
    assert page.candles[0].close == Decimal("10.25")
    frames: list[object] = [{}, {"bars": None}, {"bars": []}, {"bars": {"SPY": None}}]
    for frame in frames:
        with pytest.raises(SchemaDrift):
            read_bars(frame)


def test_quotes_when_one_is_crossed_then_only_it_is_dropped() -> None:
    """A crossed quote is dropped; a zero side passes, untradable."""
    checked = read_latest_quotes(
        {"quotes": {"A": raw.raw_quote(bp=11), "B": raw.raw_quote(), "C": raw.raw_quote(bp=0)}}
    )
    assert [quote.symbol for quote in checked.quotes] == ["B", "C"]
    assert not checked.quotes[1].is_tradable
    assert len(checked.dropped) == 1
    with pytest.raises(SchemaDrift):
        read_latest_quotes({"quotes": None})


def test_stream_item_when_kind_is_other_then_none() -> None:
    """Trades, acknowledgements and new kinds of messages are no bars and no quotes."""
    assert read_stream_item({"T": "t", "S": "SPY"}) is None
    bar = read_stream_item({"T": "u", "S": "SPY", **raw.raw_bar()})
    assert bar == read_bar(raw.raw_bar(), "SPY")
    with pytest.raises(SchemaDrift):
        read_stream_item({"S": "SPY"})
