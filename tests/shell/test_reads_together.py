"""Reads that come beside a lock-step minute: the same bytes, used once, given up when in doubt."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.resilience.door_rules import DoorHost
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from shared.vendors.alpaca_broker import AlpacaBroker, trading_client
from shared.vendors.alpaca_market_data import MINUTE, MarketDataRest
from shared.vendors.lockstep_clock import LockStepMarketClock
from tests.support.bar_texts import minutes_from, write_bars
from tests.support.exchange_process import HEADERS, ExchangeProcess

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
RULES = DoorRules(total_s=10.0, reads_per_minute=None)
FIRST = datetime(2019, 2, 11, 14, 30, tzinfo=UTC)
SYMBOLS = ("AA", "BB")
LOOK = ["/v2/account", "/v2/orders?status=all&limit=500&direction=asc&nested=True", "/v2/positions"]
WAIT_S = 5.0


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """Two symbols in lock-step, with an order that works."""
    folder: Path = tmp_path_factory.mktemp("together")
    bars = folder / "bars"
    bars.mkdir()
    for symbol in SYMBOLS:
        write_bars(bars, f"{symbol}_1min.csv", minutes_from("2019-02-11T14:30:00+00:00", 9))
    options = ("--speed", "max", "--replay", str(bars), "--from", "2019-02-11")
    with ExchangeProcess(folder, *options) as running:
        order = {"symbol": "AA", "qty": 3, "side": "buy", "type": "limit", "limit_price": 90}
        order["time_in_force"] = "gtc"
        assert running.call("POST", "/v2/orders", json=order).status_code == 200
        yield running


class Participant:
    """One process of the replay: its doors, its clock and what comes beside a minute."""

    def __init__(self, exchange: ExchangeProcess, name: str) -> None:
        host = DoorHost()
        self.alongside = host.alongside
        door = HttpDoor(DoorAdapter(RULES, CLOCK, host=host), HEADERS)
        self.clock = LockStepMarketClock(door, exchange.url, name, CLOCK, host.alongside)
        self.rest = MarketDataRest(door, exchange.url, None)
        client = trading_client(exchange.url, "key", "secret")
        self.broker = AlpacaBroker(client, DoorAdapter(RULES, CLOCK, host=host), CLOCK, bool)

    def next_minute(self) -> datetime:
        """Report the minute before and return the next one."""
        turn = self.clock.next_turn(threading.Event(), WAIT_S)
        assert turn is not None
        assert turn.minute is not None
        return turn.minute


@pytest.fixture
def pair(exchange: ExchangeProcess) -> SimpleNamespace:
    """Both participants, each with a minute to work on."""
    daemon = Participant(exchange, "data-daemon")
    bot = Participant(exchange, "trading-bot")
    turn = daemon.clock.next_turn(threading.Event(), 0.1)
    if turn is not None and turn.minute is not None:
        # Reporting it finished releases it to the bot; a wait for the next one would not end.
        daemon.clock.next_turn(threading.Event(), 0.05)
    return SimpleNamespace(daemon=daemon, bot=bot)


def test_reads_when_they_come_with_the_minute_then_equal_to_those_asked_alone(
    exchange: ExchangeProcess, pair: SimpleNamespace
) -> None:
    """Account, orders and positions of a look need no call of their own, and say the same."""
    bot, alone = pair.bot, Participant(exchange, "trading-bot")
    bot.alongside.wanted = lambda: bot.broker.look_addresses(FIRST)
    bot.next_minute()
    assert len(bot.alongside.addresses) == 3
    assert bot.broker.account() == alone.broker.account()
    assert bot.broker.orders("all", after=FIRST) == alone.broker.orders("all", after=FIRST)
    assert bot.broker.positions() == alone.broker.positions()
    assert not bot.alongside.addresses
    bot.alongside.renew()
    assert len(bot.alongside.addresses) == 3


def test_minute_when_its_reads_were_foreseen_then_the_daemon_asks_nothing_more(
    exchange: ExchangeProcess, pair: SimpleNamespace
) -> None:
    """The addresses of a minute are exactly those that fetching it uses."""
    daemon, alone = pair.daemon, Participant(exchange, "data-daemon")
    daemon.alongside.wanted = lambda: daemon.rest.minute_addresses(SYMBOLS, FIRST)
    daemon.alongside.renew()
    assert len(daemon.alongside.addresses) == 2
    assert daemon.rest.bars(SYMBOLS, MINUTE, FIRST, FIRST) == alone.rest.bars(
        SYMBOLS, MINUTE, FIRST, FIRST
    )
    assert daemon.rest.latest_quotes(SYMBOLS) == alone.rest.latest_quotes(SYMBOLS)
    assert not daemon.alongside.addresses


def test_reads_when_something_was_sent_since_then_asked_anew(pair: SimpleNamespace) -> None:
    """After a write nothing counts that was said before it."""
    bot = pair.bot
    bot.alongside.wanted = lambda: bot.broker.look_addresses(None)
    bot.alongside.renew()
    assert bot.alongside.addresses
    bot.broker.cancel("no-such-order")
    assert not bot.alongside.addresses
    assert len(bot.broker.orders("all")) == 1


def test_answers_when_told_together_then_the_bytes_of_each_read(exchange: ExchangeProcess) -> None:
    """Status, type and body of each answer are those of a plain GET; a refusal comes as itself."""
    asked = [*LOOK, "/v2/orders/nowhere", "/v2/stocks/quotes/latest?symbols=AA,BB"]
    asked += ["/v2/assets/A%41", "/v2/positions/A%2FB"]
    reply = exchange.call("POST", "/sim/together", json={"ask": asked})
    told = reply.json()["told"]
    assert [one["address"] for one in told] == asked
    for one in told:
        alone = exchange.call("GET", one["address"])
        assert (one["status"], one["body"]) == (alone.status_code, alone.text)
        assert one["headers"]["content-type"] == alone.headers["content-type"]
    assert told[3]["status"] == 404


@pytest.mark.parametrize(
    "asked", ["/v2/account", ["/v2/account"] * 9, ["/sim/status"], ["v2/account"], [7], ["/v2/ä"]]
)
def test_answers_when_badly_asked_then_refused(exchange: ExchangeProcess, asked: object) -> None:
    """A list of a few of the vendor's own addresses, and nothing else."""
    for path in ("/sim/together", "/sim/lockstep"):
        body = {"participant": "trading-bot", "timeout_s": 0, "ask": asked}
        assert exchange.call("POST", path, json=body).status_code == 422


