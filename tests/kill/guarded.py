"""The whole system as on a server: supervisord above it, by the shipped supervisor.conf."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from shared.clock import SystemClock
from tests.kill.blows import GUARDIAN, SUPERVISOR
from tests.kill.census import OUTER, Census, take
from tests.support.system import ROOT, Finished, clean_environment

SUPERVISORD = Path(sys.executable).with_name("supervisord")
RUN = "deploy_supervisor.py run"
STOP_S = 90.0
SUMMARY_S = 90.0
OWN_ROWS = {
    "max_failures": "200",
    "backoff_base_s": "0.05",
    "backoff_cap_s": "0.5",
    "stable_s": "1.0",
}
"""So many deaths would park a service of the shipped table, or slow its return."""
WATCHDOG_S = "6.0"
CALLERS_WATCHDOG_S = "14.0"
"""Who calls a hung exchange waits until that one is found out, and must not be taken for hung."""
CALLERS = ("trading-bot", "data-daemon")
SETTINGS = {
    "TRADING_MODE": "sim",
    "DAILY_LOSS_LIMIT_PCT": "0.2",
    "MAX_DRAWDOWN_PCT": "0.5",
}
"""Hours of a fast market must not end in a loss limit, which is a DEGRADED of its own."""


def own_table(shipped: str) -> str:
    """Return the shipped table with N raised, the backoff short and hangs found sooner."""
    more = "".join(f"{key} = {value}\n" for key, value in OWN_ROWS.items())
    head, *rows = re.split(r"^(?=\[service\.)", shipped, flags=re.MULTILINE)
    return head + "".join(f"{_own_row(row)}{more}\n" for row in rows)


def _own_row(row: str) -> str:
    called = row.startswith(tuple(f"[service.{name}]" for name in CALLERS))
    watchdog_s = CALLERS_WATCHDOG_S if called else WATCHDOG_S
    shortened = re.sub(r"^watchdog_s = .*$", f"watchdog_s = {watchdog_s}", row, flags=re.MULTILINE)
    return shortened.rstrip("\n") + "\n"


class Guarded:
    """The running system, seen from outside."""

    def __init__(self, base: Path, settings: dict[str, str]) -> None:
        self.base = base
        self.state, self.logs = base / "state", base / "logs"
        (base / ".env").touch(mode=0o600)
        self._settings = {
            **SETTINGS,
            "STATE_DIR": str(self.state),
            "LOG_DIR": str(self.logs),
            "SHT_ENV_FILE": str(base / ".env"),
            "DASHBOARD_PORT": str(_free_port()),
            **settings,
        }
        self._outer: subprocess.Popen[str] | None = None
        self.services: tuple[str, ...] = ()

    def start(self) -> None:
        """Start supervisord over the shipped configuration, from a folder of its own.

        Everything that the configuration finds beside itself is a link to the real one; only
        the service table is named besides.
        """
        table = self.base / "services.toml"
        text = own_table((ROOT / "services" / "services.toml").read_text("utf-8"))
        table.write_text(text, "utf-8")
        self.services = tuple(re.findall(r"^\[service\.(.*)\]$", text, flags=re.MULTILINE))
        shipped = (ROOT / "supervisor.conf").read_text("utf-8")
        if RUN not in shipped:
            raise AssertionError(f"supervisor.conf does not say {RUN!r} any more")
        conf = self.base / "supervisor.conf"
        conf.write_text(shipped.replace(RUN, f"{RUN} --services {table}"), "utf-8")
        for name in (".venv", "deploy_supervisor.py"):
            (self.base / name).symlink_to(ROOT / name)
        self.logs.mkdir()
        with (self.base / "supervisord.out").open("w") as output:
            self._outer = subprocess.Popen(
                [str(SUPERVISORD), "-n", "-c", str(conf)],
                env=clean_environment(self._settings),
                cwd=self.base,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )

    @property
    def roles(self) -> tuple[str, ...]:
        """Everybody who must live exactly once."""
        return (GUARDIAN, SUPERVISOR, *self.services)

    def census(self) -> Census:
        """Return who lives now."""
        return take(self.state)

    def health(self) -> dict[str, Any]:
        """Return health.json, empty while there is none."""
        with suppress(FileNotFoundError):
            document: dict[str, Any] = json.loads((self.state / "health.json").read_bytes())
            return document
        return {}

    def incident_lines(self) -> list[dict[str, Any]]:
        """Return every line of logs/incidents.jsonl."""
        with suppress(FileNotFoundError):
            text = (self.logs / "incidents.jsonl").read_text("utf-8")
            return [json.loads(line) for line in text.splitlines()]
        return []

    def command(self, *words: str, timeout_s: float) -> Finished:
        """Run a Python command in the project on the same folders."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=clean_environment(self._settings),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def stop(self) -> int:
        """Ask supervisord for the end of everything; return its exit code."""
        if self._outer is None:
            raise AssertionError("it was never started")
        self._outer.send_signal(signal.SIGTERM)
        return self._outer.wait(timeout=STOP_S)

    def end(self) -> None:
        """End whoever is left, however the run went: from above, so that nobody is revived."""
        if self._outer is not None and self._outer.poll() is None:
            self._outer.kill()
            self._outer.wait(timeout=10)
        for _ in range(5):
            left = self.census().pids
            for role in sorted(left, key=self._from_above):
                for pid in left[role]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def _from_above(self, role: str) -> int:
        order = (OUTER, *self.roles)
        return order.index(role) if role in order else len(order)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def seconds_since_boot() -> float:
    """Return the clock by which health.json says its age."""
    return SystemClock().boottime_s()


@contextmanager
def guarded(base: Path, **settings: str) -> Iterator[Guarded]:
    """Run the whole system under supervisord below `base`; always end all of it."""
    system = Guarded(base, settings)
    system.start()
    try:
        yield system
    finally:
        system.end()
