"""Unusual Whales over REST: option flow, dark pool prints and the market tide, checked row by row.

The token stands in a header and nowhere else. Every reply teaches the budget, refusals too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.clock import utc_text
from shared.contracts.drift import SchemaDrift
from shared.contracts.unusual_whales import read_alerts, read_prints, read_tide
from shared.models.flow import Cursors, FlowAlert, FlowBatch
from shared.resilience.http_door import HttpDoor
from shared.vendors.unusual_whales_budget import BudgetReading, read_budget

ALERTS_PER_PAGE, PRINTS_PER_PAGE = 200, 500
PAGES_MAX = 10
OVERLAP = timedelta(minutes=2)
"""Rows may be told late; what comes twice is known by its id."""
_INSTANT = timedelta(milliseconds=1)

OnDrop = Callable[[str, SchemaDrift], None]
"""(feed, drift) of each row that breaks its contract."""


class UnusualWhales:
    """shared.ports.FlowFeed over the vendor's REST. Raises SystemFault when a reply as a whole
    is unusable.
    """

    def __init__(self, door: HttpDoor, base_url: str, on_drop: OnDrop) -> None:
        self._door = door
        self._base_url = f"{base_url.rstrip('/')}/api"
        self._on_drop = on_drop
        self.budget = BudgetReading()
        door.session.hooks["response"].append(self._learn)

    def poll(self, newer_than: datetime) -> Sequence[FlowAlert]:
        """Return the alerts since that moment, oldest first; some before it may come along."""
        return self.alerts(newer_than)

    def alerts(self, newer_than: datetime | None) -> tuple[FlowAlert, ...]:
        """Return the alerts since that moment less the overlap, oldest first, each once; without
        a moment the newest page.
        """
        found: dict[str, FlowAlert] = {}
        query = {"limit": str(ALERTS_PER_PAGE), **_since(newer_than)}
        for _ in range(PAGES_MAX):
            page = read_alerts(self._get("option-trades/flow-alerts", query))
            self._report("flow", page.dropped)
            known = len(found)
            found |= {alert.alert_id: alert for alert in page.good}
            is_last = len(page.good) + len(page.dropped) < ALERTS_PER_PAGE
            if newer_than is None or is_last or len(found) == known:
                break
            query["older_than"] = utc_text(min(alert.at for alert in page.good) + _INSTANT)
        return tuple(sorted(found.values(), key=lambda alert: (alert.at, alert.alert_id)))

    def prints(self, newer_than: datetime | None) -> FlowBatch:
        """Return the newest dark pool prints since that moment, and those taken back."""
        query = {"limit": str(PRINTS_PER_PAGE), **_since(newer_than)}
        page = read_prints(self._get("darkpool/recent", query))
        self._report("prints", page.dropped)
        return FlowBatch(
            prints=tuple(row.dark_print for row in page.good if not row.is_canceled),
            canceled=tuple(row.dark_print.print_id for row in page.good if row.is_canceled),
        )

    def tide(self) -> FlowBatch:
        """Return the market tide of the running or newest session, in steps of five minutes."""
        page = read_tide(self._get("market/market-tide", {"interval_5m": "true"}))
        self._report("tide", page.dropped)
        return FlowBatch(tide=page.good)

    def everything(self, cursors: Cursors, *, with_prints: bool, with_tide: bool) -> FlowBatch:
        """Return one round, in as many calls as kinds are asked for, or little more."""
        batch = FlowBatch(alerts=self.alerts(cursors.alerts))
        if with_prints:
            batch = batch.joined(self.prints(cursors.prints))
        return batch.joined(self.tide()) if with_tide else batch

    @property
    def asked_to_wait_s(self) -> float:
        """What the newest 429 asked for, in seconds; 0 after any other reply."""
        return self._door.adapter.governor.asked_s

    def close(self) -> None:
        """End pauses between tries and let the connection go."""
        self._door.close()

    def _get(self, path: str, query: dict[str, str]) -> object:
        return self._door.get_json(f"{self._base_url}/{path}", query)

    def _report(self, feed: str, dropped: Sequence[SchemaDrift]) -> None:
        for drift in dropped:
            self._on_drop(feed, drift)

    def _learn(self, reply: Any, *_: object, **__: object) -> None:
        self.budget = read_budget(reply.headers, self.budget)


def _since(newer_than: datetime | None) -> dict[str, str]:
    return {} if newer_than is None else {"newer_than": utc_text(newer_than - OVERLAP)}
