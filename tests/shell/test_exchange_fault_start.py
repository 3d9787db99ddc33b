"""Faults of a real exchange-sim that is asked for them, started with them, or dies under them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exchange_faults import (
    acted,
    fault_state,
    heal,
    switch_on,
)
from tests.support.exchange_process import ROOT, ExchangeProcess, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as one:
        yield one


@pytest.fixture
def exchange(process: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield process
    heal(process)


def test_fault_when_scoped_by_process_then_only_that_process_suffers(
    exchange: ExchangeProcess,
) -> None:
    """The other end of the connection is known by its process id."""
    mine = switch_on(exchange, "moved", scope={"process": str(os.getpid())})
    assert exchange.call("GET", "/v2/clock", allow_redirects=False).status_code == 301
    heal(exchange)
    other = switch_on(exchange, "moved", scope={"process": "trading-bot"})

    assert exchange.call("GET", "/v2/clock", allow_redirects=False).status_code == 200
    assert (acted(exchange, mine), acted(exchange, other)) == (1, 0)


def test_fault_when_it_may_act_twice_with_a_chance_then_it_obeys(
    exchange: ExchangeProcess,
) -> None:
    """`times` ends it; the same seed strikes the same requests."""
    fault = switch_on(exchange, "moved", times=2)
    codes = [exchange.call("GET", "/v2/clock", allow_redirects=False).status_code for _ in range(3)]
    assert (codes, acted(exchange, fault)) == ([301, 301, 200], 2)

    def struck() -> list[int]:
        switch_on(exchange, "moved", probability=0.5, seed=11)
        found = [
            exchange.call("GET", "/v2/clock", allow_redirects=False).status_code for _ in range(12)
        ]
        heal(exchange)
        return found

    first = struck()
    assert first == struck()
    assert set(first) == {200, 301}


def test_request_for_a_fault_when_bad_then_422_names_field_value_and_mend(
    exchange: ExchangeProcess,
) -> None:
    """Every problem at once; nothing was switched."""
    before = exchange.call("GET", "/sim/faults").json()["faults"]

    answer = exchange.call(
        "POST", "/sim/faults", json={"kind": "dribble", "lease_s": -1, "scope": {"method": "GO"}}
    )

    assert answer.status_code == 422
    rows = {row["field"]: row for row in answer.json()["problems"]}
    assert rows["lease_s"]["value"] == "-1"
    assert rows["scope.method"]["mend"].startswith("choose one of GET, POST")
    assert exchange.call("GET", "/sim/faults").json()["faults"] == before
    assert exchange.call("DELETE", "/sim/faults/none").status_code == 404
    assert "dribble" in exchange.call("GET", "/sim/faults/kinds").json()
    assert exchange.call("GET", "/sim/faults", headers={}).status_code == 401


def test_lease_when_the_exchange_dies_then_it_runs_on_and_ends_by_itself(tmp_path: Path) -> None:
    """SIGKILL neither heals nor prolongs: lease, counter and probability survive on disk."""
    with ExchangeProcess(tmp_path) as exchange:
        brief = switch_on(exchange, "field_removed", lease_s=1, parameters={"path": "cash"})
        long = switch_on(exchange, "field_removed", lease_s=60, parameters={"path": "equity"})
        assert "cash" not in exchange.call("GET", "/v2/account").json()
        saved = tmp_path / "state" / "exchange_sim_standalone.faults.json"
        wait_until(lambda: saved.read_text().count('"acted":1') == 2)

        exchange.kill()
        exchange.start()

        assert "equity" not in exchange.call("GET", "/v2/account").json()
        wait_until(lambda: fault_state(exchange, brief)["state"] == "ended")
        account = exchange.call("GET", "/v2/account").json()
        assert "cash" in account
        assert "equity" not in account
        assert fault_state(exchange, long)["acted"] >= 3
        assert fault_state(exchange, long)["left_s"] < 60


def test_faults_file_when_damaged_then_it_is_kept_aside_and_the_exchange_serves(
    tmp_path: Path,
) -> None:
    """A broken file of faults is no reason to be down."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "exchange_sim_standalone.faults.json").write_text('{"boot_id":')

    with ExchangeProcess(tmp_path) as exchange:
        assert exchange.call("GET", "/sim/faults").json() == {"faults": []}

    assert list((tmp_path / "state").glob("exchange_sim_standalone.faults.json.corrupt.*"))


def test_fault_when_given_at_the_start_then_it_acts_from_the_first_request(
    tmp_path: Path,
) -> None:
    """Configuration switches as the endpoint does."""
    options = ("--fault", "field_removed lease_s=60 path=cash endpoint=/v2/account")
    with ExchangeProcess(tmp_path, *options) as exchange:
        assert "cash" not in exchange.call("GET", "/v2/account").json()
        (fault,) = exchange.call("GET", "/sim/faults").json()["faults"]
        assert fault["acted"] == 1


def test_fault_when_the_option_makes_no_sense_then_78_and_the_mend(tmp_path: Path) -> None:
    """Nothing starts half right."""
    command = [sys.executable, "-m", "services.exchange_sim", "--fault", "silence lease_s=0"]
    environ = os.environ | {"STATE_DIR": str(tmp_path / "s"), "LOG_DIR": str(tmp_path / "l")}

    ended = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=20, check=False
    )

    assert ended.returncode == 78
    assert "--fault: lease_s 0: write a number from 0.001 to 86400" in ended.stderr
