"""Does the supervisor's duty towards the trading side when no supervisor lives.

Imports the standard library only, as `emergency-stop` must: stopping works with a broken or
missing installation too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from services.supervisor.adoption import RecordFolder
from services.supervisor.launch import REPOSITORY
from services.supervisor.processes import kill_group, open_process
from services.supervisor.table import TRADING_BOT
from services.supervisor.terminal import say
from shared.clock import SystemClock
from shared.commands.control_client import ControlClient
from shared.commands.spool import CLAIM_WITHIN_S, CommandSpool
from shared.config.paths import LogPaths, StatePaths
from shared.errors import SystemFault

HANG_GRACE_S = 2.0
"""How long a bot that ignores its commands gets to end before it is killed."""
ERRAND_S = 45.0
MODULE = "services.trading_bot.one_shot"
SPOOL_HOLD, SECURE_HOLD = "spool", "secure"
POLL_S = 0.05


class Replacement:
    """Does the supervisor's duty when no supervisor lives."""

    def __init__(self, state: StatePaths, logs: LogPaths, env_file: str | None) -> None:
        self._state = state
        self._logs = logs
        self._env_file = env_file

    def hand_over(self) -> None:
        """See to it that somebody claims the command that was just laid down."""
        if ControlClient(self._state, timeout_s=5.0).is_alive():
            return
        if self._claimed_by_the_bot():
            return
        self._end_bot()
        environment = dict(os.environ)
        environment.update(STATE_DIR=str(self._state.root), LOG_DIR=str(self._logs.root))
        if self._env_file is not None:
            environment["SHT_ENV_FILE"] = str(Path(self._env_file).absolute())
        environment.setdefault("TRADING_MODE", self._last_mode() or "")
        if not environment["TRADING_MODE"]:
            del environment["TRADING_MODE"]
        command = [sys.executable, "-m", MODULE, SPOOL_HOLD]
        try:
            subprocess.run(
                command,
                cwd=REPOSITORY,
                env=environment,
                timeout=ERRAND_S,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
            )
        except (OSError, subprocess.TimeoutExpired) as fault:
            say(f"the one-shot could not do it: {fault}", sys.stderr)

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

    def _last_mode(self) -> str | None:
        """Return the mode that the last supervisor ran in."""
        try:
            return str(json.loads(self._state.health.read_bytes())["mode"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
