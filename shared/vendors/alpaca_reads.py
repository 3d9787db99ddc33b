"""The reading half of the broker's door: each answer is checked raw, or raises SystemFault."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import TypeVar
from urllib.parse import quote

from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from shared.clock import Clock, utc_text
from shared.contracts.alpaca import (
    read_account,
    read_asset,
    read_clock,
    read_no_shorting,
    read_position,
    read_positions,
)
from shared.contracts.alpaca_history import read_portfolio_history
from shared.contracts.alpaca_movements import read_movements
from shared.contracts.alpaca_orders import ReadRows, read_fills, read_order, read_orders
from shared.contracts.drift import SchemaDrift
from shared.errors import FailureClass, TransientFault
from shared.models.broker import Asset, BrokerFill, BrokerOrder, ClockReading
from shared.models.ids import parse_own_id
from shared.models.movements import BrokerMovement
from shared.models.pnl import EquityPoint
from shared.models.portfolio import Account, Position
from shared.models.trading_day import NEW_YORK
from shared.resilience.alongside import address_of
from shared.resilience.classification import fault_from
from shared.telemetry.logs import log_event

ORDERS_PER_PAGE = 500
ACTIVITIES_PER_PAGE = 100
ACTIVITIES_OVERLAP = 5
PAGES_MAX = 400
PAGING_S_MAX = 60.0
"""So long one list may take: whoever pages on for ever must not hold the look that is due."""
PAGE_OVERLAP = timedelta(seconds=1)
REPORTED_DRIFTS_MAX = 200

Read = TypeVar("Read")
Listed = TypeVar("Listed", BrokerFill, BrokerMovement)
log = logging.getLogger("broker")


class AlpacaReads:
    """Reads of one account. An order is ours by its client id, by being a leg of such an order,
    or because `remember_own` named it.
    """

    def __init__(self, client: TradingClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._own_broker_ids: set[str] = set()
        self._reported: set[str] = set()
        self._rows = ReadRows()

    def account(self) -> Account:
        return self._read("account", self._client.get_account, read_account)

    def positions(self) -> tuple[Position, ...]:
        return self._read("positions", self._client.get_all_positions, read_positions)

    def position(self, symbol: str) -> Position | None:
        return self._read_one(f"/positions/{quote(symbol, safe='')}", read_position)

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        path = f"/orders/{quote(broker_order_id, safe='')}"
        return self._with_legs_known(self._read_one(path, read_order, {"nested": True}))

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        query = {"client_order_id": client_order_id, "nested": True}
        return self._with_legs_known(
            self._read_one("/orders:by_client_order_id", read_order, query)
        )

    def asset(self, symbol: str) -> Asset | None:
        return self._read_one(f"/assets/{quote(symbol, safe='')}", read_asset)

    def clock_reading(self) -> ClockReading:
        """Return the broker's clock of this very moment."""
        return self._read("clock", self._client.get_clock, read_clock)

    def orders(
        self, status: str, *, after: datetime | None = None, symbols: Sequence[str] = ()
    ) -> tuple[BrokerOrder, ...]:
        query = _order_query(status, symbols)
        found: dict[str, BrokerOrder] = {}
        since = after
        for _ in self._pages():
            if since is not None:
                query["after"] = utc_text(since)
            page, shown = self._order_page(query)
            fresh = [order for order in page if order.broker_order_id not in found]
            found.update((order.broker_order_id, order) for order in page)
            if shown < ORDERS_PER_PAGE:
                return tuple(found.values())
            if not fresh:
                break
            last = max(order.submitted_at or order.created_at for order in fresh)
            since = last - PAGE_OVERLAP
        raise TransientFault("orders: the list cannot be paged to its end")

    def look_addresses(self, after: datetime | None) -> tuple[str, ...]:
        """Return what `account`, `orders("all", after=after)` and `positions` will ask for."""
        base = f"{self._client._base_url}/{self._client._api_version}"
        query = _order_query("all", ())
        if after is not None:
            query["after"] = utc_text(after)
        orders = address_of(f"{base}/orders", query)
        return f"{base}/account", orders, f"{base}/positions"

    def fills(self, after: datetime) -> tuple[BrokerFill, ...]:
        query: dict[str, object] = {"after": utc_text(after)}
        return self._activities("fills", "/account/activities/FILL", query, read_fills)

    def movements(self, since: date) -> tuple[BrokerMovement, ...]:
        after = datetime.combine(since, time(0), NEW_YORK) - timedelta(microseconds=1)
        query: dict[str, object] = {"after": utc_text(after), "category": "non_trade_activity"}
        return self._activities("movements", "/account/activities", query, read_movements)

    def portfolio_history(self) -> tuple[EquityPoint, ...]:
        path, query = "/account/portfolio/history", {"period": "1A", "timeframe": "1D"}
        return self._read(
            "portfolio_history", lambda: self._client.get(path, query), read_portfolio_history
        )

    def _pages(self) -> Iterator[int]:
        """Count the pages of one list, until they are too many or take too long."""
        ends_at_s = self._clock.monotonic_s() + PAGING_S_MAX
        for number in range(PAGES_MAX):
            if self._clock.monotonic_s() > ends_at_s:
                return
            yield number

    def _activities(
        self,
        name: str,
        path: str,
        query: dict[str, object],
        check: Callable[[object], tuple[Listed, ...]],
    ) -> tuple[Listed, ...]:
        query |= {"direction": "asc", "page_size": ACTIVITIES_PER_PAGE}
        found: dict[str, Listed] = {}
        for _ in self._pages():
            page = self._read(name, lambda: self._client.get(path, query), check)
            known = len(found)
            found.update((one.activity_id, one) for one in page)
            if len(page) < ACTIVITIES_PER_PAGE:
                return tuple(found.values())
            if len(found) == known:
                break
            # An earlier id than the last one: neighbours are read twice and none is skipped.
            query["page_token"] = page[-ACTIVITIES_OVERLAP].activity_id
        raise TransientFault(f"{name}: the list cannot be paged to its end")

    def forbids_shorting(self) -> bool:
        """Return whether `no_shorting` is on at the broker."""
        path = "/account/configurations"
        return self._read("configurations", lambda: self._client.get(path), read_no_shorting)

    def forbid_shorting(self) -> bool:
        """Switch `no_shorting` on and return whether it is; setting it twice is harmless."""
        path, body = "/account/configurations", {"no_shorting": True}
        return self._read(
            "configurations", lambda: self._client.patch(path, body), read_no_shorting
        )

    def remember_own(self, broker_order_ids: Sequence[str]) -> None:
        """Name orders as ours by the broker's id: stored legs, whose client ids are random."""
        self._own_broker_ids.update(broker_order_ids)

    def _read(self, name: str, ask: Callable[[], object], check: Callable[[object], Read]) -> Read:
        try:
            return check(ask())
        except Exception as failure:
            raise fault_from(failure, name) from failure

    def _read_one(
        self,
        path: str,
        check: Callable[[object], Read],
        query: dict[str, object] | None = None,
    ) -> Read | None:
        """Read one thing; None only when the broker itself says that there is none."""
        try:
            return check(self._client.get(path, query))
        except APIError as failure:
            if failure.status_code == 404 and is_the_brokers_word(failure):
                return None
            if failure.status_code == 404:
                raise TransientFault(f"{path}: 404 from something else than the broker") from None
            raise fault_from(failure, path) from failure
        except Exception as failure:
            raise fault_from(failure, path) from failure

    def _order_page(self, query: dict[str, object]) -> tuple[tuple[BrokerOrder, ...], int]:
        """Return one page and how many orders, legs included, it shows."""
        try:
            raw = self._client.get("/orders", query)
            checked = read_orders(raw, self._is_ours, self._rows)
        except Exception as failure:
            raise fault_from(failure, "orders") from failure
        for drift in checked.skipped:
            self._report(drift)
        for order in checked.orders:
            self._known_order(order)
        # Whether the page limit counts legs is not documented: counting them is safe, since a
        # page too many is harmless and a page too few loses orders.
        shown = sum(1 + len(order.legs) for order in checked.orders) + len(checked.skipped)
        return checked.orders, shown

    def _is_ours(self, broker_order_id: str, client_order_id: str) -> bool:
        return parse_own_id(client_order_id) is not None or broker_order_id in self._own_broker_ids

    def _known_order(self, order: BrokerOrder) -> BrokerOrder:
        if order.legs and self._is_ours(order.broker_order_id, order.client_order_id):
            self._own_broker_ids.update(leg.broker_order_id for leg in order.legs)
        return order

    def _with_legs_known(self, order: BrokerOrder | None) -> BrokerOrder | None:
        return None if order is None else self._known_order(order)

    def _report(self, drift: SchemaDrift) -> None:
        words = f"{drift.path.rsplit('.', 1)[-1]} {drift.found}"
        if words in self._reported or len(self._reported) >= REPORTED_DRIFTS_MAX:
            return
        self._reported.add(words)
        log_event(
            log,
            "foreign_order_skipped",
            f"an order that is not ours was skipped: {drift}",
            level=logging.WARNING,
            failure_class=str(FailureClass.SCHEMA),
        )


def _order_query(status: str, symbols: Sequence[str]) -> dict[str, object]:
    query: dict[str, object] = {
        "status": status,
        "limit": ORDERS_PER_PAGE,
        "direction": "asc",
        "nested": True,
    }
    if symbols:
        query["symbols"] = ",".join(symbols)
    return query


def is_the_brokers_word(failure: APIError) -> bool:
    """Whether a 404 carries the broker's own code; a gateway's page does not."""
    try:
        return str(failure.code).startswith("404")
    except (KeyError, ValueError, TypeError, RecursionError):
        return False
