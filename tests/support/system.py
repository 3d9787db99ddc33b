"""Starts the whole system as a user does, in folders of its own, and always ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy_supervisor.py"
_OURS = ("TRADING_", "SIM_", "APCA_", "ALPACA_", "UW_", "CHAOS_", "DASHBOARD_", "SHT_", "MAX_")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished command left."""

    code: int
    out: str
    err: str


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return this environment without any setting of the product, and the extras."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    for name in ("STATE_DIR", "LOG_DIR", "SYMBOLS", "STRATEGIES", "SECONDS_TO_RUN"):
        kept.pop(name, None)
    return kept | dict(extra)


def folders(base: Path) -> dict[str, str]:
    """Return the settings for state and logs below `base`, and an empty .env there."""
    (base / ".env").touch(mode=0o600)
    return {
        "STATE_DIR": str(base / "state"),
        "LOG_DIR": str(base / "logs"),
    }


def deploy(
    base: Path, *arguments: str, settings: Mapping[str, str] | None = None, timeout_s: float = 60
) -> Finished:
    """Run `deploy_supervisor.py ARGUMENTS` to its end."""
    environment = clean_environment({**folders(base), **(settings or {})})
    command = [sys.executable, str(DEPLOY), *arguments, *_env_file(base, arguments)]
    with _process(command, environment) as process:
        out, err = process.communicate(timeout=timeout_s)
        return Finished(process.returncode, out, err)


def _env_file(base: Path, arguments: tuple[str, ...]) -> tuple[str, ...]:
    takes_file = (not arguments or arguments[0] in ("run", "check")) and (
        "--env-file" not in arguments
    )
    return ("--env-file", str(base / ".env")) if takes_file else ()


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate(timeout=10)


@contextmanager
def running_system(
    base: Path, *arguments: str, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start `run` in the background; stop it by SIGTERM at the end."""
    environment = clean_environment({**folders(base), **(settings or {})})
    command = [sys.executable, str(DEPLOY), "run", *arguments, *_env_file(base, ("run",))]
    with _process(command, environment) as process:
        yield process


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def log_lines(path: Path) -> list[dict[str, Any]]:
    """Return every line of a JSON log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
