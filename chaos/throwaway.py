"""A whole system in a throw-away copy of state/ and logs/, under supervisord, in sim."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from chaos.arming import NO_SABOTEUR
from chaos.copying import copy_folder
from services.supervisor.launch import REPOSITORY
from services.supervisor.leftovers import stop_by_records
from services.supervisor.own_files import GUARDIAN, SUPERVISOR, read_pid_file
from services.supervisor.processes import (
    ended_within,
    open_process,
    pids_with,
    small_file,
    start_ticks,
)
from shared.config.paths import LogPaths, StatePaths
from shared.errors import SystemFault
from shared.persistence.atomic_file import write_document

STOP_S = 90.0
COMMAND_BYTES_MAX = 65_536
NOTE = "current.json"
"""In the folder of the reports: what a runner that was killed has left behind."""
LEFT_BEHIND = (
    "run", "commands", "health.json", "heartbeat.json", "emergency_stop", "*.faults.json",
    "*.lock", "*.sock", ".probe.*",
)  # fmt: skip
"""What is no part of a copy: other processes' places, an operator's stop, faults that act, and
what people know or have still to be told of the real system."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")
SHIPPED = "%(here)s/.venv/bin/python %(here)s/deploy_supervisor.py run"
SETTINGS = {
    "TRADING_MODE": "sim",
    "DAILY_LOSS_LIMIT_PCT": "0.2",
    "MAX_DRAWDOWN_PCT": "0.5",
    NO_SABOTEUR: "1",
}
"""A fast market must not end in a loss limit, which is a DEGRADED of its own."""


class ThrowAway:
    """One copy and what runs in it."""

    def __init__(self, reports: Path, names: str, more: dict[str, str] | None = None) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="sht-drill-"))
        self._note = reports / NOTE
        self._outer: subprocess.Popen[bytes] | None = None
        try:
            self._write_note(0)
        except SystemFault:
            self.base.rmdir()
            raise
        self.state, self.logs = StatePaths(self.base / "state"), LogPaths(self.base / "logs")
        self.settings = {
            **SETTINGS,
            "STATE_DIR": str(self.state.root),
            "LOG_DIR": str(self.logs.root),
            "SHT_ENV_FILE": "",
            "DASHBOARD_PORT": str(_free_port()),
            "CHAOS_MODE": names,
            **(more or {}),
        }

    def copy(self, state: Path, logs: Path) -> None:
        """Copy the real folders as they are now; neither is written to."""
        places = ((state, self.state.root, LEFT_BEHIND), (logs, self.logs.root, ("drills",)))
        for source, target, left_behind in places:
            if source.is_dir():
                copy_folder(source, target, left_behind)

    def start(self) -> None:
        """Start supervisord over the shipped configuration, with these folders."""
        shipped = (REPOSITORY / "supervisor.conf").read_text("utf-8")
        if SHIPPED not in shipped:
            raise ValueError(f"supervisor.conf does not say {SHIPPED!r} any more")
        command = f"{sys.executable} {REPOSITORY / 'deploy_supervisor.py'} run"
        ours = shipped.replace(SHIPPED, command).replace(
            "directory=%(here)s", f"directory={REPOSITORY}"
        )
        configuration = self.base / "supervisor.conf"
        configuration.write_text(ours, "utf-8")
        with (self.base / "supervisord.out").open("wb") as output:
            self._outer = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)],
                cwd=self.base,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._write_note(self._outer.pid)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return kept | self.settings

    def _write_note(self, pid: int) -> None:
        """Tell the next runner what to sweep; pid 0: what runs there is known by its folder."""
        told = {"base": str(self.base), "pid": pid, "start_ticks": start_ticks(pid) or 0}
        write_document(self._note, json.dumps(told).encode())

    def end(self) -> None:
        """End everything, from above, and take the copy away."""
        if self._outer is not None and self._outer.poll() is None:
            self._outer.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._outer.wait(STOP_S)
            if self._outer.poll() is None:
                self._outer.kill()
                self._outer.wait(10)
        remove(self.base)
        self._note.unlink(missing_ok=True)


def sweep(reports: Path) -> str | None:
    """End what a runner that was killed has left behind; return its folder, if there was one."""
    try:
        note = json.loads((reports / NOTE).read_text("utf-8"))
        base, pid, ticks = Path(note["base"]), int(note["pid"]), int(note["start_ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    outer = open_process(pid, ticks) if pid > 0 else None
    if outer is not None:
        outer.send(signal.SIGTERM)
        if not ended_within(outer, STOP_S):
            outer.send(signal.SIGKILL)
        outer.close()
    if base.name.startswith("sht-drill-"):
        remove(base)
    (reports / NOTE).unlink(missing_ok=True)
    return str(base)


def remove(base: Path) -> None:
    """End whoever of that copy still lives, supervisord first, and remove it."""
    for pid in _outer_pids(base):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run_folder = base / "state" / "run"
    for name in (GUARDIAN, SUPERVISOR):
        left = read_pid_file(run_folder, name)
        if left is not None:
            left.send(signal.SIGKILL)
            ended_within(left, 5)
            left.close()
    if run_folder.is_dir():
        stop_by_records(run_folder)
    shutil.rmtree(base, ignore_errors=True)


def _outer_pids(base: Path) -> Iterator[int]:
    """Yield the supervisord of a copy that no note names: its runner died as it started it."""
    words = b"\0-c\0" + os.fsencode(base / "supervisor.conf") + b"\0"
    for pid in pids_with(f"STATE_DIR={base}/state"):
        if words in small_file(f"/proc/{pid}/cmdline", COMMAND_BYTES_MAX):
            yield pid


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
