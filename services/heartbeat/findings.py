"""Pure: what is wrong at this moment, from the judgement and from what was seen beside it.

Each finding has a subject, the key under which it is announced once. What a more telling finding
explains is left out, and a limit once crossed must be left by a margin: neither storms nor
flickers reach people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.health.codes import RUNBOOK
from shared.health.judge import Judgement, Standing
from shared.models.health import HealthCode, Status


class Severity(StrEnum):
    """How urgently a person is wanted."""

    INFO = "info"
    WARN = "warn"
    PAGE = "page"


RANK = {Severity.INFO: 0, Severity.WARN: 1, Severity.PAGE: 2}

SYSTEM, TRADING = "system", "trading"
POSITION_SIZE, DAILY_LOSS, DRAWDOWN = "position size", "daily loss", "drawdown"
PROTECTION, DRIFT, STOP = "protection", "contract drift", "emergency stop"
PAGE, LARGE_TRADE, RESTARTS = "dashboard page", "large trade", "restart loop"
_OF_THE_BOT = frozenset({POSITION_SIZE, DAILY_LOSS, DRAWDOWN, PROTECTION, DRIFT})
"""What only the bot's own numbers tell."""
_LIMIT_OF = {
    POSITION_SIZE: "largest_position",
    DAILY_LOSS: "daily_loss",
    DRAWDOWN: "drawdown_pct",
}
"""Subject to the bot's own name of the limit."""


def _anchor(subject: str) -> str:
    return "emergency-stop" if subject == STOP else f"alert-{subject.replace(' ', '-')}"


ALERT_ANCHORS = {_anchor(name): name for name in (*_OF_THE_BOT, STOP, PAGE, LARGE_TRADE, RESTARTS)}
"""Section of the runbook to the subject that points there."""

WARN_AT_PCT, LIMIT_PCT, MARGIN_PCT = 80.0, 100.0, 5.0
UNCONFIRMED_STOP_S = 15.0
"""So long a fresh position may wait for the broker to confirm its stop."""
PAGE_PATIENCE_S = 12.0
"""More than the pause between two requests: an answer may be one flip old."""
DEATHS_OF_A_LOOP = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong at this moment."""

    subject: str
    """`system`, `trading`, or a service's name: what an alert is about, its key."""
    cause: str
    severity: Severity
    detail: str
    next_action: str = ""
    open_after_s: float | None = None
    """How long it must last before it is announced; None: as its severity says."""


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What a real request to the dashboard brought."""

    problem: str = ""
    """Why it was no sound answer; empty when it was."""
    overall: str = ""
    """The verdict that it tells."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen beside health.json. None means not known, never that all is well."""

    bot: Mapping[str, Any] | None = None
    """bot_status.json while it is fresh and whole."""
    stop: str | None = None
    """Who set an emergency stop and why; None without one."""
    page: PageAnswer | None = None
    open_subjects: Collection[str] = field(default_factory=frozenset)
    """What is already announced."""


NOTHING = Facts()


def is_unknown(subject: str, judgement: Judgement, facts: Facts) -> bool:
    """Whether nobody can say at this moment how that subject is."""
    if subject == STOP:
        return False
    if subject in _OF_THE_BOT:
        return facts.bot is None or _is_unsaid(subject, facts.bot)
    if subject == PAGE and facts.page is None:
        return True
    return judgement.standing is not Standing.FRESH


def findings(judgement: Judgement, facts: Facts = NOTHING) -> tuple[Finding, ...]:
    """Return everything that is wrong, the whole first."""
    found: list[Finding] = list(_system(judgement))
    is_fresh = judgement.standing is Standing.FRESH
    if is_fresh and judgement.code != HealthCode.STOPPED:
        document = judgement.document or {}
        found += _services(document)
        found += _trading(document)
        found += _page(judgement, facts)
    found += _stop(facts)
    found += _money(facts)
    return _without_explained(found, facts)


def _system(judgement: Judgement) -> Iterator[Finding]:
    if judgement.overall is Status.OK:
        return
    cause, severity = judgement.code, Severity.WARN
    if judgement.standing is not Standing.FRESH:
        cause = f"{judgement.code} ({judgement.standing.value} health.json)"
    if judgement.code == HealthCode.STOPPED:
        severity = Severity.INFO
    elif judgement.overall is Status.FAILED:
        severity = Severity.PAGE
    yield Finding(SYSTEM, cause, severity, judgement.reason, judgement.next_action)


def _services(document: Mapping[str, Any]) -> Iterator[Finding]:
    services = document.get("services")
    for name, entry in services.items() if isinstance(services, Mapping) else ():
        facts = entry if isinstance(entry, Mapping) else {}
        status = facts.get("status")
        if status != Status.OK:
            urgent = status != Status.DEGRADED and facts.get("critical") is True
            yield Finding(
                str(name),
                str(status or "unreadable"),
                Severity.PAGE if urgent else Severity.WARN,
                str(facts.get("reason") or "no reason was given"),
            )
        deaths = _number(facts.get("failures_in_window"))
        if deaths >= DEATHS_OF_A_LOOP:
            most = facts.get("max_failures")
            detail = f"{name} died {deaths:.0f} times; at {most} it is parked"
            yield Finding(
                f"{RESTARTS} of {name}", "RESTARTING", Severity.WARN, detail, see(RESTARTS)
            )


