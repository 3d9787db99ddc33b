"""Lock-step over HTTP: who gets which minute when, restarts, the end, and the same result twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.bar_texts import minutes_from, write_bars
from tests.support.exchange_process import ExchangeProcess

pytestmark = pytest.mark.integration
DAEMON, BOT = "data-daemon", "trading-bot"
FIRST = "2019-02-11T14:30:00Z"
SECOND = "2019-02-11T14:31:00Z"
NEXT_DAY = "2019-02-12T14:30:00Z"


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """Two symbols; two minutes on Monday, one on Tuesday."""
    folder = tmp_path / "bars"
    folder.mkdir()
    monday = minutes_from("2019-02-11T14:30:00+00:00", 2)
    tuesday = minutes_from("2019-02-12T14:30:00+00:00", 1, "110.00")
    write_bars(folder, "AA_1min.csv", [*monday, *tuesday])
    write_bars(folder, "BB_1min.csv", monday)
    return folder


@dataclass
class Turns:
    """The two participants, played by the test."""

    exchange: ExchangeProcess
    seen: list[str] = field(default_factory=list)

    def ask(
        self, participant: str, finished: str | None = None, timeout_s: float = 0
    ) -> dict[str, Any]:
        """Report and ask for the next minute."""
        body = {"participant": participant, "finished": finished, "timeout_s": timeout_s}
        reply = self.exchange.call("POST", "/sim/lockstep", json=body)
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document

    def play_to_the_end(self, act: Callable[[int], None] = lambda number: None) -> None:
        """Run both participants until the replay has ended; `act` is the bot's turn."""
        answer = self.ask(DAEMON)
        while not answer["ended"]:
            minute = answer["minute"]
            self.seen.append(minute)
            self.ask(DAEMON, minute)
            assert self.ask(BOT)["minute"] == minute
            act(len(self.seen))
            self.ask(BOT, minute)
            answer = self.ask(DAEMON, minute)


def process_of(tmp_path: Path, bars: Path) -> ExchangeProcess:
    """Return an exchange in lock-step on the replay."""
    options = ("--speed", "max", "--replay", str(bars), "--from", "2019-02-11")
    return ExchangeProcess(tmp_path, *options)


def test_minute_when_released_then_daemon_first_bot_second_exchange_third(
    tmp_path: Path, bars: Path
) -> None:
    """Nobody gets a minute before its turn; old and repeated reports change nothing."""
    with process_of(tmp_path, bars) as exchange:
        turns = Turns(exchange)

        assert turns.ask(BOT)["minute"] is None
        first = turns.ask(DAEMON)
        assert (first["minute"], first["now"], first["is_open"]) == (FIRST, SECOND, True)
        turns.ask(BOT, FIRST)
        assert turns.ask(DAEMON)["minute"] == FIRST
        assert turns.ask(DAEMON, FIRST)["minute"] is None
        assert turns.ask(BOT, None)["minute"] == FIRST
        assert turns.ask(BOT, None)["minute"] == FIRST
        assert turns.ask(BOT, FIRST)["minute"] is None
        assert turns.ask(BOT, FIRST)["minute"] is None
        assert turns.ask(DAEMON, FIRST)["minute"] == SECOND
        status = exchange.call("GET", "/sim/status").json()
        assert (status["source"], status["speed"], status["minute"]) == ("replay", None, SECOND)
        assert exchange.call("POST", "/sim/lockstep", json={"participant": "x"}).status_code == 422


def test_minute_when_waited_for_then_the_waiter_wakes_at_once(tmp_path: Path, bars: Path) -> None:
    """A long poll ends when the minute is released, not at its timeout."""
    with process_of(tmp_path, bars) as exchange:
        turns = Turns(exchange)
        answers: list[dict[str, Any]] = []
        waiter = threading.Thread(
            target=lambda: answers.append(turns.ask(BOT, timeout_s=20)), daemon=True
        )
        waiter.start()

        turns.ask(DAEMON, FIRST)
        waiter.join(timeout=10)

        assert [answer["minute"] for answer in answers] == [FIRST]


