"""What broke a contract is kept with its payload: each kind once, bounded, whatever it holds."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from shared.contracts.drift import (
    EVIDENCE_CHARACTERS_MAX,
    EVIDENCE_KINDS_MAX,
    Evidence,
    SchemaDrift,
)

pytestmark = pytest.mark.unit


def drift(path: str, found: str = "nothing") -> SchemaDrift:
    """Return a drift."""
    return SchemaDrift(path, "a decimal as text", found)


Kept = Callable[[], list[Any]]


@pytest.fixture
def kept(caplog: pytest.LogCaptureFixture) -> Kept:
    """Return the records that were logged so far."""
    caplog.set_level(logging.WARNING, logger="contracts")
    return lambda: list(caplog.records)


def test_evidence_when_the_same_field_breaks_again_then_kept_once(kept: Kept) -> None:
    """Another row or symbol is the same kind; another field, or another type in it, is not."""
    evidence = Evidence()
    for path in ("orders[0].qty", "orders[7].qty", "orders[0].legs[1].qty"):
        evidence.keep(drift(path), {"qty": None})
    for symbol in ("SPY", "BRK.B"):
        evidence.keep(drift(f"bars.{symbol}[3].o"), {"t": 1})
    evidence.keep(drift("orders[0].side"), {})
    evidence.keep(drift("orders[0].qty", "list []"), {})

    paths = [record.path for record in kept()]
    assert paths == ["orders[0].qty", "bars.SPY[3].o", "orders[0].side", "orders[0].qty"]


def test_evidence_when_kept_then_the_record_says_everything(kept: Kept) -> None:
    """Path, expected, found, class, and the payload as JSON."""
    Evidence().keep(drift("account.equity"), {"equity": None, "id": "a"})

    (record,) = kept()
    assert (record.event, record.failure_class) == ("contract_broken", "SCHEMA")
    assert (record.path, record.expected) == ("account.equity", "a decimal as text")
    assert json.loads(record.raw) == {"equity": None, "id": "a"}


def _well(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    "raw", ["x" * 10**6, _well(5_000), {(1, 2): 3}, object(), {"a": "\ud800"}, float("nan")]
)
def test_evidence_when_the_payload_is_absurd_then_a_short_text(kept: Kept, raw: object) -> None:
    """Huge, deep, or nothing that JSON knows: still one bounded line."""
    Evidence().keep(drift("account"), raw)

    (record,) = kept()
    assert 0 < len(record.raw) <= EVIDENCE_CHARACTERS_MAX
    record.raw.encode()


def test_evidence_when_novelties_flood_in_then_bounded(kept: Kept) -> None:
    """A vendor that renames everything does not fill the log."""
    evidence = Evidence()
    for number in range(2 * EVIDENCE_KINDS_MAX):
        evidence.keep(drift(f"account.field{number}"), {})

    assert len(kept()) == EVIDENCE_KINDS_MAX
