"""The catalogue: complete, possible, and the only source of its document."""

from __future__ import annotations

import pytest

from chaos.catalogue import CATALOGUE, OWNERS_FOUR, SERVICES
from chaos.document import PLACE, text
from chaos.row import GATEWAY_DOWN, GATEWAY_REFUSES, Invariant, Row
from services.exchange_sim.faults.reading import read_fault
from shared.config.fields import CHAOS_FAULTS

pytestmark = pytest.mark.unit

ROWS = tuple(CATALOGUE.values())


def test_catalogue_when_compared_with_the_setting_then_every_name_has_its_row() -> None:
    """CHAOS_MODE takes exactly what the catalogue can break, the owner's four first."""
    assert sorted(CATALOGUE) == sorted(CHAOS_FAULTS)
    assert tuple(CATALOGUE)[:4] == OWNERS_FOUR == CHAOS_FAULTS[:4]


def test_document_when_compared_with_the_catalogue_then_it_says_the_same() -> None:
    """docs/CHAOS.md is made by `python -m chaos.document`."""
    assert PLACE.read_text("utf-8") == text()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_when_read_then_it_can_be_injected_and_judged(row: Row) -> None:
    """One way to break, a victim that exists, bounds that leave time, every invariant."""
    injection, bounds = row.injection, row.bounds
    assert bool(injection.wire) != (injection.blow is not None)
    assert bool(injection.victim) == (injection.blow is not None)
    assert injection.gateway in ("", GATEWAY_DOWN, GATEWAY_REFUSES)
    assert 0 < bounds.detect_s <= bounds.respond_s
    assert min(bounds.recover_s, bounds.lease_s) > 0
    assert row.invariants == tuple(Invariant)
    assert {*row.radius, injection.victim} <= {*SERVICES, "supervisor", "guardian", ""}
    assert not set(row.expected.same_process) & set(row.expected.new_process)
    assert "OK" not in row.expected.codes


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.injection.wire], ids=lambda row: row.name
)
def test_wire_row_when_asked_of_the_exchange_then_it_knows_the_fault(row: Row) -> None:
    """Kind, scope and parameters are such that the exchange takes them."""
    for fault in row.injection.wire:
        body: dict[str, object] = {"kind": fault.kind, "lease_s": row.bounds.lease_s}
        body |= {"scope": dict(fault.scope), "parameters": dict(fault.parameters)}
        if fault.times is not None:
            body["times"] = fault.times

        assert read_fault(body).lease_s == row.bounds.lease_s