def test_answers_when_faults_are_on_then_none_so_that_each_read_meets_them(
    exchange: ExchangeProcess,
) -> None:
    """A fault acts on requests of their own."""
    body = {"kind": "server_error", "lease_s": 60}
    switched = exchange.call("POST", "/sim/faults", json=body)
    assert switched.status_code == 201, switched.text
    try:
        reply = exchange.call("POST", "/sim/together", json={"ask": LOOK})
        assert reply.json() == {"told": []}
    finally:
        exchange.call("DELETE", "/sim/faults")
    assert len(exchange.call("POST", "/sim/together", json={"ask": LOOK}).json()["told"]) == 3


def test_minute_when_none_is_released_then_nothing_is_told(exchange: ExchangeProcess) -> None:
    """What is asked for belongs to a minute; while it is awaited there is none."""
    Participant(exchange, "data-daemon").clock.next_turn(threading.Event(), 0.05)
    late = (FIRST + timedelta(days=1)).isoformat()
    body = {"participant": "data-daemon", "finished": late, "timeout_s": 0, "ask": LOOK}
    answer = exchange.call("POST", "/sim/lockstep", json=body).json()
    assert ("told" in answer) == (answer["minute"] is not None)


def test_reads_when_the_books_change_while_the_bot_waits_then_told_as_they_are_now(
    exchange: ExchangeProcess,
) -> None:
    """What was answered ahead, while data-daemon had the minute, is no answer after an order."""

    def report(name: str, finished: str | None = None, timeout_s: float = 0) -> dict[str, Any]:
        body = {"participant": name, "finished": finished, "timeout_s": timeout_s, "ask": LOOK}
        answer: dict[str, Any] = exchange.call("POST", "/sim/lockstep", json=body).json()
        return answer

    minute = report("data-daemon")["minute"] or report("trading-bot")["minute"]
    report("data-daemon", minute)
    answers: list[dict[str, Any]] = []
    waiter = threading.Thread(
        target=lambda: answers.append(report("trading-bot", minute, WAIT_S)), daemon=True
    )
    waiter.start()
    following = report("data-daemon", minute, WAIT_S)["minute"]
    order = {"symbol": "BB", "qty": 1, "side": "buy", "type": "limit", "limit_price": 80}
    order["time_in_force"] = "gtc"

    name = exchange.call("POST", "/v2/orders", json=order).json()["id"]
    report("data-daemon", following)
    waiter.join(WAIT_S)

    assert [one["minute"] for one in answers] == [following]
    told = {one["address"]: one["body"] for one in answers[0]["told"]}
    assert list(told) == LOOK
    assert name in told[LOOK[1]]
    assert told[LOOK[0]] == exchange.call("GET", LOOK[0]).text
