"""The one table: HTTP replies and exceptions, each with its class and its meaning for a write."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from typing import Any

import pytest
import requests.exceptions
import urllib3.exceptions
import websockets.exceptions
from alpaca.common.exceptions import APIError
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.drift import SchemaDrift
from shared.errors import (
    VENDOR_ERROR_CLASSES,
    ConfigFault,
    FailureClass,
    RiskFault,
    SchemaFault,
    TransientFault,
    VendorError,
)
from shared.resilience.classification import (
    classify_exception,
    classify_reply,
    fault_from,
    fault_of,
    refused_rows,
)
from shared.resilience.classification_rows import HTTP_ROWS, Placement

pytestmark = pytest.mark.unit

T, S, R, C = (
    FailureClass.TRANSIENT,
    FailureClass.SCHEMA,
    FailureClass.RISK,
    FailureClass.CONFIG,
)
NOT, UNKNOWN, EXISTS = Placement.NOT_PLACED, Placement.UNKNOWN, Placement.EXISTS


def said(code: int | None, message: str) -> str:
    return json.dumps({"message": message} | ({} if code is None else {"code": code}))


REPLIES: list[tuple[int, str, FailureClass, str, Placement]] = [
    (401, said(None, "unauthorized."), C, "unauthorized", NOT),
    (401, said(40110000, "request is not authorized"), C, "unauthorized", NOT),
    (403, said(None, "forbidden."), C, "forbidden", NOT),
    (401, "<html>who are you</html>", T, "not_the_brokers_word", UNKNOWN),
    (403, "<html>blocked</html>", T, "not_the_brokers_word", UNKNOWN),
    (403, "", T, "not_the_brokers_word", UNKNOWN),
    (401, "null", T, "not_the_brokers_word", UNKNOWN),
    (401, '{"message": "unauth', T, "not_the_brokers_word", UNKNOWN),
    (403, "[]", T, "not_the_brokers_word", UNKNOWN),
    (400, "<html>400 Bad Request</html>", T, "not_the_brokers_word", UNKNOWN),
    (404, "<html>404</html>", T, "not_the_brokers_word", UNKNOWN),
    (401, '{"error": "Invalid API key"}', C, "unauthorized", NOT),
    (403, said(None, "subscription does not permit querying recent SIP data"), C, "subscription",
     NOT),
    (403, said(40310000, "insufficient buying power"), R, "insufficient_buying_power", NOT),
    (403, said(40310000, "insufficient qty available for order (requested: 5, available: 0)"), R,
     "insufficient_qty", NOT),
    (403, said(40310000, "insufficient balance for USD"), R, "insufficient_qty", NOT),
    (403, said(40310000, "potential wash trade detected. use complex orders"), R, "wash_trade",
     NOT),
    (403, said(40310000, "account not allowed to short"), R, "short_not_allowed", NOT),
    (403, said(40310000, "new orders are rejected by user request"), R, "trading_suspended", NOT),
    (403, said(40310100, "pattern day trading protection"), R, "day_trade_rule", NOT),
    (403, said(40310000, "account is restricted to liquidation only"), R, "account_restricted",
     NOT),
    (403, said(40310000, "something nobody has seen yet"), R, "forbidden_order", NOT),
    (404, said(40410000, "order not found"), R, "not_found", NOT),
    (422, said(40010001, "client_order_id must be unique"), R, "duplicate_client_order_id",
     EXISTS),
    (422, said(42210000, "stop price must be less than current price"), R, "stop_price_refused",
     NOT),
    (422, said(42210000, "invalid limit_price: sub-penny increment does not fulfill minimum"), R,
     "tick_refused", NOT),
    (422, said(42210000, "order is not cancelable"), R, "not_cancelable", NOT),
    (422, said(42210000, "something else about the order"), R, "order_refused", NOT),
    (422, said(40010001, "qty or notional is required"), C, "bad_request", NOT),
    (400, said(None, "Invalid format for parameter start"), C, "bad_request", NOT),
    (405, "", S, "endpoint_gone", NOT),
    (418, "", S, "unexpected_status", UNKNOWN),
    (408, "", T, "request_timeout", UNKNOWN),
    (429, said(42910000, "rate limit exceeded"), T, "rate_limited", NOT),
    (429, "too many requests.", T, "rate_limited", NOT),
    (500, said(50010000, "internal server error"), T, "broker_error", UNKNOWN),
    (502, "<html>Bad Gateway</html>", T, "broker_error", UNKNOWN),
    (503, "", T, "broker_error", UNKNOWN),
    (504, "<html>", T, "broker_error", UNKNOWN),
    (301, "", C, "redirected", NOT),
    (303, "", C, "redirected", UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "failure_class", "code", "placement"), REPLIES)
def test_reply_when_classified_then_as_the_table_of_errors_says(
    status: int, body: str, failure_class: FailureClass, code: str, placement: Placement
) -> None:
    """Every refusal seen in the wild gets its class, our word, and its meaning for a write."""
    verdict = classify_reply(status, body)
    assert (verdict.failure_class, verdict.code, verdict.placement) == (
        failure_class,
        code,
        placement,
    )


@given(st.integers(100, 999), st.text())
def test_reply_when_anything_comes_then_a_verdict_and_no_exception(status: int, body: str) -> None:
    """No status and no body, however garbled, escapes the table; 5xx is never called certain."""
    verdict = classify_reply(status, body)
    assert len(verdict.message) < 400
    if status >= 500:
        assert verdict.placement is UNKNOWN


def test_rows_when_read_then_every_http_row_is_reachable() -> None:
    """No row of the HTTP table hides behind an earlier one without a pattern."""
    closed: set[int] = set()
    for low, high, pattern, *_ in HTTP_ROWS:
        statuses = set(range(low, high + 1))
        assert statuses - closed, (low, high, pattern)
        if not pattern:
            closed |= statuses


def _refused(url: str = "http://127.0.0.1:1/") -> Exception:
    try:
        requests.get(url, timeout=2)
    except Exception as error:
        return error
    raise AssertionError("somebody listens on port 1")


EXCEPTIONS: list[tuple[BaseException, FailureClass, Placement]] = [
    (_refused(), T, NOT),
    (requests.exceptions.ConnectTimeout(), T, NOT),
    (requests.exceptions.ReadTimeout(), T, UNKNOWN),
    (requests.exceptions.ConnectionError(
        urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104))
    ), T, UNKNOWN),
    (requests.exceptions.ConnectionError(
        urllib3.exceptions.ProtocolError("aborted", http.client.RemoteDisconnected("closed"))
    ), T, UNKNOWN),
    (requests.exceptions.SSLError(ssl.SSLCertVerificationError(1, "self-signed")), C, NOT),
    (requests.exceptions.SSLError(ssl.SSLError(1, "eof")), T, UNKNOWN),
    (requests.exceptions.ChunkedEncodingError(), T, UNKNOWN),
    (requests.exceptions.JSONDecodeError("x", "<html>", 0), T, UNKNOWN),
    (requests.exceptions.InvalidURL(), C, NOT),
    (json.JSONDecodeError("x", "", 0), T, UNKNOWN),
    (socket.gaierror(-2, "unknown name"), T, NOT),
    (TimeoutError(), T, UNKNOWN),
    (TypeError("'NoneType' is no mapping"), S, UNKNOWN),
    (RuntimeError("what is this"), T, UNKNOWN),
    (SchemaDrift("order.qty", "a decimal", "nothing"), S, UNKNOWN),
    (websockets.exceptions.ConnectionClosedError(None, None), T, UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("failure", "failure_class", "placement"), EXCEPTIONS)
def test_exception_when_classified_then_by_what_it_wraps(
    failure: BaseException, failure_class: FailureClass, placement: Placement
) -> None:
    """Only what proves that nothing was sent counts as not placed; all else is unknown."""
    verdict = classify_exception(failure)
    assert (verdict.failure_class, verdict.placement) == (failure_class, placement)


def _api_error(status: int, body: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    response._content = body.encode()
    http_error: Any = requests.exceptions.HTTPError(response=response)
    make: Any = APIError
    error: APIError = make(body, http_error)
    return error


def test_api_error_when_body_is_no_json_then_still_classified() -> None:
    """alpaca-py's own properties raise on such bodies; the table reads the response itself."""
    assert classify_exception(_api_error(502, "<html>")).placement is UNKNOWN
    refused = classify_exception(_api_error(401, said(None, "unauthorized.")))
    assert (refused.failure_class, refused.code) == (C, "unauthorized")


