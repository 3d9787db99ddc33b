"""What a supervisor was free to do between two looks of its guardian."""

from __future__ import annotations

import pytest

from services.supervisor.free_time import Glimpse, free_s

BEFORE = Glimpse("S", ran_s=10.0, queued_s=3.0)


@pytest.mark.parametrize(
    ("now", "elapsed_s", "expected_s"),
    [
        pytest.param(Glimpse("S", 10.0, 3.0), 1.0, 1.0, id="it slept: a lock, a pipe, nothing"),
        pytest.param(Glimpse("T", 10.0, 3.0), 1.0, 1.0, id="it is held by a signal"),
        pytest.param(Glimpse("R", 11.0, 3.0), 1.0, 1.0, id="it spun on a processor of its own"),
        pytest.param(Glimpse("D", 10.0, 3.0), 1.0, 0.0, id="it waits for the disk"),
        pytest.param(Glimpse("R", 10.0, 3.0), 1.0, 0.0, id="it was not let on a processor"),
        pytest.param(Glimpse("R", 10.2, 3.8), 1.0, 0.2, id="it got a fifth of a processor"),
        pytest.param(Glimpse("S", 10.0, 9.0), 5.0, 0.0, id="it waited longer than we looked away"),
        pytest.param(None, 1.0, 1.0, id="the kernel does not tell"),
    ],
)
def test_free_time_when_a_process_could_not_go_on_then_that_is_not_counted(
    now: Glimpse | None, elapsed_s: float, expected_s: float
) -> None:
    """Only what it could have used may be held against it."""
    assert free_s(BEFORE, now, elapsed_s) == pytest.approx(expected_s)


def test_free_time_when_nothing_was_seen_before_then_all_of_it_counts() -> None:
    """A kernel that does not count must not make every hang invisible."""
    assert free_s(None, BEFORE, 2.0) == 2.0
