"""The main job: everything starts, trades, tells the truth and stops cleanly."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from pathlib import Path

import psutil
import pytest

from tests.support.published import broken_promises
from tests.support.system import deploy, read_json, running_system
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SERVICES = {"exchange-sim", "data-daemon", "trading-bot", "dashboard", "heartbeat"}
OK_WITHIN_S = 30


def is_ok(health: Path) -> bool:
    """Whether the file says OK."""
    return health.exists() and read_json(health)["overall"] == "OK"


def test_system_when_run_for_a_while_then_it_trades_and_its_books_agree(tmp_path: Path) -> None:
    """OK within seconds, an entry and an exit, local state equal to the exchange's truth."""
    settings = {"TRADING_MODE": "sim", "SECONDS_TO_RUN": "45"}

    finished = deploy(tmp_path, "run", settings=settings, timeout_s=110)

    assert finished.code == 0, finished.out + finished.err
    events = [
        json.loads(line)["event"]
        for line in (tmp_path / "logs" / "orders.jsonl").read_text("utf-8").splitlines()
    ]
    assert "fill" in events
    with sqlite3.connect(tmp_path / "state" / "ledger.db") as ledger:
        assert ledger.execute("select count(*) from trades").fetchone()[0] >= 1
    assert read_json(tmp_path / "state" / "health.json")["code"] == "STOPPED"


def test_system_when_interrupted_then_everything_ends_and_nothing_is_left(tmp_path: Path) -> None:
    """Ctrl-C ends every process in order, and health.json says STOPPED."""
    health = tmp_path / "state" / "health.json"
    with running_system(tmp_path, settings={"TRADING_MODE": "sim"}) as process:
        wait_until(lambda: is_ok(health), OK_WITHIN_S, "health OK")
        assert set(read_json(health)["services"]) == SERVICES
        tree = psutil.Process(process.pid).children(recursive=True)
        assert len(tree) >= len(SERVICES) + 1

        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=40)

        assert process.returncode == 0
        _, alive = psutil.wait_procs(tree, timeout=5)
        assert alive == []
    assert read_json(health)["overall"] == "FAILED"
    assert read_json(health)["code"] == "STOPPED"


def test_status_when_asked_then_its_exit_code_is_the_verdict(tmp_path: Path) -> None:
    """0 while OK, 3 before the first start and after a stop; the page answers as published."""
    health = tmp_path / "state" / "health.json"
    assert deploy(tmp_path, "status").code == 3
    with running_system(tmp_path, settings={"TRADING_MODE": "sim"}):
        wait_until(lambda: is_ok(health), OK_WITHIN_S, "health OK")
        status = deploy(tmp_path, "status", "--json")
        assert status.code == 0, status.err
        assert json.loads(status.out)["overall"] == "OK"
        url = read_json(tmp_path / "state" / "run" / "endpoints.json")["dashboard_url"]
        assert broken_promises(url) == []

        stopped = deploy(tmp_path, "stop", timeout_s=60)

        assert stopped.code == 0, stopped.err
    assert deploy(tmp_path, "status").code == 3


def test_emergency_stop_when_set_and_cleared_then_trading_halts_and_resumes(
    tmp_path: Path,
) -> None:
    """The stop works over the command line, health shows it, and clearing it lets trading go on."""
    health = tmp_path / "state" / "health.json"
    with running_system(tmp_path, settings={"TRADING_MODE": "sim"}):
        wait_until(lambda: is_ok(health), OK_WITHIN_S, "health OK")

        stopped = deploy(tmp_path, "emergency-stop", "--reason", "drill")

        assert stopped.code == 0, stopped.out + stopped.err
        assert (tmp_path / "state" / "emergency_stop").exists()
        wait_until(lambda: read_json(health)["trading_state"] == "HALTED", 15, "HALTED")
        assert read_json(health)["overall"] == "DEGRADED"

        cleared = deploy(tmp_path, "clear-stop", "--approver", "tester")

        assert cleared.code == 0, cleared.out + cleared.err
        wait_until(lambda: read_json(health)["trading_state"] == "ACTIVE", 15, "ACTIVE")
