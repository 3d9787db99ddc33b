"""The broker's door: shared.ports.Broker over alpaca-py, under the rules of the HTTP door.

alpaca-py signs and sends; its session carries our adapter (timeouts, total deadline, reads
retried, writes never), its own retries are off, and its raw JSON is checked against the
contracts before anything is believed. Reads raise SystemFault; writes return closed outcomes.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from urllib.parse import quote

from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from shared.clock import Clock
from shared.contracts.alpaca_orders import read_order
from shared.contracts.drift import SchemaDrift
from shared.errors import FailureClass, RiskFault, SystemFault
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
from shared.resilience.classification import Verdict, classify_exception, refused_rows
from shared.resilience.classification_rows import Placement
from shared.resilience.direct_session import DirectSession
from shared.resilience.http_door import DoorAdapter, mount
from shared.resilience.lanes import Lane, in_lane
from shared.risk.approved import Approved
from shared.vendors.alpaca_reads import AlpacaReads, is_the_brokers_word
from shared.vendors.order_wire import is_answer_to, patch_fields, post_fields

_NOT_FOUND = 404


def trading_client(url: str, key_id: str, secret_key: str) -> TradingClient:
    """Return the vendor's client for that address, giving raw JSON; it connects to nothing yet."""
    client = TradingClient(
        api_key=key_id, secret_key=secret_key, raw_data=True, url_override=url.rstrip("/")
    )
    client._session = DirectSession()
    return client


class ApprovalLapsed(RiskFault):
    """While the order waited for its turn its approval ended, or the emergency stop was set."""

    placement = Placement.NOT_PLACED

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AlpacaBroker(AlpacaReads):
    """One account at Alpaca, or at anything that speaks its API."""

    def __init__(
        self,
        client: TradingClient,
        adapter: DoorAdapter,
        clock: Clock,
        emergency_stop_is_set: Callable[[], bool],
    ) -> None:
        super().__init__(client, clock)
        mount(client._session, adapter)  # the vendor offers no other way in
        client._session.trust_env = False
        client._retry = 0
        client._retry_codes = []
        self.adapter = adapter
        self._emergency_stop_is_set = emergency_stop_is_set

    def submit(self, approved: Approved) -> SubmitOutcome:
        """Send one approved order, once. Expiry and, for entries, the emergency stop are read
        again at the last moment, since the door may wait for the order's turn.
        """
        if not isinstance(approved, Approved):
            raise TypeError("only what the guard approved may be sent")
        lane = Lane.ENTRY if approved.request.purpose is Purpose.ENTRY else Lane.SAFETY
        with in_lane(lane, lambda: self._must_still_be_approved(approved)):
            try:
                return self._place(approved.request)
            except ApprovalLapsed as lapsed:
                return Rejected(lapsed.failure_class, lapsed.code, str(lapsed))

    def _must_still_be_approved(self, approved: Approved) -> None:
        if self._clock.monotonic_s() >= approved.expires_at_s:
            raise ApprovalLapsed("approval_expired", "the approval is too old")
        if approved.request.purpose is Purpose.ENTRY and self._emergency_stop_is_set():
            raise ApprovalLapsed("emergency_stop", "the emergency stop is set")

    def cancel(self, broker_order_id: str) -> CancelOutcome:
        try:
            with in_lane(Lane.SAFETY):
                raw = self._client.delete(f"/orders/{quote(broker_order_id, safe='')}")
        except Exception as failure:
            return self._refused_or_unknown(failure)
        return _refusal_in(raw) or CancelRequested()

    def close_position(self, symbol: str, qty: Decimal | None = None) -> CloseOutcome:
        part = {"qty": f"{qty:f}"} if qty is not None else None
        try:
            with in_lane(Lane.SAFETY):
                raw = self._client.delete(f"/positions/{quote(symbol, safe='')}", part)
        except APIError as failure:
            if failure.status_code == _NOT_FOUND and is_the_brokers_word(failure):
                return NoPosition()
            return self._refused_or_unknown(failure)
        except Exception as failure:
            return self._refused_or_unknown(failure)
        if (refusal := _refusal_in(raw)) is not None:
            return refusal
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
        except ApprovalLapsed:
            raise
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
        return _outcome_of(classify_exception(failure))


def _outcome_of(verdict: Verdict) -> Rejected | Unknown:
    if verdict.placement is Placement.NOT_PLACED:
        return Rejected(verdict.failure_class, verdict.code, verdict.message)
    return Unknown(f"{verdict.code}: {verdict.message}")


def _refusal_in(reply: object) -> Rejected | Unknown | None:
    """Return the refusal that hides in a 207, whose head says nothing about its rows."""
    refused = refused_rows(reply)
    return _outcome_of(refused[0]) if refused else None
