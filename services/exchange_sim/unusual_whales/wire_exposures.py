"""Unusual Whales' shapes of greek exposures, spot exposures, NOPE and net flow. Pure.

Sources: the vendor's OpenAPI of August 2026 and its formulas: per one percent of the price gamma
counts twice times the price, charm times the days of a year, vanna as it is; a contract has a
hundred shares, and a hundredth of the price takes them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.unusual_whales.chain import Line
from services.exchange_sim.unusual_whales.contracts import CONTRACT_SHARES
from services.exchange_sim.unusual_whales.exposure_feed import ExposedMinute
from services.exchange_sim.unusual_whales.exposures import Exposure, Sums, Traded, exposure
from services.exchange_sim.unusual_whales.flow import minute_end
from services.exchange_sim.unusual_whales.net_flow import NetFlow
from services.exchange_sim.unusual_whales.wire import StampForm, plain, stamp
from services.exchange_sim.wire import Document

_DAYS_PER_YEAR = 365


def _four(value: float) -> str:
    return f"{value:.4f}"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _second(moment: datetime, form: StampForm) -> str:
    utc = moment.astimezone(UTC)
    pattern = "%Y-%m-%d %H:%M:%S+00:00" if form is StampForm.SPEC else "%Y-%m-%dT%H:%M:%SZ"
    return utc.strftime(pattern)


def greek_document(one: Exposure, *, gamma: str) -> Document:
    """Return the exposure by open interest; `gamma` is what its field is called: the whole
    chain's has another name than a part's.
    """
    document: Document = {}
    for kind, sums in (("call", one.open_calls), ("put", one.open_puts.owed())):
        values = sums.times(CONTRACT_SHARES)
        document |= {
            f"{kind}_delta": _four(values.delta),
            f"{kind}_{gamma}": _four(values.gamma),
            f"{kind}_charm": _four(values.charm),
            f"{kind}_vanna": _four(values.vanna),
        }
    return document


def _per_percent(sums: Sums, price: float) -> Sums:
    """Return dollars to hedge when the price moves by one percent, of sums over contracts."""
    return Sums(
        sums.delta * price,
        sums.gamma * price * price,
        sums.charm * _DAYS_PER_YEAR,
        sums.vanna,
    )


def spot_document(one: ExposedMinute, form: StampForm) -> Document:
    """Return the spot exposure of a minute: by open interest, by volume, and by side."""
    candle, traded, sums = one.minute.candle, one.traded, one.exposure
    price = float(candle.close)
    calls, puts = sums.traded_calls, sums.traded_puts
    by_volume = calls.times(traded.calls).plus(puts.owed().times(traded.puts))
    by_side = calls.times(traded.calls_at_bid - traded.calls_at_ask).plus(
        puts.times(traded.puts_at_bid - traded.puts_at_ask)
    )
    document: Document = {"time": stamp(minute_end(one.minute), form), "price": plain(candle.close)}
    for name, found in (
        ("oi", sums.open_calls.plus(sums.open_puts.owed())),
        ("vol", by_volume),
        ("dir", by_side),
    ):
        values = _per_percent(found, price)
        document |= {
            f"gamma_per_one_percent_move_{name}": _two(values.gamma),
            f"charm_per_one_percent_move_{name}": _two(values.charm),
            f"vanna_per_one_percent_move_{name}": _two(values.vanna),
        }
    return document


def strike_document(
    lines: Iterable[Line], price: Decimal, at: datetime, traded: Traded, form: StampForm
) -> Document:
    """Return the spot exposure of one strike: of what is open, of what traded today, and of the
    parts of that at the ask, which were sold, and at the bid, which were bought.
    """
    known = list(lines)
    found = exposure(known, float(price), at)
    document: Document = {
        "strike": plain(known[0].strike),
        "price": plain(price),
        "time": stamp(at, form),
    }
    calls, puts = found.traded_calls, found.traded_puts
    for name, part in (
        ("call_oi", found.open_calls),
        ("call_vol", calls.times(traded.calls)),
        ("call_ask", calls.times(-traded.calls_at_ask)),
        ("call_bid", calls.times(traded.calls_at_bid)),
        ("put_oi", found.open_puts.owed()),
        ("put_vol", puts.owed().times(traded.puts)),
        ("put_ask", puts.times(-traded.puts_at_ask)),
        ("put_bid", puts.times(traded.puts_at_bid)),
    ):
        kind, _, what = name.partition("_")
        for greek, value in _per_percent(part, float(price))._asdict().items():
            document[f"{kind}_{greek}_{what}"] = _two(value)
    return document


def nope_document(one: ExposedMinute, form: StampForm) -> Document:
    """Return the net options pricing effect up to a minute. A put's delta is negative: its size
    is what is taken off.
    """
    traded = one.traded
    calls = traded.calls * one.exposure.traded_calls.delta
    puts = traded.puts * one.exposure.traded_puts.delta
    shares = max(1, traded.shares)
    return {
        "timestamp": _second(one.minute.candle.start, form),
        "call_vol": traded.calls,
        "put_vol": traded.puts,
        "stock_vol": traded.shares,
        "call_delta": _two(calls),
        "put_delta": _two(puts),
        "call_fill_delta": _two(one.call_fill_delta),
        "put_fill_delta": _two(one.put_fill_delta),
        "nope": f"{(calls + puts) / shares:.6f}",
        "nope_fill": f"{(one.call_fill_delta + one.put_fill_delta) / shares:.6f}",
    }


def flow_documents(
    flows: Mapping[datetime, NetFlow], prices: Mapping[datetime, Decimal], form: StampForm
) -> list[Document]:
    """Return the net flow by minutes, oldest first; `prices` are those of the market's fund."""
    return [
        {
            "timestamp": _second(at, form),
            "date": new_york_day(at).isoformat(),
            "net_call_premium": f"{flow.calls:.2f}",
            "net_put_premium": f"{flow.puts:.2f}",
            "net_volume": round(flow.volume),
            "underlying_price": plain(prices[at]) if at in prices else None,
        }
        for at, flow in sorted(flows.items())
    ]
