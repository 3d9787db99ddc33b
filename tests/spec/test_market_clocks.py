"""Market time: carried by the broker's clock, or handed out minute by minute."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from shared.errors import TransientFault
from shared.models.broker import ClockReading
from shared.vendors.broker_clock import REAL_PACE, BrokerMarketClock, simulated_pace
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

START = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)


class Exchange:
    """A broker's clock that runs at a speed, counts its looks, and can be taken away."""

    def __init__(self, clock: ManualClock, speed: float = 1.0) -> None:
        self.clock = clock
        self.speed = speed
        self.begun_s = clock.monotonic_s()
        self.looks = 0
        self.is_away = False
        self.closes = START + timedelta(hours=6)

    def look(self) -> ClockReading:
        self.looks += 1
        if self.is_away:
            raise TransientFault("away")
        elapsed = (self.clock.monotonic_s() - self.begun_s) * self.speed
        now = START + timedelta(seconds=elapsed)
        is_open = now < self.closes
        following = self.closes + timedelta(hours=17)
        return ClockReading(
            now, is_open, following, self.closes if is_open else following + timedelta(hours=6)
        )


def test_clock_when_read_often_then_carries_time_between_looks() -> None:
    """Market time runs on with the monotonic clock; the broker is asked every 15 s only."""
    clock = ManualClock()
    exchange = Exchange(clock)
    market = BrokerMarketClock(exchange.look, REAL_PACE, clock)
    for second in range(30):
        assert market.reading().now == START + timedelta(seconds=second)
        clock.advance(1)
    assert exchange.looks == 2


def test_clock_when_simulated_then_runs_at_its_speed() -> None:
    """At speed 60 one real second is a minute."""
    clock = ManualClock()
    exchange = Exchange(clock, speed=60)
    market = BrokerMarketClock(exchange.look, simulated_pace(60), clock)
    market.reading()
    clock.advance(1)
    assert market.reading().now == START + timedelta(minutes=1)
    assert exchange.looks == 1


def test_clock_when_session_ends_between_looks_then_asks_at_once() -> None:
    """The close is never passed on memory alone: the broker says what follows."""
    clock = ManualClock()
    exchange = Exchange(clock)
    exchange.closes = START + timedelta(seconds=5)
    market = BrokerMarketClock(exchange.look, REAL_PACE, clock)
    assert market.reading().is_open
    clock.advance(6)
    assert not market.reading().is_open
    assert exchange.looks == 2


def test_clock_when_broker_is_slow_to_close_then_time_stands_just_before() -> None:
    """Until the broker has said that the session ended, time is held before its end."""
    clock = ManualClock()
    exchange = Exchange(clock)
    exchange.closes = START + timedelta(seconds=5)
    market = BrokerMarketClock(exchange.look, REAL_PACE, clock)
    market.reading()
    exchange.is_away = True
    clock.advance(6)
    assert market.reading().now < exchange.closes
    clock.advance(0.1)
    assert market.reading().is_open
    assert exchange.looks == 2


def test_clock_when_broker_is_away_for_long_then_time_is_unknown() -> None:
    """A simulated market stands still while its exchange is down, so memory is trusted briefly."""
    clock = ManualClock()
    exchange = Exchange(clock, speed=60)
    market = BrokerMarketClock(exchange.look, simulated_pace(60), clock)
    market.reading()
    exchange.is_away = True
    clock.advance(3)
    assert market.reading()
    clock.advance(3)
    with pytest.raises(TransientFault):
        market.reading()
    exchange.is_away = False
    clock.advance(1)
    assert market.reading().now == START + timedelta(minutes=7)
    assert market.last_fault is None


def test_clock_when_a_look_hangs_then_its_own_wait_counts_as_age() -> None:
    """A broker that is stopped dead costs a whole silent call: time that was trusted when it began
    is too old when it ends, and saying it once more would be a lie.
    """
    clock = ManualClock()
    exchange = Exchange(clock)

    def look() -> ClockReading:
        if exchange.is_away:
            clock.advance(4.0)  # the silence of the call
        return exchange.look()

    market = BrokerMarketClock(look, simulated_pace(1.0), clock)
    market.reading()
    exchange.is_away = True
    clock.advance(2.5)
    with pytest.raises(TransientFault, match="away"):
        market.reading()


def test_clock_when_never_reached_then_raises_and_asks_with_restraint() -> None:
    """Without a first look nothing is known; repeated questions are not repeated calls."""
    clock = ManualClock()
    exchange = Exchange(clock)
    exchange.is_away = True
    market = BrokerMarketClock(exchange.look, REAL_PACE, clock)
    for _ in range(5):
        with pytest.raises(TransientFault):
            market.reading()
    assert exchange.looks == 1


@pytest.mark.parametrize(("speed", "period_s"), [(1.0, 5.0), (10.0, 0.5), (60.0, 0.25)])
def test_turn_when_asked_then_clock_b_strikes(speed: float, period_s: float) -> None:
    """A turn comes every five seconds of market time, and never faster than 0.25 s."""
    clock = ManualClock()
    exchange = Exchange(clock, speed)
    pace = simulated_pace(speed) if speed != 1 else REAL_PACE
    market = BrokerMarketClock(exchange.look, pace, clock)
    stop = threading.Event()
    times: list[float] = []
    while len(times) < 4:
        turn = market.next_turn(stop, 60)
        assert turn is not None
        assert turn.minute is None
        times.append(clock.monotonic_s())
    gaps = {round(b - a, 6) for a, b in pairwise(times)}
    assert gaps == {period_s}


def test_turn_when_timeout_is_shorter_then_none_in_time() -> None:
    """The caller's timeout bounds the wait, so that it can beat in between."""
    clock = ManualClock()
    market = BrokerMarketClock(Exchange(clock).look, REAL_PACE, clock)
    stop = threading.Event()
    assert market.next_turn(stop, 1) is not None
    before = clock.monotonic_s()
    assert market.next_turn(stop, 1) is None
    assert clock.monotonic_s() - before == pytest.approx(1)


@pytest.mark.parametrize(
    "prepare", [lambda e, s: s.set(), lambda e, s: setattr(e, "is_away", True)]
)
def test_turn_when_stopped_or_unknown_then_none_and_no_exception(
    prepare: Callable[[Exchange, threading.Event], None],
) -> None:
    """A stop and an unknown time give no turn; the reason stands beside."""
    clock = ManualClock()
    exchange = Exchange(clock)
    market = BrokerMarketClock(exchange.look, REAL_PACE, clock)
    stop = threading.Event()
    prepare(exchange, stop)
    assert market.next_turn(stop, 1) is None
    assert (market.last_fault is not None) is exchange.is_away