@pytest.mark.parametrize(
    ("status", "family"),
    [(500, TransientFault), (405, SchemaFault), (404, RiskFault), (401, ConfigFault)],
)
def test_fault_when_made_of_a_verdict_then_of_its_family(
    status: int, family: type[Exception]
) -> None:
    """A verdict becomes a fault whose exit code the supervisor knows."""
    fault = fault_of(classify_reply(status, said(None, "no")), "GET /x")
    assert isinstance(fault, family)
    assert "GET /x" in str(fault)


def test_fault_when_it_is_ours_then_passes_unchanged() -> None:
    """Our own faults are not wrapped again."""
    own = SchemaDrift("a", "b", "c")
    assert fault_from(own, "x") is own
    assert isinstance(fault_from(TimeoutError(), "x"), TransientFault)


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (401, said(None, "unauthorized."), VendorError.AUTH_ERROR),
        (403, said(None, "forbidden."), VendorError.AUTH_ERROR),
        (429, "too many requests.", VendorError.RATE_LIMIT),
        (502, "<html>", VendorError.NETWORK),
        (401, "<html>", VendorError.NETWORK),
        (405, "", VendorError.SCHEMA_ERROR),
        (403, said(40310000, "insufficient buying power"), None),
        (418, said(1, "slow down"), VendorError.RATE_LIMIT),
    ],
)
def test_verdict_when_told_in_the_vendors_words_then_one_of_five_or_a_refusal(
    status: int, body: str, word: VendorError | None
) -> None:
    """Every failure has one of five words that all vendors share; a meant refusal has none, and
    the word's own family is that of the verdict.
    """
    verdict = classify_reply(status, body)
    assert verdict.vendor_error is word
    if word is not None:
        assert VENDOR_ERROR_CLASSES[word] is verdict.failure_class


def test_rows_of_a_207_when_some_are_refused_then_each_is_judged_by_itself() -> None:
    """A 207 is no success: its rows carry the status, and a refused one was not done."""
    held = {"code": 40310000, "message": "insufficient qty available for order"}
    rows = [
        {"symbol": "SPY", "status": 200, "body": {}},
        {"symbol": "XOM", "status": 403, "body": held},
        {"symbol": "IBM", "status": 500, "body": None},
    ]
    assert [verdict.code for verdict in refused_rows(rows)] == ["insufficient_qty", "broker_error"]
    assert refused_rows({"status": 403}) == ()
    assert refused_rows(None) == ()


@pytest.mark.parametrize(
    "row",
    [
        {"status": "403"},
        {"status": 5000},
        {"status": -1},
        {"status": True},
        {"body": {}},
        "x",
        None,
    ],
)
def test_row_of_a_207_when_its_status_cannot_be_read_then_nobody_believes_that_it_was_done(
    row: object,
) -> None:
    """A renamed or retyped status is no success; what became of the request is not known."""
    (verdict,) = refused_rows([row])
    assert (verdict.failure_class, verdict.placement) == (FailureClass.SCHEMA, Placement.UNKNOWN)
