"""The guard: all checks of an entry, in Decimal, with the full trace."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from shared.models.limits import Limits
from shared.risk.approved import Approved
from shared.risk.dollars import DollarLimits
from shared.risk.trade_guard import guard
from tests.bench.frame import Row, median, percentile, time_each
from tests.support.guard_builders import an_entry_request, good_facts

NAUTILUS = Path(__file__).resolve().parents[2] / ".venv" / "nautilus" / "bin" / "python"
CALLS = 50_000
P50_US_MAX, P99_US_MAX = 5.0, 15.0


def rows() -> Iterator[Row]:
    """Time approvals: a denial costs no more, since every check runs in both."""
    facts, request = good_facts(), an_entry_request()
    dollars = DollarLimits.of(Limits(), facts.equity)
    if not isinstance(guard(request, facts, dollars, 0.0), Approved):
        raise RuntimeError("the bench's own order is denied")
    seconds = time_each(lambda: guard(request, facts, dollars, 0.0), CALLS, warmup=1000)
    beside, (p50_us, p99_us) = nautilus_us()
    ours = (median(seconds) * 1e6, percentile(seconds, 0.99) * 1e6)
    yield Row("guard, full trace, p50", "us", ours[0], P50_US_MAX, beside, p50_us, True)
    yield Row("guard, full trace, p99", "us", ours[1], P99_US_MAX, beside, p99_us, True)


def nautilus_us() -> tuple[str, tuple[float, float] | tuple[None, None]]:
    """Return the reference's name and its p50 and p99; RuntimeError when it does not do its work.

    Where it cannot be installed the name says so.
    """
    if not NAUTILUS.exists() or _run("-c", "import nautilus_trader").returncode:
        return "NautilusTrader is not installed here", (None, None)
    done = _run(str(Path(__file__).with_name("nautilus_risk.py")))
    if done.returncode:
        raise RuntimeError(f"NautilusTrader's risk check failed: {done.stderr}")
    p50_us, p99_us = (float(word) for word in done.stdout.split())
    return "NautilusTrader, risk check, cash account", (p50_us, p99_us)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(NAUTILUS), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
