"""`python -m services.exchange_sim` as somebody meets it who has nothing else of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.exchange_faults import acted, heal, switch_on
from tests.support.exchange_process import CALL_S, HEADERS, ROOT, ExchangeProcess, wait_until

pytestmark = pytest.mark.integration
LIMIT = {"symbol": "SPY", "qty": "1", "side": "buy", "type": "limit", "limit_price": "2"}
LIMIT |= {"time_in_force": "gtc", "client_order_id": "kept"}


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    environ = os.environ | {"STATE_DIR": str(folder / "state"), "LOG_DIR": str(folder / "logs")}
    return subprocess.run(
        [sys.executable, "-m", "services.exchange_sim", *options],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=CALL_S,
        check=False,
    )


def test_help_when_asked_for_then_every_option_says_what_it_does(tmp_path: Path) -> None:
    """Nobody must read the source to start it."""
    ended = run(tmp_path, "--help")

    lines = [line.strip() for line in ended.stdout.splitlines() if line.startswith("  --")]
    assert ended.returncode == 0
    assert len(lines) >= 15
    for option in ("--port", "--db", "--key-id", "--fault", "--switch", "--replay", "--speed"):
        assert option in ended.stdout
    assert "url_override" in ended.stdout
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--port", "x"), 2, "argument --port: invalid int value: 'x'"),
        (("--port", "65536"), 78, "--port 65536: is no port. Write 0 to 65535."),
        (("--key-id", "", "--secret-key", ""), 78, "is empty"),
        (("--speed", "warp"), 78, "SIM_SPEED=warp: is no number"),
        (("--cash", "-1"), 78, "SIM_CASH=-1: is out of range"),
        (("--symbols", "1!"), 78, "SYMBOLS=1!: has no US stock symbol"),
        (("--replay", "no/such/folder"), 78, "SIM_REPLAY=folder: cannot be opened"),
        (("--fault", "tea lease_s=3"), 78, "--fault: kind 'tea': choose one of refuse_connection"),
        (("--switch", "tea=3"), 78, "write NAME=VALUE"),
        (("--host", "192.0.2.1", "--port", "0"), 78, "cannot listen on 192.0.2.1:0"),
    ],
)
def test_option_when_bad_then_the_field_the_value_and_the_mend_are_said(
    tmp_path: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    """A sentence, no traceback, the exit code of a fault in the settings."""
    ended = run(tmp_path, *options)

    assert ended.returncode == code
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def test_start_when_alone_then_urls_and_keys_are_printed_and_no_secret(tmp_path: Path) -> None:
    """Everything that a client needs stands on the screen."""
    options = ("--key-id", "AKPRINTED", "--secret-key", "sk-never-shown")
    with ExchangeProcess(tmp_path, *options) as exchange:
        said = exchange.greeting()
        logs = "".join(path.read_text() for path in (tmp_path / "logs").glob("*.jsonl"))

    base = f"127.0.0.1:{exchange.port}"
    for words in (
        f"http://{base} ",
        f"ws://{base}/stream ",
        f"ws://{base}/v2/iex ",
        "AKPRINTED",
        f"http://{base}/sim/faults",
        "exchange_sim_standalone.db",
    ):
        assert words in said
    assert "sk-never-shown" not in said + logs


@pytest.mark.parametrize("death", ["kill", "stop"])
def test_state_when_started_again_then_orders_and_ids_are_kept(tmp_path: Path, death: str) -> None:
    """The books of a standalone exchange survive; a client id stays taken for ever."""
    with ExchangeProcess(tmp_path) as exchange:
        first = exchange.call("POST", "/v2/orders", json=LIMIT).json()
        getattr(exchange, death)()
        exchange.start()

        again = exchange.call("POST", "/v2/orders", json=LIMIT)
        found = exchange.call("GET", f"/v2/orders/{first['id']}").json()

    assert (again.status_code, again.json()["code"]) == (422, 40010001)
    assert found["client_order_id"] == "kept"


def test_fault_when_healed_while_requests_wait_then_all_is_as_before(tmp_path: Path) -> None:
    """After every kind of broken connection a plain client works at once."""
    with ExchangeProcess(tmp_path) as exchange:
        for kind in ("reset", "reset_mid_body", "truncated"):
            fault = switch_on(exchange, kind, scope={"endpoint": "/v2/account"})
            for _ in range(20):
                with pytest.raises(requests.RequestException):
                    requests.get(f"{exchange.url}/v2/account", headers=HEADERS, timeout=CALL_S)
            assert acted(exchange, fault) == 20
            heal(exchange)
            wait_until(lambda: exchange.call("GET", "/v2/account").status_code == 200)
        assert exchange.stop() == 0
