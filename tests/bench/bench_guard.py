"""The guard: all checks of an entry, in Decimal, with the full trace."""

from __future__ import annotations

from collections.abc import Iterator

from shared.models.limits import Limits
from shared.risk.approved import Approved
from shared.risk.dollars import DollarLimits
from shared.risk.trade_guard import guard
from tests.bench.frame import Row, median, percentile, time_each
from tests.support.guard_builders import an_entry_request, good_facts

CALLS = 50_000
P50_US_MAX, P99_US_MAX = 5.0, 15.0


def rows() -> Iterator[Row]:
    """Time approvals: a denial costs no more, since every check runs in both."""
    facts, request = good_facts(), an_entry_request()
    dollars = DollarLimits.of(Limits(), facts.equity)
    if not isinstance(guard(request, facts, dollars, 0.0), Approved):
        raise RuntimeError("the bench's own order is denied")
    seconds = time_each(lambda: guard(request, facts, dollars, 0.0), CALLS, warmup=1000)
    yield Row("guard, full trace, p50", "us", median(seconds) * 1e6, P50_US_MAX)
    yield Row("guard, full trace, p99", "us", percentile(seconds, 0.99) * 1e6, P99_US_MAX)
