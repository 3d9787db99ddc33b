"""Readings that take long: the exchange answers everybody else meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import requests

from tests.support.exchange_process import CALL_S, HEADERS, ExchangeProcess

pytestmark = pytest.mark.integration
BEARER = {"Authorization": "Bearer token"}
HELD_UP_S_MAX = 0.5
HELD_UP_SHARE = 4
"""On a machine that is busy with other things both take longer."""


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("deep"), "--history-days", "3000") as process:
        yield process


@pytest.mark.parametrize(
    "path",
    [
        "/v2/stocks/SPY/bars?timeframe=1Day&start=2000-01-01&limit=300",
        "/v2/stocks/QQQ/bars?timeframe=6Month&start=2000-01-01&sort=desc&limit=2",
        "/v2/stocks/bars?symbols=AAPL,AMD,BAC&timeframe=59Min&start=2025-12-01&limit=10000",
    ],
)
def test_history_when_a_page_takes_long_then_others_are_answered_meanwhile(
    deep: ExchangeProcess, path: str
) -> None:
    """However much has to be read for a page, nobody waits for its end."""
    done = threading.Event()
    taken: list[float] = []

    def read() -> None:
        begun = time.monotonic()
        taken.append(0.0 if deep.call("GET", path).status_code != 200 else time.monotonic() - begun)
        done.set()

    reader = threading.Thread(target=read)
    reader.start()
    longest = 0.0
    with requests.Session() as session:
        while not done.is_set():
            begun = time.monotonic()
            answer = session.get(f"{deep.url}/v2/clock", headers=HEADERS, timeout=CALL_S)
            assert answer.status_code == 200
            longest = max(longest, time.monotonic() - begun)
    reader.join()

    assert taken[0] > 0
    assert longest < max(HELD_UP_S_MAX, taken[0] / HELD_UP_SHARE)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/stocks/SPY/bars?timeframe=12Month&start=2026-01-02&limit=10000&sort=desc", 200),
        ("/v2/stocks/SPY/bars?timeframe=1Month&start=9999-12-31", 200),
        ("/v2/stocks/SPY/trades?page_token=U1BZfHw5OTk5OTk5OTk=", 400),
        ("/api/option-trades/flow-alerts?limit=1e999999999", 422),
        ("/api/market/market-tide?date=9999-12-31", 200),
        ("/api/market/market-tide?date=0001-01-01", 422),
        ("/api/stock/AAPL/stock-state?date=9999-12-31", 200),
    ],
)
def test_request_when_its_numbers_are_absurd_then_is_answered_at_once(
    deep: ExchangeProcess, path: str, status: int
) -> None:
    """A sentence or an empty list, never a server error and never a long silence."""
    begun = time.monotonic()
    assert deep.call("GET", path, headers=None).status_code == 401
    headers = BEARER | {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
    assert deep.call("GET", path, headers=headers).status_code == status
    assert time.monotonic() - begun < 5
