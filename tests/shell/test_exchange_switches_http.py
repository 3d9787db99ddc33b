"""The switches of a real exchange process: on the command line and while it runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exchange_orders import BRACKET, FAR_BUY, send, until_status
from tests.support.exchange_process import ROOT, ExchangeProcess, wait_until

pytestmark = pytest.mark.integration

WAIT_S = 20
CURSORS = ("after_order_id", "before_order_id")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path, "--speed", "1") as process:
        yield process


def test_cancel_all_when_some_cannot_then_207_with_a_row_for_each(tmp_path: Path) -> None:
    """A row is 200 with the order or 422 with the refusal: the 207 itself says nothing."""
    with ExchangeProcess(tmp_path, "--speed", "1", "--switch", "replace_lag_s=3600") as exchange:
        simple, group = send(exchange, **FAR_BUY), send(exchange, **BRACKET)
        until_status(exchange, simple["id"], "new")
        until_status(exchange, group["id"], "new")
        changed = exchange.call("PATCH", f"/v2/orders/{simple['id']}", json={"limit_price": "5.5"})
        assert changed.json()["replaces"] == simple["id"]

        answer = exchange.call("DELETE", "/v2/orders")

        assert answer.status_code == 207
        rows = {row["id"]: row for row in answer.json()}
        assert rows[simple["id"]]["status"] == 422
        assert "pending replacement" in rows[simple["id"]]["body"]["message"]
        assert rows[group["id"]]["status"] == 200
        assert rows[group["id"]]["body"]["status"] == "pending_cancel"
        until_status(exchange, group["id"], "canceled")


def test_look_up_when_lagging_then_404_until_the_order_is_seen(tmp_path: Path) -> None:
    """A just accepted order is not found by either id, nor as a cursor; its client id is taken."""
    with ExchangeProcess(tmp_path, "--speed", "10", "--switch", "lookup_lag_s=20") as exchange:
        order = send(exchange, **FAR_BUY, client_order_id="mine")
        paths = (
            f"/v2/orders/{order['id']}",
            "/v2/orders:by_client_order_id?client_order_id=mine",
        )

        cursors = [f"/v2/orders?{name}={order['id']}" for name in CURSORS]
        hidden = (*paths, *cursors)
        assert [exchange.call("GET", path).status_code for path in hidden] == [404] * 4
        double = exchange.call("POST", "/v2/orders", json=FAR_BUY | {"client_order_id": "mine"})
        assert (double.status_code, double.json()["message"]) == (
            422,
            "client_order_id must be unique",
        )
        wait_until(lambda: [exchange.call("GET", path).status_code for path in paths] == [200, 200])


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        (["--switch", "sibling_end=gone"], {}),
        (["--switch", "over_close=on"], {"SHT_EXCHANGE_SWITCHES": "halted=A,B sibling_end=gone"}),
    ],
)
def test_switch_when_it_cannot_be_read_then_the_exchange_does_not_start(
    options: list[str], environ: dict[str, str], tmp_path: Path
) -> None:
    """Exit 78, and a sentence with the mend; from the environment as from the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "services.exchange_sim", *options],
        cwd=ROOT,
        env={
            "STATE_DIR": str(tmp_path / "state"),
            "LOG_DIR": str(tmp_path / "logs"),
            "SHT_ENV_FILE": "",
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )

    assert done.returncode == 78
    assert "sibling_end='gone'" in done.stderr
    assert "canceled" in done.stderr


def test_switches_when_patched_then_they_act_at_once(exchange: ExchangeProcess) -> None:
    """The local endpoint changes one and shows all; what it cannot read changes nothing."""
    before = exchange.call("GET", "/sim/switches").json()
    assert (before["stuck_cancels"], before["halted"]) == (False, [])
    body = {"stuck_cancels": True, "halted": ["AAPL"], "cancel_lag_s": 1}

    after = exchange.call("PATCH", "/sim/switches", json=body).json()

    assert after == before | body | {"cancel_lag_s": 1.0}
    order = send(exchange, **FAR_BUY | {"type": "market", "limit_price": None})
    until_status(exchange, order["id"], "new")
    assert exchange.call("DELETE", f"/v2/orders/{order['id']}").status_code == 204
    wrong = exchange.call("PATCH", "/sim/switches", json={"halted": [], "sibling_end": "odd"})
    assert (wrong.status_code, "canceled" in wrong.json()["message"]) == (422, True)
    assert exchange.call("GET", "/sim/switches").json() == after
    exchange.call("PATCH", "/sim/switches", json={"stuck_cancels": "off"})
    until_status(exchange, order["id"], "canceled")


def test_single_order_when_asked_for_without_its_legs_then_a_switch_says_whether_they_come(
    exchange: ExchangeProcess,
) -> None:
    """`nested=false` is not obeyed for one order; switched on it is, as the specification says."""
    order = send(exchange, **BRACKET)
    paths = [f"/v2/orders/{order['id']}{query}" for query in ("", "?nested=true", "?nested=false")]

    def legs_shown() -> list[int]:
        found = [exchange.call("GET", path).json()["legs"] for path in paths]
        return [len(legs or []) for legs in found]

    assert legs_shown() == [2, 2, 2]
    exchange.call("PATCH", "/sim/switches", json={"single_order_unnested": True})
    assert legs_shown() == [2, 2, 0]
