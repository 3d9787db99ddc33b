"""Rules of ORDER_PATH.md switched off, one by one: the history made for it finds each of them out.

Each of these histories is silent about the sound bot, so that it is the missing rule that speaks.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.crash import request_kinds as requests
from tests.crash.drawing import FROM_THEN_ON, history_of
from tests.crash.history import (
    SYMBOLS,
    DiskTrouble,
    History,
    Kill,
    KillKind,
    Life,
    Phase,
    Strike,
    Wire,
    WireKind,
    Wish,
)
from tests.crash.lives import Asked, Stage

pytestmark = pytest.mark.integration

LIFE = Life(Kill(KillKind.NONE), 0.01)
CALM = Wire(0.0, 0.0, tuple(WireKind), (), 0.0, ())
AT_REST = Phase(0, 0, 1, 0)
DRAWN = replace(
    history_of(1),
    active_s=25,
    session_left_s=None,
    start_prices=(Decimal(100), Decimal(100)),
    phases=((AT_REST,), (AT_REST,)),
    wishes=(Wish(4, SYMBOLS[0], 80, 160, None),),
    orders=(),
    lives=(LIFE, LIFE),
    wire=CALM,
    switches=(),
    aged_records=0,
    trails=False,
    adopts=False,
    is_metered=False,
)
"""One entry, filled at once, and nothing that goes wrong."""


def refused_from(call: int) -> History:
    """The disk refuses every change from this file call of the first life on."""
    disk = DiskTrouble(call, FROM_THEN_ON, errno.ENOSPC)
    return replace(DRAWN, lives=(replace(LIFE, disk=disk), LIFE), switches=("partial_fill_rate=1",))


LOST = replace(CALM, strikes=(Strike(requests.ENTRY, WireKind.LOST_BEFORE, times=1),))
AWAY = replace(CALM, strikes=(Strike(requests.ACCOUNT, WireKind.LOST_BEFORE, 8.0, 14.0),))
TWO = (*DRAWN.wishes, Wish(8, SYMBOLS[1], 80, 160, None))
DEARER = (AT_REST, Phase(2, 0, 1, 900))
"""Nine per cent above the prior close: no entry may pass."""
RULES = [
    pytest.param("unlocked", DRAWN, "nobody held the trading lock", id="13"),
    pytest.param("careless", refused_from(100), "intent is not on the disk", id="16 entries"),
    pytest.param("stubborn", refused_from(130), "longer than 5.0 s", id="16 protection"),
    pytest.param("resigning", replace(DRAWN, wire=AWAY), "disk refused nothing", id="24 broker"),
    pytest.param(
        "offended", replace(DRAWN, phases=(DEARER, DEARER)), "by itself with 77", id="24 limits"
    ),
    pytest.param("optimistic", replace(DRAWN, wire=LOST, wishes=TWO), "was unknown", id="9"),
]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One pre-imported process for all histories."""
    made = Stage()
    yield made
    made.close()


@pytest.mark.parametrize(("mutant", "history", "words"), RULES)
def test_history_when_a_rule_is_off_then_it_is_found_out(
    stage: Stage, mutant: str, history: History, words: str
) -> None:
    """The same history finds nothing wrong with the bot as it is."""
    sound = stage.play(history)
    broken = stage.play(history, Asked(mutant=mutant))

    assert sound.violations == ()
    assert any(words in found for found in broken.violations), broken.violations
