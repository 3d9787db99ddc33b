"""Pure: whether every share has its stop at the broker, and whether our books are the broker's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.dashboard import formats
from services.dashboard.documents import Reading, sees_broker
from services.dashboard.tolerant import (
    EMPTY,
    Row,
    count_of,
    flag_of,
    known_rows,
    mapping_of,
    moment_of,
    number_of,
    text_of,
)
from services.dashboard.views_external import ExternalView


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: a name, a value with its tone (none where it is neither good nor bad), a word."""

    name: str
    value: str
    tone: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ProtectionView:
    """Coverage for the tile, and the lines of the panel. `tone` is the worst that is known of our
    own shares; `external_told` is empty where there are no others.
    """

    coverage: str
    told: str
    tone: str
    detail: str
    external_told: str
    external_tone: str
    facts: tuple[Fact, ...]


def protection_view(reading: Reading, external: ExternalView, now: datetime) -> ProtectionView:
    """Return what protects the positions; `now` is market time. What nobody knows is bad."""
    status: Row = reading.bot_status or EMPTY
    share = number_of(status, "coverage_pct")
    rows = known_rows(status, "positions")
    naked = [
        text_of(row, "symbol", formats.NOTHING)
        for row in rows or ()
        if flag_of(row, "stop_confirmed") is not True
    ]
    whole = share is not None and share >= 100 and not naked
    tone = "bad" if not whole else "ok" if sees_broker(reading) else "warn"
    coverage = formats.share(share)
    detail = _detail(None if rows is None else len(rows), naked)
    return ProtectionView(
        coverage=coverage,
        told="nothing to protect" if rows == () else f"{coverage} under a stop",
        tone=tone,
        detail=detail,
        external_told=external.told,
        external_tone=external.tone,
        facts=(
            Fact("Shares under a stop at the broker", coverage, tone, detail),
            _unknown_outcomes(status),
            _reconciled(status, now),
            _statement(status),
            Fact("External shares", external.value, external.tone, external.detail),
            *_plans(status),
        ),
    )


def _detail(positions: int | None, naked: list[str]) -> str:
    if positions is None:
        return "positions unknown"
    if naked:
        return f"not confirmed: {', '.join(naked)}"
    return f"{positions} of {positions} confirmed" if positions else "no positions"


def _unknown_outcomes(status: Row) -> Fact:
    number = count_of(status, "unknown_outcomes")
    detail = "sent, and nobody knows whether they exist" if number else ""
    tone = "ok" if number == 0 else "bad"
    return Fact("Orders of unknown outcome", formats.count(number), tone, detail)


def _reconciled(status: Row, now: datetime) -> Fact:
    entry = mapping_of(status, "reconcile")
    outcome = text_of(entry, "outcome", "unknown")
    tone = "ok" if outcome == "clean" else "warn"
    at = formats.clock_text(moment_of(entry, "at"), now)
    return Fact("Our book against the broker's", outcome, tone, f"market time {at}")


def _statement(status: Row) -> Fact:
    entry = mapping_of(status, "statement")
    matches = flag_of(entry, "matches")
    words = {True: ("matches", "ok"), False: ("DIFFERS", "bad")}
    word, tone = words.get(matches, ("not compared yet", ""))  # type: ignore[arg-type]  # None: unknown
    day = text_of(entry, "day")
    return Fact("Broker's statement of the day", word, tone, day)


def _plans(status: Row) -> tuple[Fact, ...]:
    """Sequences of orders under way, such as a stop being replaced."""
    plans = status.get("plans")
    told = [str(plan) for plan in plans] if isinstance(plans, list | tuple) else []
    return tuple(Fact("Under way", "", "ok", plan) for plan in told)
