"""The guard's dollar limits at a given equity."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.models.limits import Limits
from shared.risk.approved import Approved, render_trace
from shared.risk.dollars import DollarLimits
from tests.support.builders import D
from tests.support.guard_builders import an_entry_request, good_facts
from tests.support.guard_tables import codes_of, judge

pytestmark = pytest.mark.unit


LIVE_LIMITED = Limits(position_limit_pct=D("0.05"), daily_loss_limit_pct=D("0.02"))


@pytest.mark.parametrize(("notional", "approved"), [("999.44", False), ("525.00", True)])
def test_entry_when_equity_is_10625_then_the_position_limit_is_five_percent(
    notional: str, approved: bool
) -> None:
    """Equity 10,625.05: 999.44 is refused, 525 accepted; the limits read 531.25 and 212.50."""
    dollars = DollarLimits.of(LIVE_LIMITED, D("10625.05"))
    facts = good_facts(
        equity=D("10625.05"),
        gross_exposure=D(0),
        open_risk=D(0),
        bid=D(notional) - D("0.02"),
        ask=D(notional),
        last_trade=D(notional),
        prior_close=D(notional),
    )
    price = D(notional)
    request = an_entry_request(
        qty=D(1),
        limit_price=price,
        stop_loss_price=price - 10,
        take_profit_price=price + 20,
    )

    verdict = judge(request, facts, dollars)

    assert (dollars.position, dollars.daily_loss) == (D("531.25"), D("212.50"))
    assert isinstance(verdict, Approved) is approved
    if not approved:
        assert codes_of(verdict) == ("notional", "position")
        row = next(row for row in render_trace(verdict.trace) if row.code == "notional")
        assert (row.limit, row.value) == ("531.25", "999.44")


@pytest.mark.parametrize("equity", [None, D("NaN"), D("Infinity"), D(-1), D(0), D("1e13")])
def test_limits_when_equity_is_no_sane_amount_then_they_allow_nothing(
    equity: Decimal | None,
) -> None:
    """Without equity every dollar limit is zero."""
    dollars = DollarLimits.of(Limits(), equity)

    assert {dollars.notional, dollars.exposure, dollars.total_risk} == {D(0)}
    assert "equity" in codes_of(judge(an_entry_request(), good_facts(), dollars))


def test_limits_when_caps_are_set_then_the_smaller_wins() -> None:
    """Absolute caps bind beside the percentages."""
    limits = Limits(position_size_usd_max=D(500), notional_per_order_usd_max=D(300))

    dollars = DollarLimits.of(limits, D(100_000))

    assert (dollars.position, dollars.notional) == (D("500.00"), D("300.00"))
