"""The table of legal transitions, status by status."""

from __future__ import annotations

import pytest

from shared.models.orders import TERMINAL, TRANSITIONS, OrderStatus, may_become
from tests.support.builders import an_entry

pytestmark = pytest.mark.unit

S = OrderStatus
LATE_FILL = {S.FILLED, S.PARTIALLY_FILLED}
BEFORE = {S.INTENT, S.UNKNOWN, S.NOT_SENT}


def test_table_when_read_then_every_status_has_its_row() -> None:
    """No status is forgotten."""
    assert set(TRANSITIONS) == set(S)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (S.FILLED, set()),
        (S.REJECTED, set()),
        (S.CANCELED, LATE_FILL),
        (S.EXPIRED, LATE_FILL),
        (S.REPLACED, LATE_FILL | {S.CANCELED, S.EXPIRED}),
        (S.NOT_SENT, set(S) - BEFORE),
        (S.UNKNOWN, set(S) - {S.INTENT, S.UNKNOWN}),
        (S.INTENT, set(S) - {S.INTENT}),
    ],
)
def test_transition_when_from_an_end_or_a_beginning_then_only_these(
    status: OrderStatus, wanted: set[OrderStatus]
) -> None:
    """After an end only a late fill follows; before the broker spoke, anything of its words."""
    assert TRANSITIONS[status] == wanted


@pytest.mark.parametrize("status", sorted(set(S) - TERMINAL - {S.INTENT, S.UNKNOWN}))
def test_transition_when_working_then_never_back_to_before_the_broker(status: OrderStatus) -> None:
    """What the broker has shown is never an intent, unknown or not sent again."""
    assert not TRANSITIONS[status] & BEFORE
    assert status.is_live


@pytest.mark.parametrize("status", [S.NEW, S.ACCEPTED, S.PENDING_NEW, S.HELD, S.REJECTED])
def test_transition_when_partly_filled_then_never_unfilled_again(status: OrderStatus) -> None:
    """A fill is not taken back."""
    assert not may_become(S.PARTIALLY_FILLED, status)


@pytest.mark.parametrize("status", sorted(S))
def test_transition_when_nothing_moves_then_it_is_legal(status: OrderStatus) -> None:
    """Repeated news are no fault."""
    assert may_become(status, status)


def test_become_when_forbidden_then_the_order_says_so() -> None:
    """`become` follows the table."""
    filled = an_entry().become(S.FILLED)

    assert filled.status is S.FILLED
    with pytest.raises(ValueError, match="filled cannot become canceled"):
        filled.become(S.CANCELED)
