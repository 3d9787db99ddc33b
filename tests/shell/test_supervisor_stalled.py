"""Slow or hung? A real service that waits for the disk is spared by the watchdog."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from services.supervisor.processes import state_of
from tests.support.supervised import Actor, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

WATCHDOG_S, STALL_S = 0.6, 1.5
ROW = f"critical = true\nready_s = 0.5\nbeat_s = 0.1\nwatchdog_s = {WATCHDOG_S}"
STALL = """
def stall(pipe):
    opened = [(os.POSIX_SPAWN_OPEN, 0, pipe, os.O_RDONLY, 0)]
    os.waitpid(os.posix_spawn('/bin/true', ['true'], {}, file_actions=opened), 0)
"""
"""Waits until somebody writes into the pipe; the kernel calls it a wait for the disk."""


@pytest.mark.parametrize("before", ["serve(seconds=0.3); ", ""], ids=["running", "starting"])
def test_service_when_the_disk_stalls_longer_than_its_watchdog_then_it_is_not_shot(
    tmp_path: Path, before: str
) -> None:
    """It is shown FAILED while it is silent, somebody reads why it is spared, and the same process
    is OK afterwards: no restart, no failure counted.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    script = f"{STALL}\n{before}stall({str(pipe)!r}); serve()"
    with supervised(tmp_path, {"web": Actor(script, ROW)}) as system:
        wait_until(lambda: system.service("web").get("pid"), 10, "a process")
        pid = system.pid("web")
        wait_until(lambda: state_of(pid) == "D", 10, "a wait in the kernel")

        threading.Event().wait(STALL_S)
        stalled = system.service("web")
        assert (stalled["pid"], stalled["status"]) == (pid, "FAILED")
        told = [line for line in system.incidents("web") if "waits for the disk" in line["msg"]]
        assert len(told) == 1, json.dumps(system.incidents("web"))

        pipe.write_text("")
        found = system.wait_for("web", status="OK")
        assert (found["pid"], found["restarts"], found["failures_in_window"]) == (pid, 0, 0)
