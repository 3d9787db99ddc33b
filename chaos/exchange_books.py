"""The embedded exchange, asked from outside: its faults, and its books as the only truth."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from chaos.row import WireFault
from shared.config.endpoints import read_endpoints
from shared.config.paths import StatePaths
from shared.errors import SchemaFault, TransientFault

CALL_S = 10.0
PAGE_ROWS = 500
PAGES_MAX = 400
_OK = 300


class ExchangeBooks:
    """One embedded exchange. Every call raises TransientFault when it cannot be asked."""

    def __init__(self, state: StatePaths) -> None:
        endpoints = read_endpoints(state.endpoints)
        if endpoints is None:
            raise TransientFault("no embedded exchange is known: endpoints.json is missing")
        self._address = urlsplit(endpoints.trading_url).netloc
        self._keys = {
            "APCA-API-KEY-ID": endpoints.key_id,
            "APCA-API-SECRET-KEY": endpoints.secret_key,
        }
        self.secrets = (endpoints.key_id, endpoints.secret_key)
        """What must stand in no log."""

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Return the JSON of one reply."""
        connection = http.client.HTTPConnection(self._address, timeout=CALL_S)
        try:
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                {**self._keys, "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as fault:
            raise TransientFault(f"the exchange cannot be asked: {fault}") from fault
        finally:
            connection.close()
        if answer.status >= _OK:
            said = raw[:200].decode("utf-8", "replace")
            raise TransientFault(f"the exchange said {answer.status} to {method} {path}: {said}")
        try:
            return json.loads(raw)
        except ValueError as fault:
            raise SchemaFault(f"{method} {path}: no JSON") from fault

    def begin(self, fault: WireFault, lease_s: float, seed: int) -> str:
        """Switch a fault on; return its id. The exchange itself ends it with its lease."""
        body: dict[str, object] = {"kind": fault.kind, "lease_s": lease_s, "seed": seed}
        body |= {"scope": dict(fault.scope), "parameters": dict(fault.parameters)}
        if fault.times is not None:
            body["times"] = fault.times
        return str(self.call("POST", "/sim/faults", body)["id"])

    def end(self, identity: str) -> None:
        """End a fault before its lease does."""
        self.call("DELETE", f"/sim/faults/{identity}")

    def faults(self) -> dict[str, dict[str, Any]]:
        """Return every fault by its id, ended ones too, with `acted` and `left_s`."""
        return {str(one["id"]): one for one in self.call("GET", "/sim/faults")["faults"]}

    def audit(self) -> dict[str, Any]:
        """Return whether the exchange's books agree with their own log."""
        document: dict[str, Any] = self.call("GET", "/sim/account/audit")
        return document

    def account(self) -> dict[str, Any]:
        """Return the account."""
        document: dict[str, Any] = self.call("GET", "/v2/account")
        return document

    def positions(self) -> list[dict[str, Any]]:
        """Return the open positions."""
        rows: list[dict[str, Any]] = self.call("GET", "/v2/positions")
        return rows

    def now(self) -> str:
        """Return the market's time."""
        return str(self.call("GET", "/sim/status")["now"])

    def orders(self, after: str) -> list[dict[str, Any]]:
        """Return every order submitted after a market moment, legs as rows, from old to new."""
        found: dict[str, dict[str, Any]] = {}
        for _ in range(PAGES_MAX):
            path = f"/v2/orders?status=all&direction=asc&limit={PAGE_ROWS}&after={quote(after)}"
            page: list[dict[str, Any]] = self.call("GET", path)
            news = [row for row in page if row["id"] not in found]
            found |= {row["id"]: row for row in page}
            if len(page) < PAGE_ROWS or not news:
                return list(found.values())
            after = _before(str(page[-1]["submitted_at"]))
        raise SchemaFault(f"more than {PAGES_MAX * PAGE_ROWS} orders")


def _before(stamp: str) -> str:
    """Return the stamp cut to its second: page from a little before the last one met."""
    return stamp[:19] + "Z"
