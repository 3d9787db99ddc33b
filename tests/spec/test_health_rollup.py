"""From evidence to status, from statuses to the verdict, and how readers judge the file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.health.evidence import BeatRule, Evidence, judge_service
from shared.health.judge import Standing, judge_document
from shared.health.rollup import JudgedService, rollup
from shared.models.health import ExitClass, HealthCode, Phase, Status, TradingWord, Verdict

pytestmark = pytest.mark.unit

OK, DEGRADED, FAILED = Status.OK, Status.DEGRADED, Status.FAILED
RULE = BeatRule(notify=True, ready_s=30, beat_s=2, watchdog_s=20)
ACTIVE = TradingWord("ACTIVE", "none")


def service(
    name: str, status: Status, critical: bool = True, failure_class: ExitClass | None = None
) -> JudgedService:
    """Return a judged service."""
    return JudgedService(name, status, critical, "because", failure_class)


def running(**facts: Any) -> Evidence:
    """Return the evidence of a healthy running service, changed by the facts."""
    good: dict[str, Any] = {
        "phase": Phase.RUNNING,
        "phase_reason": "running",
        "ready": True,
        "running_for_s": 100,
        "beat_age_s": 0.5,
        "progress_age_s": 0.5,
        "own_status": OK,
    }
    return Evidence(**(good | facts))


@pytest.mark.parametrize(
    ("evidence", "wanted"),
    [
        (running(), OK),
        (running(ready=False), DEGRADED),
        (running(beat_age_s=None), DEGRADED),
        (running(beat_age_s=2.9), OK),
        (running(beat_age_s=3.1), DEGRADED),
        (running(beat_age_s=6.1), FAILED),
        (running(beat_age_s=5.9, extended=True), OK),
        (running(beat_age_s=6.1, extended=True), DEGRADED),
        (running(beat_age_s=6.1, extended=True, own_status=FAILED), FAILED),
        (running(progress_age_s=6.1), DEGRADED),
        (running(progress_age_s=20.1), FAILED),
        (running(progress_age_s=None), OK),
        (running(own_status=DEGRADED), DEGRADED),
        (running(own_status=FAILED), FAILED),
        (running(own_status=None), OK),
        (running(own_status=OK, beat_age_s=7.0), FAILED),
        (running(phase=Phase.BACKOFF), DEGRADED),
        (running(phase=Phase.PARKED), FAILED),
        (running(phase=Phase.STOPPED), FAILED),
        (running(phase=Phase.STOPPED, will_return=True), DEGRADED),
        (running(phase=Phase.STARTING, running_for_s=29), DEGRADED),
        (running(phase=Phase.STARTING, running_for_s=31), FAILED),
        (running(phase=Phase.STARTING, running_for_s=31, extended=True), DEGRADED),
        (running(phase=Phase.STARTING, blocked_for_good=True), FAILED),
    ],
)
def test_service_when_judged_then_only_evidence_makes_it_ok(
    evidence: Evidence, wanted: Status
) -> None:
    """READY, beats on time, progress moving and its own word, each alone can take the OK away."""
    assert judge_service(evidence, RULE)[0] is wanted


def test_service_when_it_does_not_notify_then_running_is_ok() -> None:
    """A program that does not speak sd_notify is OK while it runs."""
    silent = BeatRule(notify=False, ready_s=30, beat_s=2, watchdog_s=20)

    assert judge_service(running(ready=False, beat_age_s=None), silent)[0] is OK


@pytest.mark.parametrize(
    ("services", "trading", "overall", "code"),
    [
        ([service("a", OK)], ACTIVE, OK, "OK"),
        ([service("a", OK), service("b", DEGRADED, False)], ACTIVE, OK, "OK"),
        ([service("a", OK), service("b", FAILED, False)], ACTIVE, DEGRADED, "DEGRADED"),
        ([service("a", DEGRADED)], ACTIVE, DEGRADED, "DEGRADED"),
        ([service("a", FAILED)], ACTIVE, FAILED, "FAILED"),
        ([service("a", FAILED, True, ExitClass.CONFIG)], ACTIVE, FAILED, "FAILED_CONFIG"),
        ([service("a", FAILED, True, ExitClass.SCHEMA)], ACTIVE, FAILED, "FAILED_API_SCHEMA"),
        ([service("a", FAILED, True, ExitClass.RISK)], ACTIVE, FAILED, "FAILED_RISK"),
        ([service("a", FAILED, True, ExitClass.TRANSIENT)], ACTIVE, FAILED, "FAILED"),
        (
            [service("a", FAILED, True, ExitClass.RISK), service("b", FAILED)],
            ACTIVE,
            FAILED,
            "FAILED_RISK",
        ),
        (
            [
                service("a", FAILED, True, ExitClass.RISK),
                service("b", FAILED, True, ExitClass.CONFIG),
            ],
            ACTIVE,
            FAILED,
            "FAILED_CONFIG",
        ),
        ([service("a", FAILED, False, ExitClass.CONFIG)], ACTIVE, DEGRADED, "DEGRADED"),
        ([service("a", OK)], TradingWord("HALTED", "operator"), DEGRADED, "DEGRADED"),
        ([service("a", OK)], TradingWord("HALTED", "risk"), DEGRADED, "DEGRADED"),
        ([service("a", OK)], TradingWord("REDUCING", "risk"), DEGRADED, "DEGRADED"),
        ([service("a", OK)], TradingWord("REDUCING", "data"), DEGRADED, "DEGRADED"),
        ([service("a", OK)], TradingWord("REDUCING", "operator"), OK, "OK"),
        ([service("a", FAILED)], TradingWord("HALTED", "supervision"), FAILED, "FAILED"),
        ([service("a", OK)], None, OK, "OK"),
    ],
)
def test_rollup_when_services_stand_so_then_the_verdict_is_this(
    services: list[JudgedService], trading: TradingWord | None, overall: Status, code: str
) -> None:
    """The rule of CONTRACTS.md section 5, row by row."""
    verdict = rollup(services, trading)

    assert (verdict.overall, verdict.code) == (overall, HealthCode(code))
    assert verdict.reason
    assert verdict.next_action


def test_rollup_when_the_emergency_stop_is_active_then_at_least_degraded() -> None:
    """A stopped system is never green."""
    verdict = rollup([service("a", OK)], ACTIVE, emergency_stop=True)

    assert verdict.overall is DEGRADED
    assert "emergency stop" in verdict.reason
    assert "clear-stop" in verdict.next_action


@given(
    st.lists(
        st.builds(
            service,
            st.sampled_from("abcdef"),
            st.sampled_from(Status),
            st.booleans(),
            st.none() | st.sampled_from(ExitClass),
        ),
        max_size=8,
    ),
    st.sampled_from([None, ACTIVE, TradingWord("HALTED", "risk")]),
)
def test_rollup_when_anything_then_ok_needs_every_critical_service_ok(
    services: list[JudgedService], trading: TradingWord | None
) -> None:
    """No combination shows green while a critical service is not OK; code agrees with overall."""
    verdict = rollup(services, trading)
    critical = [one.status for one in services if one.critical]

    if verdict.overall is OK:
        assert all(status is OK for status in critical)
        assert trading is None or trading.state != "HALTED"
    assert (verdict.overall is FAILED) == (FAILED in critical)
    assert verdict.code.startswith(verdict.overall)


def document(**changes: Any) -> bytes:
    """Return a whole health document with changes."""
    verdict = Verdict(OK, HealthCode.OK, "fine", "nothing")
    whole: dict[str, Any] = {
        "schema_version": 1,
        "overall": verdict.overall,
        "code": verdict.code,
        "reason": verdict.reason,
        "next_action": verdict.next_action,
        "boot_id": "boot",
        "boottime_s": 100.0,
        "services": {},
    }
    return json.dumps(whole | changes).encode()


@pytest.mark.parametrize(
    ("raw", "now_s", "standing", "exit_code"),
    [
        (None, 100.0, Standing.MISSING, 3),
        (document(), 104.9, Standing.FRESH, 0),
        (document(), 105.1, Standing.STALE, 4),
        (document(), 99.8, Standing.FRESH, 0),
        (document(), 90.0, Standing.UNREADABLE, 4),
        (document(boot_id="other"), 100.0, Standing.STALE, 4),
        (document(overall="DEGRADED", code="DEGRADED"), 100.0, Standing.FRESH, 1),
        (document(overall="FAILED", code="FAILED_RISK"), 100.0, Standing.FRESH, 3),
        (document(overall="FAILED", code="STOPPED"), 100.0, Standing.FRESH, 3),
        (document(overall="OK", code="FAILED"), 100.0, Standing.UNREADABLE, 4),
        (document(overall="FINE"), 100.0, Standing.UNREADABLE, 4),
        (document(schema_version=2), 100.0, Standing.UNREADABLE, 4),
        (document(boottime_s="100"), 100.0, Standing.UNREADABLE, 4),
        (document(boottime_s=True), 100.0, Standing.UNREADABLE, 4),
        (document(services=[]), 100.0, Standing.UNREADABLE, 4),
        (b"", 100.0, Standing.UNREADABLE, 4),
        (b"[1]", 100.0, Standing.UNREADABLE, 4),
        (b"\xff\xfe", 100.0, Standing.UNREADABLE, 4),
        (document()[:40], 100.0, Standing.UNREADABLE, 4),
    ],
)
def test_reader_when_judging_then_age_comes_before_content(
    raw: bytes | None, now_s: float, standing: Standing, exit_code: int
) -> None:
    """Stale, foreign, torn or contradictory documents are FAILED whatever they say."""
    judgement = judge_document(raw, boot_id="boot", boottime_s=now_s)

    assert judgement.standing is standing
    assert judgement.exit_code == exit_code
    if standing is not Standing.FRESH:
        assert judgement.overall is FAILED
    if standing is Standing.STALE:
        assert "supervisor silent" in judgement.reason


@given(st.binary(max_size=200))
def test_reader_when_given_any_bytes_then_it_never_raises_and_never_says_ok(raw: bytes) -> None:
    """Noise is no health document."""
    assert judge_document(raw, boot_id="boot", boottime_s=1.0).overall is FAILED
