"""The gateway in paper: between any Alpaca and every process of ours, it breaks the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.commands.control_client import ControlClient
from shared.config.paths import StatePaths
from tests.drills.test_by_hand import HEALED_S, SHOWN_S, START_S, ByHand
from tests.support.exchange_process import ExchangeProcess
from tests.support.system import running_system
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def on_paper(base: Path, name: str) -> Iterator[ByHand]:
    """Run as the owner types it, before a broker that is not embedded; the gateway ends with us."""
    with ExchangeProcess(base / "broker", "--speed", "1") as broker:
        settings = {
            "TRADING_MODE": "paper",
            "APCA_API_KEY_ID": "PKKEYKEYKEYKEY",
            "APCA_API_SECRET_KEY": "secretsecretsecretsecret",
            "ALPACA_TRADING_URL": broker.url,
            "ALPACA_DATA_URL": broker.url,
            "ALPACA_STREAM_URL": f"{broker.url.replace('http', 'ws')}/stream",
            "ALPACA_DATA_STREAM_URL": f"{broker.url.replace('http', 'ws')}/v2/iex",
            "CHAOS_MODE": name,
            "CHAOS_AFTER_S": "3",
            "CHAOS_DURATION_S": "8",
        }
        with running_system(base, settings=settings):
            system = ByHand(base)
            system.wait(START_S, overall="OK")
            yield system
    gateway = base / "state" / "run" / "chaos.gateway.json"
    wait_until(lambda: not gateway.exists(), SHOWN_S)


def test_alpaca_down_when_the_broker_is_not_embedded_then_the_gateway_cuts_and_heals(
    tmp_path: Path,
) -> None:
    """The same words of health.json, the same processes, and the broker never knew."""
    with on_paper(tmp_path, "alpaca_down") as system:
        before = system.pids()
        system.wait(SHOWN_S, overall="DEGRADED", trading_state="REDUCING")
        system.wait(HEALED_S, overall="OK")

        assert system.pids() == before
        wait_until(system.is_over, SHOWN_S)


def test_invalid_creds_when_the_broker_is_not_embedded_then_it_is_parked_until_released(
    tmp_path: Path,
) -> None:
    """The gateway refuses the keys for its lease; after it, one gesture of the operator heals."""
    with on_paper(tmp_path, "invalid_creds") as system:
        services = system.wait(SHOWN_S, code="FAILED_CONFIG")["services"]
        wait_until(system.is_over, SHOWN_S)

        bot = system.wait(SHOWN_S, code="FAILED_CONFIG")["services"]["trading-bot"]
        assert (bot["phase"], bot["restarts"]) == ("parked", 0)
        assert services["dashboard"]["pid"] == system.pids()["dashboard"]
        control = ControlClient(StatePaths(tmp_path / "state"))
        for name in ("trading-bot", "data-daemon"):
            if system.health()["services"][name]["phase"] == "parked":
                control.release(name)
        system.wait(HEALED_S, overall="OK")
