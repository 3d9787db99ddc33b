"""`alpaca_down` in paper: a gateway stands between any Alpaca and every process of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drills.test_by_hand import HEALED_S, SHOWN_S, START_S, ByHand
from tests.support.exchange_process import ExchangeProcess
from tests.support.system import running_system
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


def test_alpaca_down_when_the_broker_is_not_embedded_then_the_gateway_cuts_and_heals(
    tmp_path: Path,
) -> None:
    """The same words of health.json, the same processes, and the broker never knew."""
    with ExchangeProcess(tmp_path / "broker", "--speed", "1") as broker:
        settings = {
            "TRADING_MODE": "paper",
            "APCA_API_KEY_ID": "PKKEYKEYKEYKEY",
            "APCA_API_SECRET_KEY": "secretsecretsecretsecret",
            "ALPACA_TRADING_URL": broker.url,
            "ALPACA_DATA_URL": broker.url,
            "ALPACA_STREAM_URL": f"{broker.url.replace('http', 'ws')}/stream",
            "ALPACA_DATA_STREAM_URL": f"{broker.url.replace('http', 'ws')}/v2/iex",
            "CHAOS_MODE": "alpaca_down",
            "CHAOS_AFTER_S": "3",
            "CHAOS_DURATION_S": "8",
        }
        with running_system(tmp_path, settings=settings):
            system = ByHand(tmp_path)
            system.wait(START_S, overall="OK")
            before = system.pids()
            system.wait(SHOWN_S, overall="DEGRADED", trading_state="REDUCING")
            system.wait(HEALED_S, overall="OK")

            assert system.pids() == before
            wait_until(system.is_over, SHOWN_S)
    gateway = tmp_path / "state" / "run" / "chaos.gateway.json"
    wait_until(lambda: not gateway.exists(), SHOWN_S)
