"""The door: what `drill` and CHAOS_MODE may and may not, said by exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaos.catalogue import CATALOGUE, CONTROL
from shared.clock import SystemClock
from tests.support.documents import health_bytes
from tests.support.system import deploy, read_json

pytestmark = pytest.mark.integration

KEYS = {"APCA_API_KEY_ID": "PKTESTTESTTEST", "APCA_API_SECRET_KEY": "s" * 40}


def test_drill_when_listed_then_every_row_is_shown(tmp_path: Path) -> None:
    """The list comes from the catalogue, the run without a fault first, and runs nothing."""
    done = deploy(tmp_path, "drill", "--list")

    assert done.code == 0
    named = [line.split()[0] for line in done.out.splitlines()[1:]]
    assert named == [CONTROL.name, *CATALOGUE]


@pytest.mark.parametrize("words", [("alpaca_dwn",), ()])
def test_drill_when_none_or_an_unknown_one_is_named_then_it_is_refused(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Nothing is run, and nothing is written."""
    done = deploy(tmp_path, "drill", *words)

    assert done.code == 2
    assert "--list" in done.err
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("mode", ["live_limited", "live"])
def test_run_when_chaos_is_asked_for_with_real_money_then_it_ends_with_78(
    tmp_path: Path, mode: str
) -> None:
    """Never with real money, confirmed or not."""
    settings = {**KEYS, "TRADING_MODE": mode, "CHAOS_MODE": "alpaca_down"}

    done = deploy(tmp_path, "run", "--confirm", settings=settings)

    assert done.code == os.EX_CONFIG
    assert f"CHAOS_MODE=alpaca_down: is refused in mode {mode}" in done.err


def test_run_when_a_fault_cannot_act_in_the_mode_then_it_ends_with_78(tmp_path: Path) -> None:
    """What only the embedded exchange can show is not promised on a real one."""
    settings = {**KEYS, "TRADING_MODE": "paper", "CHAOS_MODE": "alpaca_down,stale_data"}

    done = deploy(tmp_path, "run", settings=settings)

    assert done.code == os.EX_CONFIG
    assert "stale_data acts in the embedded exchange, not in mode paper" in done.err
    assert read_json(tmp_path / "state" / "health.json")["code"] == "FAILED_CONFIG"


def test_status_when_chaos_is_on_then_it_says_so(tmp_path: Path) -> None:
    """Nobody takes a drill for an accident."""
    clock = SystemClock()
    fresh = {"boot_id": clock.boot_id(), "boottime_s": clock.boottime_s()}
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "health.json"
    path.write_bytes(health_bytes(**fresh, chaos_mode="alpaca_down"))
    assert "CHAOS: alpaca_down breaks this system on purpose" in deploy(tmp_path, "status").out

    path.write_bytes(health_bytes(**fresh))
    assert "CHAOS" not in deploy(tmp_path, "status").out


def test_help_when_asked_for_then_it_names_drill(tmp_path: Path) -> None:
    """Who looks for the drills finds them."""
    assert "drill" in deploy(tmp_path, "--help").out