def test_process_when_killed_within_a_minute_then_the_same_minute_goes_on(
    tmp_path: Path, bars: Path
) -> None:
    """A restart neither repeats nor skips a minute, and fills nothing twice."""
    with process_of(tmp_path, bars) as exchange:
        turns = Turns(exchange)
        turns.ask(DAEMON, FIRST)
        order = {"symbol": "AA", "qty": 3, "side": "buy", "type": "market", "time_in_force": "day"}
        assert exchange.call("POST", "/v2/orders", json=order).json()["status"] == "pending_new"

        exchange.kill()
        exchange.start()

        assert turns.ask(DAEMON)["minute"] is None
        assert turns.ask(BOT)["minute"] == FIRST
        assert exchange.call("GET", "/v2/positions").json() == []
        turns.ask(BOT, FIRST)
        exchange.kill()
        exchange.start()
        assert turns.ask(DAEMON)["minute"] == SECOND
        (position,) = exchange.call("GET", "/v2/positions").json()
        assert position["qty"] == "3"
        # An order after the first minute fills at the second one's opening ask.
        assert position["avg_entry_price"] == "100.02"


def test_replay_when_played_then_nights_are_skipped_and_the_end_is_told(
    tmp_path: Path, bars: Path
) -> None:
    """Three minutes over two days; day orders end with the session; the clock says closed."""
    with process_of(tmp_path, bars) as exchange:
        turns = Turns(exchange)

        def act(number: int) -> None:
            if number == 1:
                order = {"symbol": "BB", "qty": 1, "side": "buy", "type": "limit"}
                order |= {"limit_price": 1, "time_in_force": "day"}
                exchange.call("POST", "/v2/orders", json=order)
            if number == 2:
                clock = exchange.call("GET", "/v2/clock").json()
                assert clock["is_open"] is False
                assert clock["timestamp"].startswith("2019-02-11T16:00:00")
                assert clock["next_open"].startswith("2019-02-12T09:30:00")

        turns.play_to_the_end(act)

        assert turns.seen == [FIRST, SECOND, NEXT_DAY]
        (order,) = exchange.call("GET", "/v2/orders?status=all").json()
        assert order["status"] == "expired"
        assert turns.ask(BOT)["ended"] is True
        assert exchange.call("GET", "/sim/status").json()["ended"] is True


def test_replay_when_ended_and_closed_then_a_new_account_is_opened(
    tmp_path: Path, bars: Path
) -> None:
    """A kill after the end keeps the result readable; a clean stop opens a new account."""
    with process_of(tmp_path, bars) as exchange:
        Turns(exchange).play_to_the_end()
        first = exchange.call("GET", "/sim/status").json()

        exchange.kill()
        exchange.start()
        killed = exchange.call("GET", "/sim/status").json()
        assert exchange.stop() == 0
        exchange.start()
        stopped = exchange.call("GET", "/sim/status").json()

        assert (killed["account_id"], killed["ended"]) == (first["account_id"], True)
        assert stopped["account_id"] != first["account_id"]
        assert stopped["epoch"] != first["epoch"]
        assert (stopped["ended"], stopped["minute"]) == (False, FIRST)


def test_replay_when_run_twice_then_every_id_and_fill_is_the_same(
    tmp_path: Path, bars: Path
) -> None:
    """The same seed and the same requests give the same bytes."""

    def run(folder: Path) -> tuple[str, str, str]:
        with process_of(folder, bars) as exchange:

            def act(number: int) -> None:
                order = {"symbol": "AA", "qty": number, "side": "buy", "type": "limit"}
                order |= {"limit_price": 101, "time_in_force": "gtc", "order_class": "bracket"}
                order |= {"take_profit": {"limit_price": 105}, "stop_loss": {"stop_price": 95}}
                assert exchange.call("POST", "/v2/orders", json=order).status_code == 200

            Turns(exchange).play_to_the_end(act)
            return (
                exchange.call("GET", "/v2/orders?status=all&limit=500").text,
                exchange.call("GET", "/v2/account/activities/FILL").text,
                exchange.call("GET", "/v2/account").text,
            )

    first, second = run(tmp_path / "one"), run(tmp_path / "two")

    assert first == second
    assert '"filled"' in first[0]


def test_lockstep_when_running_freely_then_409(tmp_path: Path) -> None:
    """A free-running exchange says that it is not in lock-step."""
    with ExchangeProcess(tmp_path, "--symbols", "SPY") as exchange:
        body = {"participant": DAEMON, "finished": None, "timeout_s": 0}

        assert exchange.call("POST", "/sim/lockstep", json=body).status_code == 409
