"""The judge: green for a drill that healed, red for every single thing that did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chaos.catalogue import CATALOGUE
from chaos.evidence import Moments
from chaos.judge import Judged, Seen, Verdict, is_answered, is_detected, judge
from chaos.row import Row
from tests.support.chaos_history import answered, good, sample, shown

pytestmark = pytest.mark.unit

LATE = ("DEGRADED", "running")
every_row = pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.name)


def verdict(row: Row, seen: Seen) -> Verdict:
    """Judge, and return the verdict alone."""
    return judge(row, seen).verdict


@every_row
def test_judge_when_everything_is_as_the_row_asks_then_it_passed(row: Row) -> None:
    """Shown, answered, healed, proven, nothing broken."""
    assert judge(row, good(row)).grounds == ()
    assert verdict(row, good(row)) is Verdict.PASSED


@every_row
def test_judge_when_the_fault_did_not_act_then_it_is_inconclusive(row: Row) -> None:
    """Green without a proof of the injection would be worth nothing."""
    assert verdict(row, replace(good(row), acted=0)) is Verdict.INCONCLUSIVE


@every_row
@pytest.mark.parametrize("missing", ["detected_s", "responded_s", "recovered_s"])
def test_judge_when_something_never_came_then_it_failed(row: Row, missing: str) -> None:
    """A row whose healing is switched off is red."""
    seen = good(row)
    changes: dict[str, Any] = {missing: None}
    moments = replace(seen.moments, **changes)

    assert verdict(row, replace(seen, moments=moments)) is Verdict.FAILED


@every_row
def test_judge_when_something_came_too_late_then_it_failed(row: Row) -> None:
    """The bounds of the row are bounds."""
    late = Moments(
        0.0,
        row.bounds.detect_s + 0.1,
        row.bounds.respond_s + 0.1,
        500.0,
        500.1 + row.bounds.recover_s,
    )

    found = judge(row, replace(good(row), moments=late))

    assert found.verdict is Verdict.FAILED
    assert [ground.split(" ")[0] for ground in found.grounds[:3]] == [
        "detected", "answered", "recovered",
    ]  # fmt: skip


@every_row
def test_detection_when_nothing_is_shown_then_there_is_none(row: Row) -> None:
    """What stays green shows nothing; an old incident is no news."""
    before = sample(0.0)

    assert not is_detected(row, before, sample(1.0))
    assert is_detected(row, before, shown(row, 1.0))
    if not row.expected.codes:
        assert not is_detected(row, shown(row, 0.0), shown(row, 1.0))


@every_row
def test_answer_when_it_is_not_there_then_it_is_missed(row: Row) -> None:
    """Parked, renewed, set aside, held back: what the row names must be seen."""
    before = sample(0.0)
    wanted = row.expected
    asks = wanted.parked or wanted.new_process or wanted.quarantined
    asks = asks or "ACTIVE" not in wanted.trading
    missed = shown(row, 1.0) if wanted.heals_meanwhile else sample(1.0)

    assert is_answered(row, before, [shown(row, 0.5), answered(row, 1.0)])
    assert is_answered(row, before, [missed]) == (not asks and not wanted.heals_meanwhile)


def test_answer_when_it_is_well_without_a_word_about_what_is_broken_then_it_is_none() -> None:
    """Prices that REST brings hide a dead trade stream; one that is found must be healed, too."""
    row = CATALOGUE["stream_silent"]
    before, other = sample(0.0), sample(1.0, overall="DEGRADED", reason="bars stale")
    told = shown(row, 23.0)

    assert not is_answered(row, before, [before, other, sample(5.0)])
    assert not is_answered(row, before, [before, told])
    assert is_answered(row, before, [before, other, sample(5.0), told])
    assert is_answered(row, before, [before, told, sample(25.0)])


def test_judge_when_a_process_was_replaced_that_must_stay_then_it_failed() -> None:
    """In alpaca_down the bot's process is the same before and after."""
    row = CATALOGUE["alpaca_down"]
    seen = good(row)
    samples = (*seen.samples, sample(4.0, pids={"trading-bot": 999}))

    found = judge(row, replace(seen, samples=samples))

    assert found == Judged(
        Verdict.FAILED, ("trading-bot was pid 102 and is 999",), found.invariants
    )


def test_judge_when_a_guardrail_broke_then_it_is_aborted() -> None:
    """Whatever else was seen."""
    row = CATALOGUE["bot_hang"]

    found = judge(row, replace(good(row), aborted="an emergency stop was set"))

    assert (found.verdict, found.grounds) == (Verdict.ABORTED, ("an emergency stop was set",))


def test_judge_when_the_class_is_wrong_then_it_is_not_detected() -> None:
    """Refused keys that are shown as a passing trouble are not shown."""
    row = CATALOGUE["invalid_creds"]

    assert not is_detected(row, sample(0.0), sample(1.0, overall="DEGRADED", code="DEGRADED"))


def test_judge_when_somebody_else_is_degraded_then_it_is_not_detected() -> None:
    """A busy machine makes beats late now and then; that is not the fault being shown."""
    row = CATALOGUE["slow_broker"]
    late = {"overall": "DEGRADED", "code": "DEGRADED"}

    assert not is_detected(row, sample(0.0), sample(1.0, services={"heartbeat": LATE}, **late))
    assert is_detected(row, sample(0.0), sample(1.0, services={"trading-bot": LATE}, **late))
    assert is_detected(row, sample(0.0), sample(1.0, trading="REDUCING", **late))
