"""Pure: what is wrong at this moment, from the judgement and from what was seen beside it.

What a more telling finding explains is left out, and a limit once crossed must be left by a
margin: neither storms nor flickers reach people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from services.heartbeat import externals
from services.heartbeat.rows import clipped, number, rows
from services.heartbeat.subjects import (
    DAILY_LOSS,
    DRAWDOWN,
    DRIFT,
    EXTERNAL,
    EXTERNAL_STOP,
    NOTHING,
    OF_THE_BOT,
    PAGE,
    POSITION_SIZE,
    PROTECTION,
    RESTARTS,
    STOP,
    SYSTEM,
    TRADING,
    Facts,
    Finding,
    Severity,
    see,
)
from shared.health.adopted import BOT, adopted_uncovered, adopted_words
from shared.health.judge import Judgement, Standing
from shared.models.health import HealthCode, Status

_LIMIT_OF = {
    POSITION_SIZE: "largest_position",
    DAILY_LOSS: "daily_loss",
    DRAWDOWN: "drawdown_pct",
}
"""Subject to the bot's own name of the limit."""

WARN_AT_PCT, LIMIT_PCT, MARGIN_PCT = 80.0, 100.0, 5.0
UNCONFIRMED_STOP_S = 15.0
"""So long a fresh position may wait for the broker to confirm its stop."""
PAGE_PATIENCE_S = 12.0
"""More than the pause between two requests: an answer may be one flip old."""
DEATHS_OF_A_LOOP = 3
SUBJECT_CHARACTERS_MAX, CAUSE_CHARACTERS_MAX, DETAIL_CHARACTERS_MAX = 80, 60, 500
"""What others wrote may be endless; no address takes a message that is."""


def is_unknown(subject: str, judgement: Judgement, facts: Facts) -> bool:
    """Whether nobody can say at this moment how that subject is."""
    if subject == STOP:
        return False
    if subject in OF_THE_BOT:
        return facts.bot is None or _is_unsaid(subject, facts.bot)
    if subject.startswith(f"{EXTERNAL} "):
        return not externals.is_told(facts.bot)
    if subject == PAGE and facts.page is None:
        return True
    if judgement.standing is not Standing.FRESH:
        return True
    return subject == EXTERNAL_STOP and _is_bot_mute(judgement.document or {})


def findings(judgement: Judgement, facts: Facts = NOTHING) -> tuple[Finding, ...]:
    """Return everything that is wrong, the whole first."""
    found: list[Finding] = list(_system(judgement))
    is_fresh = judgement.standing is Standing.FRESH
    if is_fresh and judgement.code != HealthCode.STOPPED:
        document = judgement.document or {}
        found += _services(document)
        found += _trading(document)
        found += _page(judgement, facts)
        found += _adopted(document, facts)
    found += _stop(facts)
    found += _money(facts)
    found += _external(facts)
    return tuple(_bounded(one) for one in _without_explained(found, facts))


def _bounded(finding: Finding) -> Finding:
    return replace(
        finding,
        subject=clipped(finding.subject, SUBJECT_CHARACTERS_MAX),
        cause=clipped(finding.cause, CAUSE_CHARACTERS_MAX),
        detail=clipped(finding.detail, DETAIL_CHARACTERS_MAX),
        next_action=clipped(finding.next_action, DETAIL_CHARACTERS_MAX),
    )


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
        deaths = number(facts.get("failures_in_window"))
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


def _adopted(document: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    """What ADOPT_EXTERNAL promised and the broker does not hold. No page: a stop works in the
    session only, and the quiet hours end before it.
    """
    if words := adopted_words(document):
        detail = f"{words}: {', '.join(externals.bare(facts.bot)) or 'not said which'}"
        see_it, patience_s = see(EXTERNAL_STOP), UNCONFIRMED_STOP_S
        yield Finding(EXTERNAL_STOP, "MISSING", Severity.WARN, detail, see_it, patience_s)


def _is_bot_mute(document: Mapping[str, Any]) -> bool:
    """Whether the bot is not there to say what it adopted."""
    services = document.get("services")
    entry = services.get(BOT) if isinstance(services, Mapping) else None
    is_well = isinstance(entry, Mapping) and entry.get("status") == Status.OK
    return adopted_uncovered(document) is None and not is_well


def _external(facts: Facts) -> Iterator[Finding]:
    for symbol, words in externals.held(facts.bot or {}).items():
        detail = f"not bought by the bot, counted in its limits: {words}"
        subject, see_it = f"{EXTERNAL} of {symbol}", see(EXTERNAL)
        yield Finding(subject, "HELD", Severity.INFO, detail, see_it, reminds=False)


def _money(facts: Facts) -> Iterator[Finding]:
    if facts.bot is None:
        return
    for subject, row in _limits(facts.bot).items():
        share = number(row.get("used_pct"))
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
    for row in rows(facts.bot, "causes"):
        if row.get("input") == "contracts":
            yield Finding(DRIFT, "DRIFT", Severity.PAGE, str(row.get("reason")), see(DRIFT))
            return


def _limits(bot: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    named = {str(row.get("name")): row for row in rows(bot, "limits")}
    return {subject: named[name] for subject, name in _LIMIT_OF.items() if name in named}


def _is_unsaid(subject: str, bot: Mapping[str, Any]) -> bool:
    """Whether the bot has a row for that limit and itself does not know how much is used."""
    row = _limits(bot).get(subject)
    return row is not None and row.get("used_pct") is None


def _protection(bot: Mapping[str, Any]) -> Iterator[Finding]:
    bare = [
        str(row.get("symbol"))
        for row in rows(bot, "positions")
        if row.get("stop_confirmed") is not True
    ]
    told = any(row.get("input") == "coverage" for row in rows(bot, "causes"))
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
