"""A real supervisor over small scripted services that speak sd_notify."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.supervisor.leftovers import stop_by_records
from services.supervisor.own_files import GUARDIAN, SUPERVISOR, read_pid_file
from tests.support.system import DEPLOY, ROOT, Finished, clean_environment
from tests.support.waiting import wait_until

ACTOR = """
import os, signal, socket, sys, time
talk = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(text):
    try:
        talk.sendto(text.encode(), os.environ['NOTIFY_SOCKET'])
    except OSError:
        pass
def serve(extra='', seconds=3600, every=0.1):
    say('READY=1')
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        turn += 1
        say('WATCHDOG=1\\nX_HEALTH=OK\\nX_PROGRESS=%d\\n%s' % (turn, extra))
        time.sleep(every)
"""
"""What every scripted service begins with; the rest of its script follows."""


@dataclass(frozen=True, slots=True)
class Actor:
    """One scripted service: the end of its script, and its row."""

    script: str = "serve()"
    row: str = "critical = true"


def row_of(name: str, actor: Actor) -> str:
    """Return the table's row of a scripted service."""
    command = json.dumps([sys.executable, "-S", "-E", "-c", ACTOR + actor.script])
    defaults = "" if "beat_s" in actor.row else "beat_s = 0.2\n"
    defaults += "" if "watchdog_s" in actor.row else "watchdog_s = 2.0\n"
    defaults += "" if "stop_s" in actor.row else "stop_s = 3.0\n"
    return f"[service.{name}]\ncommand = {command}\n{defaults}{actor.row}\n"


class Supervised:
    """The running system, seen from outside."""

    def __init__(self, base: Path, process: subprocess.Popen[str], settings: Mapping[str, str]):
        self.base = base
        self.process = process
        self.settings = dict(settings)
        self.state = Path(settings["STATE_DIR"])
        self.logs = Path(settings["LOG_DIR"])

    def health(self) -> dict[str, Any]:
        """Return health.json, empty while there is none."""
        with suppress(FileNotFoundError):
            document: dict[str, Any] = json.loads((self.state / "health.json").read_bytes())
            return document
        return {}

    def service(self, name: str) -> dict[str, Any]:
        """Return one service of health.json, empty while it is not there."""
        found: dict[str, Any] = self.health().get("services", {}).get(name, {})
        return found

    def pid(self, name: str) -> int:
        """Return the pid of a service."""
        return int(self.service(name)["pid"])

    def wait_for(self, name: str, timeout_s: float = 10, **wanted: object) -> dict[str, Any]:
        """Wait until the service shows these values; return it."""

        def shows() -> bool:
            service = self.service(name)
            return all(service.get(key) == value for key, value in wanted.items())

        wait_until(shows, timeout_s, f"{name} {wanted}, but {self.service(name)}")
        return self.service(name)

    def wait_ok(self, timeout_s: float = 10) -> None:
        """Wait until the whole is OK."""
        wait_until(lambda: self.health().get("overall") == "OK", timeout_s, "OK")

    def supervisor_pid(self) -> int:
        """Return the pid of the supervisor that wrote last."""
        return int(self.health()["supervisor"]["pid"])

    def command(self, *words: str, timeout_s: float = 30) -> Finished:
        """Run one command of deploy_supervisor.py on the same folders."""
        done = subprocess.run(
            [sys.executable, str(DEPLOY), *words],
            cwd=ROOT,
            env=clean_environment(self.settings),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def incidents(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of incidents.jsonl about a service."""
        lines = (self.logs / "incidents.jsonl").read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines]
        return [line for line in found if line["service"] == name]

    def stop(self) -> int:
        """Ask for the end by SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return int(self.process.returncode)


def settings_below(base: Path, **more: str) -> dict[str, str]:
    """Return settings with folders below `base`."""
    (base / ".env").touch(mode=0o600)
    return {
        "TRADING_MODE": "sim",
        "STATE_DIR": str(base / "state"),
        "LOG_DIR": str(base / "logs"),
        "SHT_ENV_FILE": str(base / ".env"),
        **more,
    }


def write_table(base: Path, actors: Mapping[str, Actor]) -> Path:
    """Write the service table of the scripted services."""
    table = base / "services.toml"
    table.write_text("\n".join(row_of(name, one) for name, one in actors.items()), "utf-8")
    return table


@contextmanager
def supervised(base: Path, actors: Mapping[str, Actor], **more: str) -> Iterator[Supervised]:
    """Run the scripted services under a real guardian and supervisor; always end all of them."""
    settings = settings_below(base, **more)
    table = write_table(base, actors)
    command = [sys.executable, str(DEPLOY), "run", "--services", str(table)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(settings),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    system = Supervised(base, process, settings)
    try:
        yield system
    finally:
        end_everything(system)


def end_everything(system: Supervised) -> None:
    """End guardian, supervisor and services, however the test left them."""
    if system.process.poll() is None:
        system.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            system.process.communicate(timeout=20)
    run_folder = system.state / "run"
    for name in (GUARDIAN, SUPERVISOR):
        left = read_pid_file(run_folder, name)
        if left is not None:
            left.send(signal.SIGKILL)
            left.close()
    if run_folder.exists():
        stop_by_records(run_folder)
    if system.process.poll() is None:
        system.process.kill()
        system.process.communicate(timeout=10)


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in (b"Z", b"X")


def own_pids_with(*texts: str) -> list[int]:
    """Return pids whose environment names all these texts: those of one state folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            environment = (entry / "environ").read_bytes()
            named = all(text.encode() in environment for text in texts)
            if named and is_alive(int(entry.name)):
                found.append(int(entry.name))
    return found
