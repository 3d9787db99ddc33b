"""Pure: what keeps the machine going: rate budgets, breakers per dependency, strategies, gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.dashboard import formats
from services.dashboard.documents import Reading, is_bot_status_fresh
from services.dashboard.tolerant import (
    EMPTY,
    Row,
    count_of,
    flag_of,
    mapping_of,
    moment_of,
    number_of,
    rows_of,
    text_of,
)
from shared.health.judge import Judgement, Standing

BOT = "trading-bot"
GATES_SHOWN_MAX = 12
LEFT_WARN_PCT = Decimal(20)
"""Below this share of the account's budget its bar asks for a look."""

_LANES = ("entries", "safety")
_READS = "reads"
_WORD_OF_NUMBER = {Decimal(0): "closed", Decimal(1): "half-open", Decimal(2): "open"}
_BREAKER_TONES = {"closed": "ok", "half-open": "warn", "open": "bad"}
_WORST = ("ok", "warn", "bad")


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """How many calls may still go out; `bar` is what is left of what may go at once, 0 to 100, None
    when unknown.
    """

    name: str
    by: str
    left: str
    whole: str
    per_minute: str
    bar: int | None
    tone: str


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """The breakers of one dependency as one service has them, one for each way out."""

    name: str
    by: str
    word: str
    tone: str
    detail: str


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """One strategy, and why it is silent when it is."""

    name: str
    word: str
    tone: str
    told: str


@dataclass(frozen=True, slots=True)
class GateRow:
    """One signal that an advisory gate held back before the guard saw it."""

    at: str
    gate: str
    symbol: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Breaker:
    """One breaker as it was told."""

    name: str
    by: str
    lane: str
    word: str
    retry_in_s: Decimal | None
    is_now: bool


def budget_rows(reading: Reading, judgement: Judgement) -> tuple[BudgetRow, ...]:
    """Return the bot's budgets and what the other services measured of theirs."""
    is_now = is_bot_status_fresh(reading)
    rows = [
        _budget_row(
            text_of(row, "name", formats.NOTHING),
            BOT,
            tuple(number_of(row, key) for key in ("left", "at_once", "per_minute")),
            is_now,
        )
        for row in rows_of(reading.bot_status, "budgets")
    ]
    for service, name, number in _measured(judgement, "rate_left_"):
        fresh = judgement.standing is Standing.FRESH
        rows.append(_budget_row(name, service, (number, None, None), fresh))
    return tuple(rows)


def _budget_row(name: str, by: str, told: tuple[Decimal | None, ...], is_now: bool) -> BudgetRow:
    left, at_once, per_minute = told
    whole = at_once or per_minute
    share = left / whole * 100 if left is not None and whole else None
    # A share of our own comes back by itself in seconds, and is there to be used; what the other
    # side leaves us is not ours alone.
    least = LEFT_WARN_PCT if at_once is None else Decimal(1)
    tone = "ok" if is_now and (share is None or share >= least) else "warn"
    return BudgetRow(
        name=name,
        by=by,
        left=formats.quantity(left) if is_now else f"was {formats.quantity(left)}",
        whole=formats.quantity(whole),
        per_minute=formats.quantity(per_minute),
        bar=None if share is None else int(max(Decimal(0), min(Decimal(100), share))),
        tone=tone,
    )


def breaker_rows(reading: Reading, judgement: Judgement) -> tuple[BreakerRow, ...]:
    """Return each dependency's breakers, those that are not closed first."""
    groups: dict[tuple[str, str], list[_Breaker]] = {}
    for breaker in (*_of_the_bot(reading), *_of_the_others(judgement)):
        groups.setdefault((breaker.by, breaker.name), []).append(breaker)
    rows = [_breaker_row(group) for group in groups.values()]
    return tuple(sorted(rows, key=lambda row: -_WORST.index(row.tone)))


