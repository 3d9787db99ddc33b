"""What a real exchange-sim process keeps when it dies, and what it refuses at its start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alpaca.trading.requests import LimitOrderRequest

from tests.support.exchange_process import ROOT, ExchangeProcess, bracket, wait_until

pytestmark = pytest.mark.integration
WAIT_S = 15


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


@pytest.mark.parametrize("death", ["kill", "stop"])
def test_books_when_the_process_dies_then_they_are_the_same_after(
    tmp_path: Path, death: str
) -> None:
    """After SIGKILL and after SIGTERM: same port, account, positions, orders and fills, and a
    market clock that stood still.
    """
    with ExchangeProcess(tmp_path) as exchange:
        bracket(exchange, "TSLA", client_order_id="kept")
        client = exchange.trading(raw=True)
        wait_until(lambda: len(client.get_all_positions()) == 1)
        acknowledged = client.submit_order(
            LimitOrderRequest(symbol="XOM", qty=1, side="buy", time_in_force="gtc", limit_price=1)
        )
        before = client.get_account()
        asked_at = datetime.fromisoformat(client.get_clock()["timestamp"])

        getattr(exchange, death)()
        exchange.start()

        after = client.get_account()
        now = datetime.fromisoformat(client.get_clock()["timestamp"])
        orders = client.get("/orders", {"status": "all", "limit": 500})
        assert (after["id"], after["cash"]) == (before["id"], before["cash"])
        assert acknowledged["id"] in [order["id"] for order in orders]
        assert len(orders) == 4
        assert client.get_open_position("TSLA")["qty"] == "2"
        assert len(client.get("/account/activities/FILL")) == 1
        assert timedelta(0) <= now - asked_at < timedelta(minutes=3)


def test_second_exchange_when_the_port_is_taken_then_it_says_so(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    """A taken port ends with 78 and a sentence, and the first one goes on."""
    second = ExchangeProcess(tmp_path)
    second.port = exchange.port

    with pytest.raises(AssertionError, match="no address line"):
        second.start()

    assert second._process is not None
    assert second._process.wait(WAIT_S) == 78
    assert second._process.stdout is not None
    second._process.stdout.close()
    second._process = None
    assert exchange.call("GET", "/v2/clock").status_code == 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--port", "99999"), "--port 99999: is no port"),
        (("--port", "-1"), "--port -1: is no port"),
        (("--partial-fills", "nan"), "--partial-fills nan"),
        (("--partial-fills", "7"), "--partial-fills 7"),
        (("--key-id", "mine"), "go together"),
    ],
)
def test_option_when_it_makes_no_sense_then_78_and_a_sentence(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    """Half a pair of keys must not open the door to everybody; the rest is told, not thrown."""
    command = [sys.executable, "-m", "services.exchange_sim", "--db", str(tmp_path / "x.db")]
    environ = os.environ | {"STATE_DIR": str(tmp_path / "s"), "LOG_DIR": str(tmp_path / "l")}

    ended = subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )

    assert ended.returncode == 78
    assert words in ended.stderr
