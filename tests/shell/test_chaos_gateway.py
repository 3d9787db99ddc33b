"""The gateway before a broker: it passes on, refuses for its lease, and ends with its users."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import requests
from websockets.sync.client import connect

from chaos.gateway import Plan
from chaos.gateway_act import GatewayAct, read_note
from chaos.row import GATEWAY_DOWN, GATEWAY_REFUSES
from shared.clock import SystemClock
from shared.errors import SystemFault
from tests.support.exchange_process import HEADERS, ExchangeProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 20
LEASE_S = 2.0


@dataclass(frozen=True)
class Between:
    """A gateway and the folder of its note."""

    port: int
    run: Path

    def clock(self) -> int:
        """Ask the broker's clock through the gateway; 0 when the connection breaks."""
        url = f"http://127.0.0.1:{self.port}/v2/clock"
        try:
            return requests.get(url, headers=HEADERS, timeout=WAIT_S).status_code
        except requests.ConnectionError:
            return 0

    def pid(self) -> int:
        """Return the pid of who serves."""
        return int(read_note(self.run)["pid"])

    def is_told(self) -> bool:
        """Whether the note stands."""
        with suppress(SystemFault):
            return bool(read_note(self.run))
        return False


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Between]:
    """A gateway before a real exchange."""
    folder = tmp_path_factory.mktemp("gateway")
    run = folder / "state" / "run"
    with ExchangeProcess(folder) as exchange, socket.create_server(("127.0.0.1", 0)) as listening:
        run.mkdir(parents=True, exist_ok=True)
        number = listening.fileno()
        plan = Plan({str(number): exchange.url}, {"ALPACA_TRADING_URL": "x"}, LEASE_S, str(run))
        process = subprocess.Popen(
            [sys.executable, "-m", "chaos.gateway", json.dumps(asdict(plan))],
            cwd=ROOT,
            pass_fds=[number],
        )
        found = Between(listening.getsockname()[1], run)
        wait_until(found.is_told, WAIT_S)
        yield found
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
        os.kill(found.pid(), signal.SIGKILL)


def test_gateway_when_it_is_killed_then_the_way_to_the_broker_is_open_again(
    between: Between,
) -> None:
    """A dead injector must not become the fault that never ends."""
    first = between.pid()
    assert between.clock() == 200
    os.kill(first, signal.SIGKILL)

    assert between.clock() == 200
    wait_until(lambda: between.pid() != first, WAIT_S)


@pytest.mark.parametrize(("fault", "status"), [(GATEWAY_DOWN, 0), (GATEWAY_REFUSES, 401)])
def test_gateway_when_a_fault_acts_then_it_does_for_its_lease_and_counts(
    between: Between, fault: str, status: int
) -> None:
    """It passes on, refuses, and passes on again with nobody's help."""
    assert between.clock() == 200
    act = GatewayAct(fault, LEASE_S, between.run, SystemClock())
    act.begin()
    wait_until(lambda: between.clock() == status, WAIT_S)
    wait_until(lambda: act.acted() > 0, WAIT_S)
    wait_until(lambda: between.clock() == 200, WAIT_S)

    assert act.is_over()


def test_gateway_when_a_stream_is_open_then_it_passes_and_is_cut_when_down(
    between: Between,
) -> None:
    """Streams go through in both directions, and `alpaca_down` takes them too."""
    login = {"action": "auth", "key": "key", "secret": "secret"}
    with connect(f"ws://127.0.0.1:{between.port}/stream", close_timeout=1) as stream:
        stream.send(json.dumps(login))
        assert "authorized" in str(json.loads(stream.recv(WAIT_S)))
        GatewayAct(GATEWAY_DOWN, LEASE_S, between.run, SystemClock()).begin()
        with pytest.raises(Exception, match="no close frame"):
            stream.recv(WAIT_S)
    wait_until(lambda: between.clock() == 200, WAIT_S)


def test_gateway_when_nobody_is_left_who_could_ask_then_it_ends(tmp_path: Path) -> None:
    """No process stays behind: whoever started it is dead and no service lives."""
    run = tmp_path / "state" / "run"
    run.mkdir(parents=True)
    plan = Plan({}, {}, LEASE_S, str(run))
    script = (
        "import subprocess, sys, time\n"
        "process = subprocess.Popen([sys.executable, '-m', 'chaos.gateway', sys.argv[1]])\n"
        "print(process.pid, flush=True); time.sleep(1.5)"
    )
    command = [sys.executable, "-c", script, json.dumps(asdict(plan))]
    done = subprocess.run(
        command, cwd=ROOT, timeout=WAIT_S, check=True, capture_output=True, text=True
    )
    pid = int(done.stdout)

    wait_until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), WAIT_S)


def _is_zombie(pid: int) -> bool:
    with suppress(OSError):
        return b") Z" in Path(f"/proc/{pid}/stat").read_bytes()
    return os.getpid() != pid
