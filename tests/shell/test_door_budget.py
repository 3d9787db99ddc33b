"""All processes on one account at full speed, counted at the server: below 200 calls a minute."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.bot_process import KEYS, BotProcess
from tests.support.daemon_process import DaemonProcess
from tests.support.exchange_faults import switch_on
from tests.support.exchange_process import ExchangeProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ACCOUNT_PER_MINUTE = 200
WATCHED_S, SAMPLE_S, MINUTE_S = 100.0, 0.5, 60.0
LIMITED = {"SIM_RATE_LIMIT": "true"}


def counter(exchange: ExchangeProcess, dialect: str) -> str:
    """Return the id of a fault that never acts but counts the requests of a surface."""
    words: dict[str, Any] = {"lease_s": 600, "probability": 0, "scope": {"dialect": dialect}}
    return switch_on(exchange, "silence", **words)


def busiest_minute(samples: list[tuple[float, int]]) -> int:
    """Return the most requests that any sixty seconds hold, wherever they begin."""
    return max(
        later - earlier
        for at, earlier in samples
        for until, later in samples
        if 0 <= until - at <= MINUTE_S
    )


@pytest.mark.timeout(300)
def test_processes_when_all_run_at_full_speed_then_the_account_stays_below_its_limit(
    tmp_path: Path,
) -> None:
    """Bot and data-daemon as fast as they can, sharing no file and no counter: in no minute do
    they send more than the account has, so that the enforcing server refuses nothing, and the
    bot goes on reading.
    """
    options = ("--speed", "60", "--db", str(tmp_path / "x.db"))
    exchange = ExchangeProcess(tmp_path, *options, env=LIMITED)
    with exchange:
        counters = {name: counter(exchange, name) for name in ("trading", "data")}
        feeder = DaemonProcess(tmp_path, exchange.port, speed="60", keys=KEYS)
        trader = BotProcess(tmp_path, speed="60")
        feeder._environ |= LIMITED
        trader._environ |= LIMITED
        with feeder, trader:
            samples: dict[str, list[tuple[float, int]]] = {name: [] for name in counters}
            ends = time.monotonic() + WATCHED_S
            while time.monotonic() < ends:
                for name, identity in counters.items():
                    seen = exchange.call("GET", f"/sim/faults/{identity}").json()["seen"]
                    samples[name].append((time.monotonic(), int(seen)))
                threading.Event().wait(SAMPLE_S)
            status = trader.status()
    most = {name: busiest_minute(rows) for name, rows in samples.items()}
    assert all(0 < count < ACCOUNT_PER_MINUTE for count in most.values()), most
    text = (tmp_path / "logs" / "trading-bot.jsonl").read_text(encoding="utf-8")
    text += (tmp_path / "logs" / "data-daemon.jsonl").read_text(encoding="utf-8")
    assert "rate_limited" not in text, most
    assert status["equity"] is not None
