"""Cold start, restart of a killed service, and memory, each beside its reference."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench.frame import Row, median
from tests.support.system import read_json, running_system
from tests.support.waiting import wait_until

IMPORT_ALPACA = "import alpaca.trading.client"
LIVES = 3
IDLE_SERVICES = 9
SETTLE_S = 6.0
"""A service must have been up for more than 5 s for its restart to be the first of a burst."""

BARE_IMPORTS = {
    "exchange-sim": (
        "import uvicorn, starlette.applications, websockets, msgpack, pydantic_settings"
    ),
    "data-daemon": "import alpaca.trading.client, alpaca.data.live, pydantic_settings",
    "trading-bot": "import alpaca.trading.client, pydantic_settings",
    "dashboard": (
        "import uvicorn, starlette.applications, jinja2, sse_starlette, prometheus_client, "
        "pydantic_settings"
    ),
    "heartbeat": "import requests, pydantic_settings",
    "supervisor": "import asyncio, json, xmlrpc.client",
    "guardian": "import asyncio",
}


def import_seconds(statement: str) -> float:
    """Return how long a fresh interpreter takes for the statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, timeout=60)
    return time.perf_counter() - start


def bare_memory_mib(statement: str) -> float:
    """Return the proportional set size of an interpreter that did only this."""
    code = f"{statement}\nimport psutil\nprint(psutil.Process().memory_full_info().pss / 2**20)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return float(done.stdout)


def health_of(state: Path) -> dict[str, Any]:
    """Return health.json, or nothing while it is not there."""
    path = state / "health.json"
    return read_json(path) if path.exists() else {"overall": "FAILED", "services": {}}


@dataclass(frozen=True, slots=True)
class Life:
    """What one start of the whole system showed."""

    cold_start_s: float
    memory_mib: float
    bot_recovery_s: float


def live_once() -> Life:
    """Start everything in folders that never were, measure it, kill the bot once, end it."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        state = base / "state"
        start = time.perf_counter()
        with running_system(base, settings={"TRADING_MODE": "sim"}):
            wait_until(lambda: health_of(state)["overall"] == "OK", 60, "OK")
            cold_start_s = time.perf_counter() - start
            time.sleep(SETTLE_S)
            return Life(cold_start_s, memory_mib(state), recovery_seconds(state))


def pid_of(state: Path, service: str) -> int | None:
    """Return the running process of a service by health.json."""
    row = health_of(state)["services"].get(service, {})
    return row.get("pid") if row.get("phase") in ("running", "starting") else None


def children_of(pid: int) -> set[int]:
    """Return the direct children of a process, as the kernel lists them now."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


def restart_seconds(supervisor: int, victim: int) -> float:
    """Kill a service; return the time until the supervisor has a new child."""
    before = children_of(supervisor)
    start = time.perf_counter()
    os.kill(victim, signal.SIGKILL)
    while not children_of(supervisor) - before:
        if time.perf_counter() - start > 10:
            raise RuntimeError(f"the service of process {victim} did not come back")
    return time.perf_counter() - start


def restarts() -> list[float]:
    """Kill each of some idle services once: only the first restart of a burst is at once."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        table = base / "services.toml"
        table.write_text(
            "".join(
                f'[service.idle-{number}]\ncommand = ["sleep", "600"]\nnotify = false\n'
                for number in range(IDLE_SERVICES)
            ),
            encoding="utf-8",
        )
        state = base / "state"
        arguments = ("--services", str(table))
        with running_system(base, *arguments, settings={"TRADING_MODE": "sim"}):
            wait_until(lambda: len(health_of(state)["services"]) == IDLE_SERVICES, 60, "table")
            time.sleep(SETTLE_S)
            document = health_of(state)
            supervisor = document["supervisor"]["pid"]
            victims = [row["pid"] for row in document["services"].values()]
            return [restart_seconds(supervisor, victim) for victim in victims]


def memory_mib(state: Path) -> float:
    """Return the proportional memory of the whole tree."""
    pids = [row["pid"] for row in health_of(state)["services"].values()]
    supervisor = psutil.Process(health_of(state)["supervisor"]["pid"])
    family = [supervisor, *(psutil.Process(pid) for pid in pids)]
    guardian = supervisor.parent()
    if guardian is not None and "deploy_supervisor" in " ".join(guardian.cmdline()):
        family.append(guardian)
    return float(sum(member.memory_full_info().pss for member in family)) / 2**20


def rows() -> Iterator[Row]:
    """Measure some whole lives of the system, and a table of idle services."""
    import_s = median([import_seconds(IMPORT_ALPACA) for _ in range(5)])
    lives = [live_once() for _ in range(LIVES)]
    alpaca = "one import of the alpaca trading client"
    cold_start_s = median([life.cold_start_s for life in lives])
    yield Row("cold start to OK, everything", "s", cold_start_s, 6.0, alpaca, import_s)
    recovery_s = median([life.bot_recovery_s for life in lives])
    yield Row("SIGKILL of the bot -> READY, reconciled", "s", recovery_s, 1.5, alpaca, import_s)
    yield Row(
        "memory of all product processes",
        "MiB",
        median([life.memory_mib for life in lives]),
        1.3,
        "sum of their bare imports",
        sum(bare_memory_mib(statement) for statement in BARE_IMPORTS.values()),
    )
    yield Row("SIGKILL of a child -> new child, median", "ms", median(restarts()) * 1e3, 5.0)


def recovery_seconds(state: Path) -> float:
    """Kill the bot; return the time until it says again that it may enter."""
    old = pid_of(state, "trading-bot")
    if old is None:
        raise RuntimeError("trading-bot does not run")
    start = time.perf_counter()
    os.kill(old, signal.SIGKILL)

    def is_back() -> bool:
        document = health_of(state)
        row = document["services"].get("trading-bot", {})
        is_new = row.get("pid") not in (None, old) and row.get("phase") == "running"
        return is_new and document.get("trading_state") == "ACTIVE"

    wait_until(is_back, 60, "bot back and ACTIVE")
    return time.perf_counter() - start
