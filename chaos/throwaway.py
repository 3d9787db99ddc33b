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
from contextlib import suppress
from pathlib import Path

from chaos.arming import NO_SABOTEUR
from services.supervisor.launch import REPOSITORY
from services.supervisor.leftovers import stop_by_records
from services.supervisor.own_files import GUARDIAN, SUPERVISOR, read_pid_file
from services.supervisor.processes import ended_within, open_process, start_ticks
from shared.config.paths import LogPaths, StatePaths

STOP_S = 90.0
NOTE = "current.json"
"""In the folder of the reports: what a runner that was killed has left behind."""
LEFT_BEHIND = ("run", "commands", "health.json", "emergency_stop", "*.lock", "*.sock", ".probe.*")
"""What is no part of a copy: other processes' places, and an operator's stop."""
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
        ignored = shutil.ignore_patterns(*LEFT_BEHIND)
        for source, target in ((state, self.state.root), (logs, self.logs.root)):
            if source.is_dir():
                more = shutil.ignore_patterns("drills") if source == logs else ignored
                shutil.copytree(source, target, ignore=more, dirs_exist_ok=True)
            target.mkdir(mode=0o700, exist_ok=True)

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
        self._note.parent.mkdir(parents=True, exist_ok=True)
        told = {"base": str(self.base), "pid": pid, "start_ticks": start_ticks(pid)}
        self._note.write_text(json.dumps(told), "utf-8")

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
    outer = open_process(pid, ticks)
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
    """End whoever of that copy still lives, and remove it."""
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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
