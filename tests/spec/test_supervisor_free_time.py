"""What a supervisor was free to do between two looks of its guardian."""

from __future__ import annotations

import pytest

from services.supervisor.free_time import Glimpse, free_s
from services.supervisor.silence import Silence

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


def heard_nothing(
    *looks: tuple[float, Glimpse | None], pid: int = 7, silence: Silence | None = None
) -> Silence:
    """Look at a silent process at these moments, and see this."""
    silence = silence or Silence()
    for at_s, seen in looks:
        silence.look(pid, 1, at_s, lambda _, seen=seen: seen)  # type: ignore[misc]
    return silence


WAITS = Glimpse("D", 10.0, 3.0)


def test_silence_when_the_disk_stalls_then_the_wait_is_counted_from_the_first_look() -> None:
    """What was before the first look is held against it: nobody knows."""
    found = heard_nothing((4.0, WAITS), (5.0, WAITS), (7.5, WAITS), (8.5, BEFORE))

    assert found.held_s == pytest.approx(3.5)


def test_silence_when_a_sign_of_life_came_or_another_process_then_it_begins_anew() -> None:
    """A stall of before excuses nothing of today."""
    silence = heard_nothing((4.0, WAITS), (9.0, WAITS))
    silence.is_told = True
    silence.look(7, 10, 13.0, lambda _: WAITS)

    assert (silence.held_s, silence.is_told) == (0.0, False)

    heard_nothing((4.0, WAITS), (9.0, WAITS), silence=silence)
    assert heard_nothing((9.5, WAITS), pid=8, silence=silence).held_s == 0.0


def test_silence_when_the_kernel_tells_nothing_then_nothing_is_excused() -> None:
    """A process that cannot be looked at is judged by its silence alone."""
    assert heard_nothing((4.0, None), (9.0, None)).held_s == 0.0
