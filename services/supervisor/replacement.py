"""Does the supervisor's duty towards the trading side when no supervisor lives.

Imports the standard library only, as `emergency-stop` must: stopping works with a broken or
missing installation too.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from services.supervisor.adoption import RecordFolder
from services.supervisor.folders import named_setting
from services.supervisor.last_health import last_health
from services.supervisor.launch import REPOSITORY
from services.supervisor.processes import kill_group, open_process
from services.supervisor.table import TRADING_BOT
from services.supervisor.trading_errands import ERRAND_S, HANG_GRACE_S, MODULE, SPOOL_HOLD
from shared.clock import SystemClock
from shared.commands.control_client import ControlClient
from shared.commands.spool import CLAIM_WITHIN_S, CommandSpool
from shared.config.endpoints import read_endpoints
from shared.config.paths import LogPaths, StatePaths
from shared.errors import SystemFault
from shared.models.mode import Mode

POLL_S = 0.05
REACH_S = 1.0


class Replacement:
    """Does the supervisor's duty when no supervisor lives."""

    def __init__(self, state: StatePaths, logs: LogPaths, env_file: str | None) -> None:
        self._state = state
        self._logs = logs
        self._env_file = env_file

    def hand_over(self) -> str | None:
        """See to it that somebody claims the command that was just laid down.

        Returns why nobody is left who could answer it, None when somebody may.
        """
        if ControlClient(self._state, timeout_s=5.0).is_alive():
            return None
        if self._claimed_by_the_bot():
            return None
        self._end_bot()
        mode = self._mode()
        if mode in ("", str(Mode.SIM)) and not self._exchange_listens():
            return "Nothing runs here, and no exchange that could be asked."
        return self._one_shot(mode)

    def _one_shot(self, mode: str) -> str:
        environment = dict(os.environ)
        environment.update(STATE_DIR=str(self._state.root), LOG_DIR=str(self._logs.root))
        if self._env_file is not None:
            environment["SHT_ENV_FILE"] = str(Path(self._env_file).absolute())
        if mode:
            environment["TRADING_MODE"] = mode
        command = [sys.executable, "-m", MODULE, SPOOL_HOLD]
        try:
            done = subprocess.run(
                command,
                cwd=REPOSITORY,
                env=environment,
                timeout=ERRAND_S,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
            )
        except (OSError, subprocess.TimeoutExpired) as fault:
            return f"The one-shot could not do it: {fault}."
        return f"The one-shot in the bot's place ended with exit code {done.returncode}."

    def _exchange_listens(self) -> bool:
        """Whether the embedded exchange can be reached at all."""
        try:
            endpoints = read_endpoints(self._state.endpoints)
            address = urlsplit("" if endpoints is None else endpoints.trading_url)
            if address.hostname is None or address.port is None:
                return False
            socket.create_connection((address.hostname, address.port), REACH_S).close()
        except (OSError, ValueError, SystemFault):
            return False
        return True

    def _claimed_by_the_bot(self) -> bool:
        """Give a bot that outlived its supervisor the time to claim."""
        if self._bot_record() is None:
            return False
        spool, clock = CommandSpool(self._state, SystemClock()), SystemClock()
        deadline_s = clock.monotonic_s() + CLAIM_WITHIN_S
        never = threading.Event()
        while clock.monotonic_s() < deadline_s:
            try:
                if spool.unclaimed_age_s() is None:
                    return True
            except SystemFault:
                return False
            never.wait(POLL_S)
        return False

    def _bot_record(self) -> tuple[int, int] | None:
        record = RecordFolder(self._state.run).read(TRADING_BOT)
        if record is None or record.boot_id != SystemClock().boot_id():
            return None
        if record.pid is None or record.start_ticks is None:
            return None
        return record.pid, record.start_ticks

    def _end_bot(self) -> None:
        """End a hung bot that nobody supervises; it holds the trading lock."""
        identity = self._bot_record()
        process = None if identity is None else open_process(*identity)
        if process is None:
            return
        process.send(signal.SIGTERM)
        threading.Event().wait(HANG_GRACE_S)
        if process.send(signal.SIGKILL):
            kill_group(process.pid)

    def _mode(self) -> str:
        """Return the mode that is set, else that of the last supervisor here, else nothing."""
        said = os.environ.get("TRADING_MODE", "").strip() or self._last_mode()
        return said or named_setting("TRADING_MODE", self._env_file)

    def _last_mode(self) -> str:
        mode = last_health(self._state.health).get("mode")
        return mode if isinstance(mode, str) else ""
