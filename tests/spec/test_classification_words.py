"""The fallback by words: a table of texts as vendors and gateways write them, and its accuracy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import FailureClass, TransientFault, VendorError
from shared.resilience.classification import classify_exception, classify_reply, fault_of
from shared.resilience.classification_rows import Placement
from shared.resilience.classification_tally import WordTally
from shared.resilience.classification_words import WORD_ROWS, judge_words

pytestmark = pytest.mark.unit

RISK = FailureClass.RISK
AUTH, RATE, NET = VendorError.AUTH_ERROR, VendorError.RATE_LIMIT, VendorError.NETWORK
SCHEMA, UNKNOWN = VendorError.SCHEMA_ERROR, VendorError.UNKNOWN
ACCURACY_MIN = 0.95

TEXTS: list[tuple[str, VendorError | FailureClass]] = [
    ("invalid api key", AUTH),
    ("The provided API-Key is expired", AUTH),
    ("request is not authorized", AUTH),
    ("authentication required", AUTH),
    ("You do not have permission to access this resource", AUTH),
    ("subscription does not permit querying recent SIP data", AUTH),
    ("OPRA agreement: invalid credentials", AUTH),
    ("certificate verify failed: self-signed certificate", AUTH),
    ("access token: invalid token", AUTH),
    ("rate limit exceeded", RATE),
    ("Too Many Requests", RATE),
    ("daily quota reached for this token", RATE),
    ("request was throttled. Expected available in 3 seconds", RATE),
    ("connection limit exceeded", RATE),
    ("Please slow down", RATE),
    ("upstream connect error or disconnect/reset before headers", NET),
    ("Connection reset by peer", NET),
    ("Read timed out. (read timeout=5)", NET),
    ("Temporary failure in name resolution", NET),
    ("Name or service not known", NET),
    ("503 Service Temporarily Unavailable", NET),
    ("502 Bad Gateway", NET),
    ("The server is down for maintenance", NET),
    ("EOF occurred in violation of protocol", NET),
    ("Remote end closed connection without response", NET),
    ("Network is unreachable", NET),
    ("internal server error", NET),
    ("[Errno 32] Broken pipe", NET),
    ("please try again later", NET),
    ("1 validation error for TradeAccount", SCHEMA),
    ("equity: field required", SCHEMA),
    ("'suspended_soon' is not a valid enum member", SCHEMA),
    ("'NoneType' object is not subscriptable", SCHEMA),
    ("'list' object has no attribute 'get'", SCHEMA),
    ("unexpected keyword argument 'borrow_status'", SCHEMA),
    ("this endpoint is deprecated", SCHEMA),
    ("insufficient buying power", RISK),
    ("potential wash trade detected", RISK),
    ("insufficient qty available for order", RISK),
    ("client_order_id must be unique", RISK),
    ("order is not cancelable", RISK),
    ("account is restricted to liquidation", RISK),
    ("sub-penny increment does not fulfill minimum pricing criteria", RISK),
    ("asset XYZ is not tradable", RISK),
    ("market is closed", RISK),
    ("what is this", UNKNOWN),
    ("", UNKNOWN),
    ("42", UNKNOWN),
]


def _meaning(text: str) -> VendorError | FailureClass:
    words = judge_words(text)
    return words.vendor_error or words.failure_class


def test_words_when_tried_on_the_table_then_at_least_so_accurate() -> None:
    """The texts of the table are judged right but for a few; the wrong ones are named."""
    wrong = [text for text, meaning in TEXTS if _meaning(text) is not meaning]
    accuracy = 1 - len(wrong) / len(TEXTS)
    assert accuracy >= ACCURACY_MIN, wrong


@pytest.mark.parametrize("number", range(len(WORD_ROWS)))
def test_row_when_tried_on_the_table_then_it_decides_something(number: int) -> None:
    """No row of words is there for nothing."""
    meaning = WORD_ROWS[number][1]
    assert [text for text, _ in TEXTS if _meaning(text) is meaning]


@given(st.text(max_size=5_000))
def test_words_when_any_text_comes_then_a_verdict(text: str) -> None:
    """No text breaks the judging, and what has no known word passes as TRANSIENT."""
    words = judge_words(text)
    if not words.is_found:
        assert words.failure_class is FailureClass.TRANSIENT


def test_unknown_failure_when_words_are_known_then_judged_by_them() -> None:
    """Only what no row knows is judged so, and it says so; what was placed words cannot tell."""
    verdict = classify_exception(RuntimeError("rate limit exceeded"))
    assert (verdict.vendor_error, verdict.is_by_words) == (RATE, True)
    assert verdict.placement is Placement.UNKNOWN
    assert not classify_reply(429, "certificate").is_by_words
    assert classify_exception(RuntimeError("what is this")).code == "unclassified"


def test_words_when_they_accuse_keys_then_no_service_is_parked() -> None:
    """Words are a suspicion, not a proof: the fault that they make is tried again."""
    verdict = classify_exception(RuntimeError("invalid api key"))
    assert verdict.failure_class is FailureClass.CONFIG
    assert isinstance(fault_of(verdict, "GET /x"), TransientFault)


def test_tally_when_known_failures_pass_then_accuracy_of_the_words_is_measured() -> None:
    """Each failure that a row knows tries the words, too; the metric is how often both agree."""
    tally = WordTally()
    assert "words_accuracy_pct" not in tally.metrics()
    tally.note(classify_reply(429, '{"message": "rate limit exceeded"}'))
    tally.note(classify_reply(401, '{"message": "unauthorized."}'))
    tally.note(classify_reply(401, '{"message": "no entry"}'))  # the words find nothing
    tally.note(classify_reply(502, "<html>Bad Gateway</html>"))
    tally.note(classify_exception(RuntimeError("slow down")))
    tally.note(classify_exception(RuntimeError("what is this")))
    assert tally.metrics() == {
        "failures_judged": 4.0,
        "failures_by_words": 1.0,
        "failures_unclassified": 1.0,
        "words_accuracy_pct": 75.0,
    }
