"""A user's own program with plain alpaca-py against the exchange, as the README promises it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.exchange_process import ROOT, ExchangeProcess

PROGRAM = ROOT / "examples" / "own_program.py"
LINES_OF_CODE_MAX = 40
TIMEOUT_S = 60


def run_program(url: str) -> subprocess.CompletedProcess[str]:
    """Run the example to its end."""
    command = [sys.executable, str(PROGRAM), url]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


@pytest.mark.integration
def test_own_program_when_the_exchange_serves_then_it_buys_and_is_flat_again(
    tmp_path: Path,
) -> None:
    """The example trades twice in a row, leaves nothing open, and needs no state of ours."""
    with ExchangeProcess(tmp_path, "--db", str(tmp_path / "books.db")) as exchange:
        finished = [run_program(exchange.url) for _ in range(2)]

        for one in finished:
            assert one.returncode == 0, one.stderr
            assert one.stdout.startswith("bought 2 SPY at ")
            assert "flat again, equity " in one.stdout
        assert exchange.call("GET", "/v2/positions").json() == []
        assert exchange.call("GET", "/v2/orders").json() == []


@pytest.mark.unit
def test_own_program_when_read_then_it_is_short() -> None:
    """An example is read before it is run."""
    lines = PROGRAM.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= LINES_OF_CODE_MAX
