"""Fields that the broker adds while we run: told once by the process that meets them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from shared.contracts.alpaca import read_account, read_clock, read_positions
from shared.contracts.alpaca_orders import read_order
from shared.contracts.growth import NAMES_MAX, Growth
from tests.support.alpaca_payloads import raw_account, raw_clock, raw_order, raw_position

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("kind", "read", "raw"),
    [
        ("account", read_account, raw_account()),
        ("clock", read_clock, raw_clock()),
        ("position", lambda one: read_positions([one]), raw_position()),
        ("order", read_order, raw_order()),
    ],
)
def test_field_when_it_is_added_while_we_run_then_told_once_and_read_as_before(
    kind: str, read: Callable[[Any], object], raw: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """One line however often it comes; what is read of the object stays the same."""
    before = read(raw)
    name = f"novelty_of_{kind}"
    with caplog.at_level(logging.INFO, logger="contracts"):
        assert read(raw | {name: "x"}) == before
        assert read(raw | {name: "y"}) == before

    told = [record for record in caplog.records if getattr(record, "event", "") == "contract_grew"]
    assert [(one.kind, one.added) for one in told] == [(kind, [name])]  # type: ignore[attr-defined]


def test_fields_when_they_are_read_or_were_there_at_first_then_no_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An optional field that comes late is expected; one that leaves is the readers' business."""
    growth = Growth()
    with caplog.at_level(logging.INFO, logger="contracts"):
        growth.see("order", {"id": 1, "note": 2})
        growth.see("order", {"id": 1, "legs": []})
        growth.see("order", {"note": 2})

    assert caplog.records == []


def test_fields_when_they_flood_then_the_log_stays_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Random names are told up to a bound, and then no more."""
    growth = Growth()
    growth.see("account", {})
    with caplog.at_level(logging.INFO, logger="contracts"):
        for number in range(3 * NAMES_MAX):
            growth.see("account", {f"random_{number}": 1})

    assert len(caplog.records) == NAMES_MAX