def _trading(document: Mapping[str, Any]) -> Iterator[Finding]:
    state, cause = document.get("trading_state"), document.get("trading_state_cause")
    if state == "HALTED":
        yield Finding(TRADING, "HALTED", Severity.WARN, f"trading is HALTED: {cause}")
    elif state == "REDUCING" and cause not in ("operator", "none"):
        yield Finding(TRADING, "REDUCING", Severity.WARN, f"no new risk is taken: {cause}")


def _page(judgement: Judgement, facts: Facts) -> Iterator[Finding]:
    if facts.page is None:
        return
    detail = facts.page.problem
    if not detail and facts.page.overall != judgement.overall:
        detail = f"it says {facts.page.overall}, health.json says {judgement.overall}"
    if detail:
        yield Finding(PAGE, "UNSOUND", Severity.WARN, detail, see(PAGE), PAGE_PATIENCE_S)


def _stop(facts: Facts) -> Iterator[Finding]:
    if facts.stop is not None:
        yield Finding(STOP, "SET", Severity.PAGE, facts.stop, see(STOP))


def _money(facts: Facts) -> Iterator[Finding]:
    if facts.bot is None:
        return
    for subject, row in _limits(facts.bot).items():
        share = _number(row.get("used_pct"))
        warn_at = LIMIT_PCT if subject == POSITION_SIZE else WARN_AT_PCT
        bound = warn_at - (MARGIN_PCT if subject in facts.open_subjects else 0.0)
        # A position may stand at its limit; a loss at its limit has reached it.
        if share > bound or (share == bound and subject != POSITION_SIZE):
            at_limit = subject != POSITION_SIZE and share >= LIMIT_PCT
            cause = "LIMIT REACHED" if share >= LIMIT_PCT else "NEAR ITS LIMIT"
            detail = f"{row.get('used')} of {row.get('limit')} ({share:.0f} %)"
            severity = Severity.PAGE if at_limit else Severity.WARN
            yield Finding(subject, cause, severity, detail, see(subject))
    yield from _protection(facts.bot)
    for row in _rows(facts.bot, "causes"):
        if row.get("input") == "contracts":
            yield Finding(DRIFT, "DRIFT", Severity.PAGE, str(row.get("reason")), see(DRIFT))
            return


def _limits(bot: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    rows = {row.get("name"): row for row in _rows(bot, "limits")}
    return {subject: rows[name] for subject, name in _LIMIT_OF.items() if name in rows}


def _is_unsaid(subject: str, bot: Mapping[str, Any]) -> bool:
    """Whether the bot has a row for that limit and itself does not know how much is used."""
    row = _limits(bot).get(subject)
    return row is not None and row.get("used_pct") is None


def _protection(bot: Mapping[str, Any]) -> Iterator[Finding]:
    bare = [
        str(row.get("symbol"))
        for row in _rows(bot, "positions")
        if row.get("stop_confirmed") is not True
    ]
    told = any(row.get("input") == "coverage" for row in _rows(bot, "causes"))
    if bare or told:
        detail = f"no confirmed stop at the broker: {', '.join(sorted(bare)) or 'not said which'}"
        patience_s = None if told else UNCONFIRMED_STOP_S
        yield Finding(PROTECTION, "MISSING", Severity.PAGE, detail, see(PROTECTION), patience_s)


_EXPLAINED_BY = {
    "operator": (STOP,),
    "contracts": (DRIFT,),
    "coverage": (PROTECTION,),
    "risk": (DAILY_LOSS, DRAWDOWN),
}
"""Cause of the trading state to what says it better."""


def _without_explained(found: list[Finding], facts: Facts) -> tuple[Finding, ...]:
    """Leave out what another finding explains, unless it was announced before: then its end
    must be true when it is told.
    """
    subjects = {one.subject for one in found if one.severity is Severity.PAGE}
    gone: set[str] = set()
    trading = next((one for one in found if one.subject == TRADING), None)
    if trading is not None:
        cause = trading.detail.rpartition(": ")[2]
        if subjects.intersection(_EXPLAINED_BY.get(cause, ())):
            gone.add(TRADING)
    services_well = not any(one.cause in set(Status) and one.subject != SYSTEM for one in found)
    is_only_that = TRADING in gone or (trading is None and STOP in subjects)
    if is_only_that and services_well:
        gone.add(SYSTEM)
    if any(one.subject == "dashboard" for one in found):
        gone.add(PAGE)
    system = next((one for one in found if one.subject == SYSTEM), None)
    if system is not None and system.cause != HealthCode.DEGRADED:
        gone.discard(SYSTEM)
    gone -= set(facts.open_subjects)
    return tuple(one for one in found if one.subject not in gone)


def see(subject: str) -> str:
    """Return the sentence that points to the subject's section of the runbook."""
    return f"See {RUNBOOK}#{_anchor(subject)}."


def _rows(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = document.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _number(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else 0.0  # type: ignore[arg-type]  # just looked at
