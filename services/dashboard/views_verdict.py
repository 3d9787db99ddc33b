"""Pure: the one glance: word, shape, since, cause and next action, and what holds trading back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.dashboard import formats
from services.dashboard.documents import Reading, is_bot_status_fresh
from services.dashboard.tolerant import (
    EMPTY,
    Row,
    flag_of,
    mapping_of,
    moment_of,
    rows_of,
    text_of,
)
from services.dashboard.views_services import TONES
from services.dashboard.views_trading import STATES, trading_word
from services.dashboard.wording import readable
from shared.health.judge import Judgement, Standing
from shared.models.health import Status

TRADING_TONES = {"ACTIVE": "ok", "REDUCING": "warn", "HALTED": "bad"}
PRODUCT = "self-healing trader"
TITLE_CAUSE_CHARACTERS_MAX = 60


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The one glance: word, shape and colour, since, cause and next action."""

    word: str
    code: str
    tone: str
    reason: str
    next_action: str
    since: str
    lasts: str
    age: str
    mode: str
    trading_state: str
    trading_tone: str
    trading_state_cause: str

    @property
    def title(self) -> str:
        """The tab's title: what fits there of the verdict, worst first."""
        mode = self.mode.upper().replace("_", " ")
        if self.word == Status.OK:
            return f"{self.word} · {mode} · {PRODUCT}"
        cause = self.reason[:TITLE_CAUSE_CHARACTERS_MAX].rstrip()
        more = "…" if len(self.reason) > TITLE_CAUSE_CHARACTERS_MAX else ""
        return f"{self.code} for {self.lasts} · {mode} · {cause}{more}"


@dataclass(frozen=True, slots=True)
class CauseRow:
    """One input that holds trading back, in the bot's own words."""

    name: str
    anchor: str
    state: str
    tone: str
    reason: str


def verdict_view(reading: Reading, judgement: Judgement, configured_mode: str) -> VerdictView:
    """Return the verdict after the age rule."""
    health: Row = judgement.document if judgement.document is not None else EMPTY
    word = trading_word(reading, judgement)
    since = _since(reading, judgement, health)
    lasts_s = None if since is None else (reading.at - since).total_seconds()
    return VerdictView(
        word=str(judgement.overall),
        code=judgement.code,
        tone=TONES.get(judgement.overall, "bad"),
        reason=readable(judgement.reason, reading.at),
        next_action=judgement.next_action,
        since=formats.clock_text(since, reading.at),
        lasts=formats.duration(lasts_s),
        age=formats.duration(judgement.age_s),
        mode=text_of(health, "mode", configured_mode),
        trading_state=word.state,
        trading_tone=TRADING_TONES.get(word.state, "bad"),
        trading_state_cause=word.cause,
    )


def _since(reading: Reading, judgement: Judgement, health: Row) -> datetime | None:
    """When the verdict began: the first culprit's moment, or the last one's to become good.

    A verdict that the document does not give itself (silent supervisor) began when the document
    ran out. Without a culprit among the services it is the emergency stop's moment, that of the
    document where nobody supervises, and else nobody knows.
    """
    if judgement.standing is not Standing.FRESH:
        return moment_of(health, "valid_until")
    services = mapping_of(health, "services")
    rows = [mapping_of(services, name) for name in services]
    if judgement.overall is Status.OK:
        good = [moment_of(row, "since") for row in rows if flag_of(row, "critical") is True]
        return max((moment for moment in good if moment), default=None)
    culprits = [moment_of(row, "since") for row in rows if _weight(row) is judgement.overall]
    known = [moment for moment in culprits if moment]
    if known:
        return min(known)
    if reading.emergency_stop is not None:
        return moment_of({"at": reading.emergency_stop.at}, "at")
    return None if rows else moment_of(health, "written_at")


def _weight(row: Row) -> Status:
    """What a service means for the whole: a supportive one that failed makes it DEGRADED."""
    status = text_of(row, "status")
    if status == Status.FAILED:
        return Status.FAILED if flag_of(row, "critical") is True else Status.DEGRADED
    is_late = status == Status.DEGRADED and flag_of(row, "critical") is True
    return Status.DEGRADED if is_late else Status.OK


def cause_rows(reading: Reading) -> tuple[CauseRow, ...]:
    """Return every input that restricts trading, worst first; none while the bot is silent."""
    if not is_bot_status_fresh(reading):
        return ()
    rows = [
        CauseRow(
            name=text_of(row, "input", formats.NOTHING).replace("_", " "),
            anchor=f"cause-{text_of(row, 'input')}",
            state=state,
            tone=TRADING_TONES.get(state, "bad"),
            reason=text_of(row, "reason"),
        )
        for row, state in (
            (row, text_of(row, "state", "unknown")) for row in rows_of(reading.bot_status, "causes")
        )
        if state != STATES[0]
    ]
    return tuple(sorted(rows, key=lambda row: row.tone != "bad"))
