"""Every fault of the streams on both of ours: what is seen, what is lost, and how it ends."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from shared.clock import SystemClock
from shared.models.market import Candle, Quote
from shared.vendors.alpaca_market_data import DataStreamSession
from shared.vendors.alpaca_stream import TradeStream
from shared.vendors.websocket_link import LIMIT_PAUSE_S, LinkPace, WebsocketLink
from tests.support.door_table import STREAMS_ONLY
from tests.support.exchange_faults import RESTING, acted, clear, heal, switch_on
from tests.support.exchange_process import ExchangeProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

WAIT_S, QUIET_S, MUTE_S = 20.0, 0.5, 0.6
TRADING, DATA = "trading_stream", "data_stream"
PACE = LinkPace(ping_every_s=0.2, ping_timeout_s=0.4)
"""Pings as the real ones, only sooner: `test_pings_when_real_...` has those."""
KEYS = ("key", "secret")
NUMBERS = itertools.count(1)
REFUSED = {
    ("connection_limit", TRADING): "too many connections of ours",
    ("connection_limit", DATA): "too many connections of ours",
    ("handshake_refused", TRADING): "rate_limited",
    ("handshake_refused", DATA): "rate_limited",
    ("refused_keys", TRADING): "refused our keys",
    ("refused_keys", DATA): "refuses our keys",
}
BROKEN = {
    ("half_open", TRADING): "stream_lost",
    ("half_open", DATA): "although data is due",
    ("stream_mute", DATA): "although data is due",
}
EVENTS = ("events_lost", "events_doubled", "events_reordered")
LIMITS = frozenset({"connection_limit", "handshake_refused"})


class Hasty(SystemClock):
    """Notes the pauses that are asked for, and cuts them short."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.pauses.append(timeout_s)
        return super().wait(event, min(timeout_s, 0.05))


@dataclass
class Ear:
    """One of our streams, connected."""

    is_live: Callable[[], bool]
    reason: Callable[[], str]
    connections: Callable[[], int]
    clock: Hasty
    items: list[Candle | Quote] = field(default_factory=list)
    trades: TradeStream | None = None

    def orders_told(self, count: int) -> list[str]:
        """The client order ids of the next hints, at least so many."""
        assert self.trades is not None
        found: list[str] = []

        def enough() -> bool:
            assert self.trades is not None
            found.extend(hint.order.client_order_id for hint in self.trades.drain())
            return len(found) >= count

        wait_until(enough, WAIT_S, f"{count} hints, only {found}")
        return found


@contextmanager
def listening(exchange: ExchangeProcess, dialect: str) -> Iterator[Ear]:
    """Open one of our streams at the exchange."""
    clock, address = Hasty(), exchange.url.replace("http", "ws", 1)
    if dialect == TRADING:
        trades = TradeStream(f"{address}/stream", KEYS, clock, PACE)
        ear = Ear(lambda: trades.listening, lambda: trades.state.reason, lambda: trades.gaps, clock)
        ear.trades = trades
        start, stop = trades.start, trades.stop
    else:
        items: list[Candle | Quote] = []
        mute = DataStreamSession(KEYS, ["XOM"], items.append, lambda *_: None, lambda: MUTE_S)
        link = WebsocketLink(f"{address}/v2/iex", mute, clock, PACE)
        ear = Ear(
            lambda: link.is_live, lambda: link.state.reason, lambda: link.connections, clock, items
        )
        start, stop = link.start, link.stop
    start()
    try:
        wait_until(ear.is_live, WAIT_S, f"{dialect} live")
        yield ear
    finally:
        stop(WAIT_S)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange"), "--speed", "60") as one:
        yield one


