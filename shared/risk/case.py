"""One order before the guard: the request, its limits in dollars, its prices without gaps."""

from __future__ import annotations

from decimal import Decimal

from shared.models.broker import OrderRequest
from shared.risk.dollars import DollarLimits
from shared.risk.facts import MISSING

ASSET_CLASS = "us_equity"
"""The broker's word for US shares; nothing else is traded here."""

Case = tuple[OrderRequest, DollarLimits, Decimal, Decimal, Decimal]
"""Request, dollar limits, limit price, price of the stop leg, price of the target leg.

A plain tuple, since one is made per call and an object would cost as much as five checks.
"""


def case_of(request: OrderRequest, dollars: DollarLimits) -> Case:
    """Return the case; a price that the request lacks is MISSING, so no comparison passes."""
    limit, stop = request.limit_price, request.stop_loss_price
    target = request.take_profit_price
    return (
        request,
        dollars,
        MISSING if limit is None else limit,
        MISSING if stop is None else stop,
        MISSING if target is None else target,
    )
