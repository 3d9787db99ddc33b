"""health.json as it is written: every flip, the last word, every phase of a service."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from pathlib import Path

import pytest

from services.supervisor.context import Roster
from services.supervisor.failed_start import FailedStart, write_failed_start
from services.supervisor.health_file import HealthFile, Identity
from services.supervisor.launch import Launch
from services.supervisor.supervisor import open_context
from services.trading_bot.supervision import Supervision
from shared.clock import SystemClock
from shared.config.paths import StatePaths
from shared.models.health import HealthCode
from tests.support.supervised import Actor, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


def test_flip_when_the_restart_is_quicker_than_the_next_write_then_it_is_an_incident(
    tmp_path: Path,
) -> None:
    """A service without READY runs again in the same moment; its death is told all the same."""
    actors = {"web": Actor("time.sleep(3600)", "critical = true\nnotify = false")}
    with supervised(tmp_path, actors) as system:
        system.wait_ok()

        os.kill(system.pid("web"), signal.SIGKILL)

        system.wait_for("web", status="OK", restarts=1)
        (incident,) = system.health()["incidents"]
        assert (incident["from"], incident["to"]) == ("OK", "DEGRADED")
        assert "SIGKILL" in incident["reason"]
        assert incident["recovered_after_s"] is not None
        assert incident["detected_after_s"] == 0
        steps = [line["event"] for line in system.incidents("web")]
        assert steps == ["DETECT", "CLASSIFY", "RESPOND", "RECOVER"]


def test_last_word_when_a_write_is_still_due_then_it_stays_the_last(tmp_path: Path) -> None:
    """STOPPED is not overwritten by a publication that was scheduled before it."""

    async def end() -> str:
        launch = Launch(str(tmp_path), str(tmp_path), "sim", "", max_failures=5, window_s=600.0)
        launch.state.run.mkdir()
        loop = asyncio.get_running_loop()
        context = open_context(launch, SystemClock(), logging.getLogger("test"), loop)
        health = HealthFile(context, Roster(()), Identity(os.getpid(), "", 1), seq=0)
        health.changed()
        health.publish_stopped(HealthCode.STOPPED, "stopped: asked")
        turns = asyncio.Event()
        loop.call_soon(loop.call_soon, turns.set)
        await turns.wait()
        health.publish()
        context.sockets.remove()
        return str(json.loads(launch.state.health.read_bytes())["code"])

    assert asyncio.run(end()) == "STOPPED"


def test_health_when_a_service_ends_slowly_then_it_is_written_all_the_while(
    tmp_path: Path,
) -> None:
    """A long stop is no silence: the file stays fresh, and says what is stopping."""
    # Silent soon after READY: its beats must not be what keeps the file fresh.
    stubborn = (
        "signal.signal(signal.SIGTERM, lambda *_: None); serve(seconds=0.2); time.sleep(3600)"
    )
    row = "critical = true\nbeat_s = 20.0\nwatchdog_s = 60.0\nstop_s = 5.0"
    actors = {"web": Actor(stubborn, row)}
    with supervised(tmp_path, actors) as system:
        system.wait_ok()
        system.process.send_signal(signal.SIGTERM)
        system.wait_for("web", phase="stopping", status="FAILED")
        began_s = system.health()["boottime_s"]

        wait_until(lambda: system.health()["boottime_s"] > began_s + 2, 4, "fresh health")

        assert system.service("web")["phase"] == "stopping"
        assert system.process.wait(timeout=20) == 0
        assert system.health()["code"] == "STOPPED"


def test_word_of_a_failed_start_when_a_bot_reads_it_then_nobody_supervises(
    tmp_path: Path,
) -> None:
    """A fresh health.json by a supervisor that could not start is no supervision."""
    state = StatePaths(tmp_path)
    write_failed_start(state, FailedStart(os.EX_CANTCREAT, "the disk is full", "sim"))

    fault = Supervision(state.health, {"SHT_SERVICE": "trading-bot"}, SystemClock()).fault()

    assert fault == "the disk is full"
