"""What happens between CHAOS_MODE and a start: a gateway where one is needed, then the saboteur."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from chaos.catalogue import rows_of
from chaos.gateway import Plan
from chaos.gateway_act import read_note
from chaos.row import Row
from services.supervisor.ignition import overrides_of
from services.supervisor.launch import REPOSITORY
from services.supervisor.own_files import GUARDIAN, read_pid_file
from services.supervisor.processes import open_process, start_ticks
from shared.config.endpoints import Endpoints, load_endpoints
from shared.config.faults import SettingFault, SettingsFault
from shared.config.ignition import load_for_start
from shared.config.settings import Settings
from shared.errors import ConfigFault, TransientFault
from shared.models.mode import Mode

LOOPBACK = "127.0.0.1"
NO_SABOTEUR = "SHT_DRILL"
"""Set by the drill runner, which breaks things itself."""


def arm(arguments: argparse.Namespace) -> None:
    """Get ready for what CHAOS_MODE names; whatever else is wrong, the start itself says.

    Raises ConfigFault when a fault of it cannot act in this mode.
    """
    env_file = None if arguments.env_file is None else Path(arguments.env_file).absolute()
    overrides = overrides_of(arguments)
    try:
        settings = load_for_start(arguments.confirm, env_file=env_file, overrides=overrides)
    except ConfigFault:
        return
    rows = rows_of(settings.chaos_faults)
    if not rows or _is_guarded(settings.state.run):
        return
    if settings.trading_mode is not Mode.SIM:
        _check_reach(rows, settings)
        if any(row.injection.gateway for row in rows):
            _stand_between(settings, rows)
    if os.environ.get(NO_SABOTEUR):
        return
    environment = {**os.environ, **overrides}
    if env_file is not None:
        environment["SHT_ENV_FILE"] = str(env_file)
    own_pid = os.getpid()  # this very process becomes the guardian
    command = [sys.executable, "-m", "chaos.saboteur", str(own_pid), str(start_ticks(own_pid) or 0)]
    subprocess.Popen(command, cwd=REPOSITORY, env=environment, start_new_session=True)


def _is_guarded(run_folder: Path) -> bool:
    """Whether another system has this folder: it is not ours to break, and no second one starts."""
    guardian = read_pid_file(run_folder, GUARDIAN)
    if guardian is not None:
        guardian.close()
    return guardian is not None


def _check_reach(rows: tuple[Row, ...], settings: Settings) -> None:
    out_of_reach = [row.name for row in rows if row.injection.wire and not row.injection.gateway]
    if out_of_reach:
        mode = settings.trading_mode
        problem = f"{', '.join(out_of_reach)} acts in the embedded exchange, not in mode {mode}"
        fault = SettingFault("CHAOS_MODE", settings.chaos_mode, problem, "Use TRADING_MODE=sim")
        raise SettingsFault([fault], mode=mode, hidden=settings.secret_values())


def _stand_between(settings: Settings, rows: tuple[Row, ...]) -> None:
    """Put the gateway before the broker and say its addresses to everybody started after us."""
    run_folder = settings.state.run
    addresses = _addresses_of_living(run_folder)
    if addresses is None:
        lease_s = settings.chaos_duration_s or max(row.bounds.lease_s for row in rows)
        addresses = _start_gateway(load_endpoints(settings), lease_s, run_folder)
    os.environ.update(addresses)


def _start_gateway(found: Endpoints, lease_s: float, run_folder: Path) -> dict[str, str]:
    upstreams = {
        "ALPACA_TRADING_URL": found.trading_url,
        "ALPACA_DATA_URL": found.data_url,
        "ALPACA_STREAM_URL": found.trading_stream_url,
        "ALPACA_DATA_STREAM_URL": found.data_stream_url,
    }
    sockets = {name: socket.create_server((LOOPBACK, 0)) for name in upstreams}
    addresses = {
        name: _address(url, sockets[name].getsockname()[1]) for name, url in upstreams.items()
    }
    descriptors = {str(sockets[name].fileno()): url for name, url in upstreams.items()}
    plan = Plan(descriptors, addresses, lease_s, str(run_folder))
    run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.Popen(
        [sys.executable, "-m", "chaos.gateway", json.dumps(asdict(plan))],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[one.fileno() for one in sockets.values()],
        start_new_session=True,
    )
    for one in sockets.values():
        one.close()
    return addresses


def _address(url: str, port: int) -> str:
    parts = urlsplit(url)
    scheme = "ws" if parts.scheme in ("ws", "wss") else "http"
    return f"{scheme}://{LOOPBACK}:{port}{parts.path}"


def _addresses_of_living(run_folder: Path) -> dict[str, str] | None:
    """Return where an earlier run's gateway stands, which its services still use."""
    with suppress(TransientFault):
        note = read_note(run_folder)
        process = open_process(note["pid"], note["ticks"])
        if process is not None:
            process.close()
            return dict(note["addresses"])
    return None