@pytest.fixture
def exchange(process: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield process
    clear(process)


def order(exchange: ExchangeProcess) -> str:
    """Send a resting order, which the stream tells of; return its client order id."""
    name = f"told-{next(NUMBERS)}"
    reply = exchange.call("POST", "/v2/orders", json=RESTING | {"client_order_id": name})
    assert reply.status_code == 200, reply.text
    return name


def test_faults_when_listed_then_each_is_tried_on_both_streams() -> None:
    """No fault of the streams is missing here; a mute trade stream is its own test."""
    tried = {kind for kind, _ in (*REFUSED, *BROKEN)} | set(EVENTS)
    assert tried - {"refused_keys"} == STREAMS_ONLY


@pytest.mark.parametrize(("kind", "dialect"), REFUSED)
def test_stream_when_it_is_refused_then_it_says_why_and_comes_back(
    exchange: ExchangeProcess, kind: str, dialect: str
) -> None:
    """In the server's own words, tried again; a limit is waited out, never hammered."""
    with listening(exchange, dialect) as ear:
        switch_on(exchange, kind, scope={"dialect": dialect})
        switch_on(exchange, "refuse_connection", lease_s=0.2)  # resets every connection
        wait_until(lambda: REFUSED[kind, dialect] in ear.reason(), WAIT_S, ear.reason())
        tries = len(ear.clock.pauses)
        wait_until(lambda: len(ear.clock.pauses) > tries, WAIT_S, "another try")
        assert not ear.is_live()
        least_s = LIMIT_PAUSE_S if kind in LIMITS else 1.0
        assert ear.clock.pauses[-1] >= least_s
        heal(exchange)
        wait_until(ear.is_live, WAIT_S, f"live again: {ear.reason()}")


@pytest.mark.parametrize(("kind", "dialect"), BROKEN)
def test_stream_when_it_stands_and_says_nothing_then_given_up_and_the_gap_is_shown(
    exchange: ExchangeProcess, kind: str, dialect: str
) -> None:
    """Half-open is found by pings, or sooner by silence where data is due; each new connection
    shows a gap.
    """
    with listening(exchange, dialect) as ear:
        gaps = ear.connections()
        switch_on(exchange, kind, scope={"dialect": dialect})
        wait_until(lambda: BROKEN[kind, dialect] in ear.reason(), WAIT_S, ear.reason())
        heal(exchange)
        wait_until(ear.is_live, WAIT_S, "live again")
        assert ear.connections() > gaps
        if dialect == DATA:
            ear.items.clear()
            wait_until(lambda: bool(ear.items), WAIT_S, "data again")
        else:
            assert [order(exchange)] == ear.orders_told(1)


def test_trade_stream_when_mute_then_it_stands_and_only_rest_knows(
    exchange: ExchangeProcess,
) -> None:
    """An account may be quiet for hours: a mute trade stream cannot be told from a quiet one. No
    hint comes, none comes late, and REST has the order: the bot never waits for a hint.
    """
    with listening(exchange, TRADING) as ear:
        fault = switch_on(exchange, "stream_mute", scope={"dialect": TRADING})
        unheard = order(exchange)
        wait_until(lambda: acted(exchange, fault) >= 1, WAIT_S, "a hint withheld")
        assert ear.is_live()
        rows = exchange.call("GET", "/v2/orders").json()
        assert unheard in {row["client_order_id"] for row in rows}
        heal(exchange)
        assert [order(exchange)] == ear.orders_told(1)


@pytest.mark.parametrize("kind", EVENTS)
def test_trade_stream_when_events_are_spoilt_then_hints_are_and_no_more(
    exchange: ExchangeProcess, kind: str
) -> None:
    """Lost, doubled, reordered: the stream hands on what comes; it says nothing of its own."""
    with listening(exchange, TRADING) as ear:
        gaps = ear.connections()
        switch_on(exchange, kind, scope={"dialect": TRADING}, times=1)
        first, second = order(exchange), order(exchange)
        told = {
            "events_lost": [second],
            "events_doubled": [first, first, second],
            "events_reordered": [second, first],
        }[kind]
        assert ear.orders_told(len(told)) == told
        assert ear.connections() == gaps


@pytest.mark.parametrize("kind", EVENTS)
def test_data_stream_when_events_are_spoilt_then_it_lives_and_data_goes_on(
    exchange: ExchangeProcess, kind: str
) -> None:
    """Bars are keyed by symbol and minute: a double is written over itself, a loss is a gap that
    REST fills, and order says nothing.
    """
    with listening(exchange, DATA) as ear:
        fault = switch_on(exchange, kind, scope={"dialect": DATA})
        wait_until(lambda: acted(exchange, fault) >= 3, WAIT_S, "three messages spoilt")
        heal(exchange)
        ear.items.clear()
        wait_until(lambda: bool(ear.items), WAIT_S, "data goes on")
        assert ear.connections() == 1 or kind == "events_lost"


@pytest.mark.slow
def test_pings_when_real_then_a_half_open_trade_stream_is_found_within_half_a_minute(
    exchange: ExchangeProcess,
) -> None:
    """The constants that everybody runs with: a ping every 10 s, 20 s to answer it."""
    trades = TradeStream(exchange.url.replace("http", "ws", 1) + "/stream", KEYS, Hasty())
    trades.start()
    try:
        wait_until(lambda: trades.listening, WAIT_S, "live")
        switch_on(exchange, "half_open", scope={"dialect": TRADING}, lease_s=60)
        wait_until(lambda: not trades.listening, 35, "found")
        heal(exchange)
        wait_until(lambda: trades.listening, 35, "again")
    finally:
        trades.stop(WAIT_S)
