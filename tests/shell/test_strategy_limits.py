"""One question under its limits: whatever it does, the next one is a free one."""

from __future__ import annotations

import inspect
import os
import sys
from decimal import Inexact, getcontext

import pytest

from services.trading_bot.brain.containment import Outcome, contained

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("ends", ["returns", "throws", "is broken off"])
def test_containment_when_a_thing_changes_the_depth_of_calls_then_it_is_as_before(
    ends: str,
) -> None:
    """A limit just above its own depth would make everybody after it fail."""
    before, depth = sys.getrecursionlimit(), len(inspect.stack(0))

    def shorten() -> None:
        sys.setrecursionlimit(depth + 40)
        if ends == "throws":
            raise KeyError("no such thing")
        while ends == "is broken off":
            pass

    outcome = contained(shorten, 0.1)

    assert sys.getrecursionlimit() == before
    assert bool(outcome.fault) == (ends != "returns")


def test_containment_when_a_deed_is_forbidden_then_only_while_it_lasts() -> None:
    """A question may not signal the process, and the process itself still may."""
    asked = contained(lambda: os.kill(os.getpid(), 0))

    assert asked.fault == "Forbidden: os.kill is not for strategies"
    os.kill(os.getpid(), 0)


def test_containment_when_a_thing_calculates_otherwise_then_nobody_elses_money_does() -> None:
    """Digits and traps that it sets for Decimal end with its answer, also when it throws."""
    before = getcontext().copy()

    def coarsen(fails: bool) -> str:
        getcontext().prec = 3
        getcontext().traps[Inexact] = not getcontext().traps[Inexact]
        if fails:
            raise KeyError("no such thing")
        return str(getcontext().prec)

    assert contained(lambda: coarsen(False)).answer == "3"
    assert contained(lambda: coarsen(True)).fault
    assert (getcontext().prec, getcontext().traps) == (before.prec, before.traps)


def test_containment_when_the_limit_is_swallowed_then_it_ends_and_tracing_is_as_before() -> None:
    """Whoever catches everything meets the limit again, and the question after it is a free one."""
    tracing = sys.gettrace()

    def swallow() -> None:
        while True:
            try:
                sum(range(1000))
            except BaseException:
                continue

    assert contained(swallow, 0.1).fault.startswith("Overrun: used up")
    assert sys.gettrace() is tracing
    assert contained(lambda: sum(range(9)), 0.1) == Outcome(36)


def test_containment_when_a_message_cannot_be_read_then_the_kind_is_said() -> None:
    """A failure whose own words fail is told by its kind."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    def throw() -> None:
        raise Mute

    assert contained(throw).fault == "Mute: its message cannot be read"
