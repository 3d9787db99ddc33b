"""Plays judgements second by second to the heartbeat's plan and collects what is said."""

from __future__ import annotations

from typing import Any

from services.heartbeat.plan import (
    Alert,
    End,
    Moment,
    Trouble,
    make_plan,
)
from shared.health.judge import Judgement, judge_document
from tests.support.documents import BOOT_ID, health_bytes

FAILED = {"overall": "FAILED", "code": "FAILED", "reason": "trading-bot is parked"}


DEGRADED = {"overall": "DEGRADED", "code": "DEGRADED", "reason": "data-daemon is late"}


PARKED = {"trading-bot": {"status": "FAILED", "phase": "parked", "reason": "five deaths"}}


START_S = 2_000.0


def judged(now_s: float, **changed: Any) -> Judgement:
    """A judgement of a document written at that very moment."""
    raw = health_bytes(boottime_s=now_s, **changed)
    return judge_document(raw, boot_id=BOOT_ID, boottime_s=now_s)


class Story:
    """Plays judgements second by second and collects what was said."""

    def __init__(self) -> None:
        self.now_s = START_S
        self.troubles: dict[str, Trouble] = {}
        self.ends: dict[str, End] = {}
        self.said: list[Alert] = []

    def play(self, seconds: float, **changed: Any) -> list[Alert]:
        """Let that state last so long; return what was said meanwhile."""
        fresh: list[Alert] = []
        for _ in range(int(seconds)):
            fresh += self.step(judged(self.now_s, **changed))
        return fresh

    def step(self, judgement: Judgement) -> list[Alert]:
        """One look, then a second passes."""
        now = Moment(self.now_s, f"t={self.now_s:.0f}")
        plan = make_plan(judgement, self.troubles, now, ends=self.ends)
        self.troubles, self.ends = dict(plan.troubles), dict(plan.ends)
        self.said += plan.alerts
        self.now_s += 1.0
        return list(plan.alerts)


def kinds(alerts: list[Alert]) -> list[tuple[str, str]]:
    """Kind and subject of each alert."""
    return [(alert.kind.value, alert.subject) for alert in alerts]
