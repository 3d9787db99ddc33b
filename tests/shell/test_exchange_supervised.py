"""exchange-sim as a service: endpoints.json, its own keys only, READY, beats, exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from services.exchange_sim.store import Store
from shared.config.endpoints import exchange_endpoints, write_endpoints
from shared.errors import TransientFault
from tests.support.exchange_process import ROOT

pytestmark = pytest.mark.integration
WAIT_S = 20


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def environ_of(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment that a supervisor gives."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("SIM_", "APCA_"))
    }
    return inherited | {
        "STATE_DIR": str(folder / "state"),
        "LOG_DIR": str(folder / "logs"),
        "TRADING_MODE": "sim",
        "SHT_ENV_FILE": "",
        "SHT_SERVICE": "exchange-sim",
        "SHT_BEAT_S": "0.2",
        **more,
    }


@contextmanager
def running(environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service; it is dead afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.exchange_sim"],
        cwd=ROOT,
        env=environ,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT_S)
        assert process.stderr is not None
        process.stderr.close()


def test_service_when_supervised_then_ready_beats_and_only_its_keys(tmp_path: Path) -> None:
    """It listens where endpoints.json says, says READY, beats with metrics, refuses foreign
    keys without a code, and ends with 0 when asked.
    """
    port = free_port()
    write_endpoints(
        tmp_path / "state/run/endpoints.json",
        exchange=exchange_endpoints(port, "own-key", "own-secret"),
        dashboard_url=None,
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n.sock"))
        listener.settimeout(WAIT_S)
        with running(environ_of(tmp_path, NOTIFY_SOCKET=str(tmp_path / "n.sock"))) as process:
            heard = listener.recv(8192).decode()
            while "X_METRICS" not in heard:
                heard += "\n" + listener.recv(8192).decode()
            url = f"http://127.0.0.1:{port}/v2/account"
            own = {"APCA-API-KEY-ID": "own-key", "APCA-API-SECRET-KEY": "own-secret"}
            replies = [
                requests.get(url, headers=headers, timeout=WAIT_S)
                for headers in (own, own | {"APCA-API-SECRET-KEY": "other"}, {})
            ]
            process.send_signal(signal.SIGTERM)
            code = process.wait(WAIT_S)

    assert heard.startswith("READY=1")
    assert "WATCHDOG=1" in heard
    assert "X_HEALTH=OK" in heard
    assert f"X_PORT={port}" in heard
    metrics = json.loads(heard.split("X_METRICS=")[1].splitlines()[0])
    assert {"replay_finished", "orders", "fills", "dropped_rows"} <= set(metrics)
    assert [reply.status_code for reply in replies] == [200, 403, 401]
    assert replies[1].json() == {"message": "forbidden."}
    assert code == 0
    assert (tmp_path / "state/exchange_sim.db").exists()
    log = (tmp_path / "logs/exchange-sim.jsonl").read_text(encoding="utf-8")
    assert "own-secret" not in log


@pytest.mark.parametrize(
    ("setting", "value", "code", "words"),
    [
        ("SIM_SPEED", "-1", 78, "SIM_SPEED"),
        ("SIM_SEED", "1", 75, "endpoints.json is missing"),
    ],
)
def test_service_when_it_cannot_start_then_the_code_says_who_must_act(
    tmp_path: Path, setting: str, value: str, code: int, words: str
) -> None:
    """Wrong settings end with 78, a supervisor's file that is not there yet with 75."""
    with running(environ_of(tmp_path, **{setting: value})) as process:
        _, errors = process.communicate(timeout=WAIT_S)

    assert process.returncode == code
    assert words in errors.decode()


def test_service_when_the_replay_is_no_bar_file_then_78_names_it(tmp_path: Path) -> None:
    """A file that is not a bar file is a configuration fault, told in the last words."""
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n", encoding="utf-8")
    write_endpoints(
        tmp_path / "state/run/endpoints.json",
        exchange=exchange_endpoints(free_port(), "own-key", "own-secret"),
        dashboard_url=None,
    )
    with running(environ_of(tmp_path, SIM_REPLAY=str(wrong))) as process:
        process.communicate(timeout=WAIT_S)

    words = json.loads((tmp_path / "logs/last_words/exchange-sim.json").read_text("utf-8"))
    assert (process.returncode, words["class"]) == (78, "CONFIG")
    assert "wrong.csv" in words["message"]


def test_database_when_another_exchange_has_it_then_75_and_the_first_goes_on(
    tmp_path: Path,
) -> None:
    """Two processes never write one account."""
    first = Store(tmp_path / "books.db")
    try:
        with pytest.raises(TransientFault, match="another exchange"):
            Store(tmp_path / "books.db", lock_wait_s=0.1)
    finally:
        first.close()
