"""The broker's door: shared.ports.Broker over alpaca-py, under the rules of the HTTP door.

alpaca-py signs and sends; its session carries our adapter (timeouts, total deadline, reads
retried, writes never), its own retries are off, and its raw JSON is checked against the
contracts before anything is believed. Reads raise SystemFault; writes return closed outcomes.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from shared.clock import Clock
from shared.contracts.alpaca_orders import read_order
from shared.contracts.drift import SchemaDrift
from shared.errors import FailureClass, SystemFault
from shared.models.broker import (
    Accepted,
    CancelOutcome,
    CancelRequested,
    CloseOutcome,
    CloseRequested,
    NoPosition,
    OrderRequest,
    Rejected,
    SubmitOutcome,
    Unknown,
)
from shared.models.orders import Purpose
from shared.resilience.classification import classify_exception
from shared.resilience.classification_rows import Placement
from shared.resilience.http_door import DoorAdapter, mount
from shared.risk.approved import Approved
from shared.vendors.alpaca_reads import AlpacaReads, is_the_brokers_word
from shared.vendors.order_wire import is_answer_to, patch_fields, post_fields

_NOT_FOUND = 404


def trading_client(url: str, key_id: str, secret_key: str) -> TradingClient:
    """Return the vendor's client for that address, giving raw JSON; it connects to nothing yet."""
    return TradingClient(
        api_key=key_id, secret_key=secret_key, raw_data=True, url_override=url.rstrip("/")
    )


class AlpacaBroker(AlpacaReads):
    """One account at Alpaca, or at anything that speaks its API."""

    def __init__(
        self,
        client: TradingClient,
        adapter: DoorAdapter,
        clock: Clock,
        emergency_stop_is_set: Callable[[], bool],
    ) -> None:
        super().__init__(client)
        mount(client._session, adapter)  # the vendor offers no other way in
        client._session.trust_env = False
        client._retry = 0
        client._retry_codes = []
        self.adapter = adapter
        self._clock = clock
        self._emergency_stop_is_set = emergency_stop_is_set

    def submit(self, approved: Approved) -> SubmitOutcome:
        """Send one approved order, once. Expiry and, for entries, the emergency stop are read
        again here, since any wait may lie between the approval and this call.
        """
        if not isinstance(approved, Approved):
            raise TypeError("only what the guard approved may be sent")
        request = approved.request
        if self._clock.monotonic_s() >= approved.expires_at_s:
            return Rejected(FailureClass.RISK, "approval_expired", "the approval is too old")
        if request.purpose is Purpose.ENTRY and self._emergency_stop_is_set():
            return Rejected(FailureClass.RISK, "emergency_stop", "the emergency stop is set")
        return self._place(request)

    def cancel(self, broker_order_id: str) -> CancelOutcome:
        try:
            self._client.delete(f"/orders/{quote(broker_order_id, safe='')}")
        except Exception as failure:
            return self._refused_or_unknown(failure)
        return CancelRequested()

    def close_position(self, symbol: str) -> CloseOutcome:
        try:
            raw = self._client.delete(f"/positions/{quote(symbol, safe='')}")
        except APIError as failure:
            if failure.status_code == _NOT_FOUND and is_the_brokers_word(failure):
                return NoPosition()
            return self._refused_or_unknown(failure)
        except Exception as failure:
            return self._refused_or_unknown(failure)
        try:
            return CloseRequested(self._known_order(read_order(raw)))
        except SchemaDrift:
            return CloseRequested(None)

    def stop(self) -> None:
        """Let the connections go and end every pause between tries."""
        self.adapter.closing.set()
        self._client._session.close()

    def _place(self, request: OrderRequest) -> SubmitOutcome:
        try:
            order = self._known_order(read_order(self._send(request)))
        except Exception as failure:
            if classify_exception(failure).placement is Placement.EXISTS:
                return self._already_placed(request)
            return self._refused_or_unknown(failure)
        if not is_answer_to(request, order):
            return Unknown(f"the reply shows another order, {order.client_order_id}")
        return Accepted(order)

    def _send(self, request: OrderRequest) -> object:
        if request.replaces is None:
            return self._client.post("/orders", post_fields(request))
        path = f"/orders/{quote(request.replaces, safe='')}"
        return self._client.patch(path, patch_fields(request))

    def _already_placed(self, request: OrderRequest) -> SubmitOutcome:
        """The id is taken: the order exists. Its status and body are the caller's to judge."""
        try:
            order = self.order_by_client_id(request.client_order_id)
        except SystemFault as fault:
            return Unknown(f"exists, but cannot be read: {fault}")
        if order is None:
            return Unknown("the broker says the id is taken, and does not find it")
        if not is_answer_to(request, order):
            words = f"the id {request.client_order_id} belongs to another order"
            return Rejected(FailureClass.RISK, "client_order_id_taken", words)
        return Accepted(order)

    @staticmethod
    def _refused_or_unknown(failure: Exception) -> Rejected | Unknown:
        verdict = classify_exception(failure)
        if verdict.placement is Placement.NOT_PLACED:
            return Rejected(verdict.failure_class, verdict.code, verdict.message)
        return Unknown(f"{verdict.code}: {verdict.message}")