def _of_the_bot(reading: Reading) -> Iterator[_Breaker]:
    is_now = is_bot_status_fresh(reading)
    for row in rows_of(reading.bot_status, "breakers"):
        name, lane = _split(text_of(row, "name", formats.NOTHING), "-")
        word = text_of(row, "state", "unknown")
        yield _Breaker(name, BOT, lane, word, number_of(row, "retry_in_s"), is_now)


def _of_the_others(judgement: Judgement) -> Iterator[_Breaker]:
    is_now = judgement.standing is Standing.FRESH
    for service, told, number in _measured(judgement, "breaker_"):
        name, lane = _split(told, " ")
        word = _WORD_OF_NUMBER.get(number, "unknown")
        yield _Breaker(name, service, lane, word, None, is_now)


def _measured(judgement: Judgement, prefix: str) -> Iterator[tuple[str, str, Decimal]]:
    """Yield service, name and number of what services other than the bot measure."""
    services = mapping_of(judgement.document, "services")
    for service in services:
        metrics = mapping_of(mapping_of(services, service), "metrics")
        for key in metrics if service != BOT else ():
            number = number_of(metrics, key)
            if str(key).startswith(prefix) and number is not None:
                yield str(service), str(key).removeprefix(prefix).replace("_", " "), number


def _split(name: str, before: str) -> tuple[str, str]:
    """Return dependency and lane of a breaker's name."""
    for lane in _LANES:
        if name.endswith(before + lane):
            return name.removesuffix(before + lane), lane
    return name, _READS


def _breaker_row(group: Iterable[_Breaker]) -> BreakerRow:
    breakers = list(group)
    tones = [_tone(breaker) for breaker in breakers]
    worst = max(tones, key=_WORST.index)
    first = breakers[tones.index(worst)]
    is_calm = all(breaker.word == "closed" for breaker in breakers)
    detail = "" if is_calm else ", ".join(_told(breaker) for breaker in breakers)
    word = first.word if first.is_now else f"was {first.word}"
    return BreakerRow(first.name, first.by, word, worst, detail)


def _tone(breaker: _Breaker) -> str:
    tone = _BREAKER_TONES.get(breaker.word, "bad")
    return tone if breaker.is_now else max(tone, "warn", key=_WORST.index)


def _told(breaker: _Breaker) -> str:
    wait_s = breaker.retry_in_s
    again = f" (again in {formats.duration(float(wait_s))})" if wait_s else ""
    return f"{breaker.lane} {breaker.word}{again}"


def strategy_rows(reading: Reading) -> tuple[StrategyRow, ...]:
    """Return the strategies, those that were switched off first."""
    rows = [
        StrategyRow(
            name=text_of(row, "name", formats.NOTHING),
            word={True: "on", False: "switched off"}.get(on, "unknown"),  # type: ignore[arg-type]  # None: unknown
            tone="ok" if on is True else "bad",
            told=_told_of(row),
        )
        for row, on in (
            (row, flag_of(row, "on")) for row in rows_of(reading.bot_status, "strategies")
        )
    ]
    return tuple(sorted(rows, key=lambda row: row.tone == "ok"))


def _told_of(row: Row) -> str:
    """Why it was switched off, how often it was at fault, and on what it was tried at the start."""
    tried_on = text_of(row, "tried_on")
    parts = (
        text_of(row, "reason"),
        f"faults: {formats.count(count_of(row, 'faults'))}",
        f"tried on {tried_on}" if tried_on else "",
    )
    return "; ".join(part for part in parts if part)


def gate_rows(reading: Reading, now: datetime) -> tuple[GateRow, ...]:
    """Return the newest signals that an advisory gate held back, newest first."""
    status: Row = reading.bot_status or EMPTY
    held = [row for row in rows_of(status, "gates") if flag_of(row, "passed") is not True]
    return tuple(
        GateRow(
            at=formats.clock_text(moment_of(row, "at"), now),
            gate=text_of(row, "gate", formats.NOTHING).replace("_", " "),
            symbol=text_of(row, "symbol", formats.NOTHING),
            detail=text_of(row, "detail"),
        )
        for row in reversed(held[-GATES_SHOWN_MAX:])
    )
