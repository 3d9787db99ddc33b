"""Pure: what the chat answers when it is asked. Plain text, bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.heartbeat import externals
from services.heartbeat.rows import rows
from shared.health.adopted import adopted_words
from shared.health.judge import Judgement

REPLY_CHARACTERS_MAX = 4_000
"""Telegram takes 4,096."""
NOT_KNOWN = "The bot's numbers are not fresh: nobody can say. See /status."

HELP = """\
/status verdict, trading state, services
/health each service with its beat and restarts
/positions what we hold, with its stop
/pnl today, in total, the limits
/why what holds trading back, and the last denials
/pause [why] open no new positions
/stop [why] emergency stop: no new risk; stops stay
In two steps:
/resume [why] open new positions again
/close SYMBOL [why] close a whole position
/stop flatten [why] stop, and close everything of ours
/stop flatten include-external [why] the same, and what is not ours
An emergency stop is cleared on the machine only: clear-stop."""

Row = Mapping[str, Any]


def status_text(judgement: Judgement, stop: str | None) -> str:
    """Return verdict, cause, next action, and each service in a line."""
    document = judgement.document or {}
    lines = [
        f"[{str(document.get('mode') or '?').upper()}] {judgement.code}: {judgement.reason}",
        f"Next: {judgement.next_action}",
        f"Trading: {document.get('trading_state')} ({document.get('trading_state_cause')})",
    ]
    if stop is not None:
        lines.append(f"EMERGENCY STOP, {stop}")
    if words := adopted_words(document):
        lines.append(words)
    lines += [
        f"{name}: {entry.get('status')}, {entry.get('phase')}"
        for name, entry in _services(document)
    ]
    return bounded(lines)


def health_text(judgement: Judgement) -> str:
    """Return what the supervisor knows of each service."""
    age = "of unknown age" if judgement.age_s is None else f"{judgement.age_s:.1f} s old"
    lines = [f"{judgement.overall}, {judgement.standing} health.json, {age}"]
    for name, entry in _services(judgement.document or {}):
        memory = entry.get("rss_bytes")
        size = f", {memory / 1e6:.0f} MB" if isinstance(memory, int | float) else ""
        lines.append(
            f"{name}: {entry.get('status')} since {entry.get('since')}, "
            f"restarts {entry.get('restarts')} "
            f"({entry.get('failures_in_window')}/{entry.get('max_failures')}), "
            f"last beat {entry.get('last_beat_at')}{size}: {entry.get('reason')}"
        )
    return bounded(lines)


def positions_text(bot: Row | None) -> str:
    """Return each position with gain and stop, and what is held beside them."""
    if bot is None:
        return NOT_KNOWN
    lines = [
        f"{row.get('symbol')}: {row.get('qty')} at {row.get('entry_price')}, "
        f"now {row.get('current_price')}, {row.get('unrealized_pnl')}; stop "
        f"{row.get('stop_price')} "
        f"{'at the broker' if row.get('stop_confirmed') is True else 'NOT CONFIRMED'}"
        for row in rows(bot, "positions")
    ]
    lines = lines or ["No position of ours."]
    lines += [f"not ours: {symbol} {words}" for symbol, words in externals.held(bot).items()]
    return bounded(lines)


def pnl_text(bot: Row | None) -> str:
    """Return the day, the total and the limits."""
    if bot is None:
        return NOT_KNOWN
    lines = [
        f"[{str(bot.get('mode')).upper()}] equity {bot.get('equity')}",
        f"today {bot.get('day_pnl')}, closed trades in all {bot.get('total_pnl')}",
        f"{bot.get('total_trades')} trades: {bot.get('wins')} won, {bot.get('losses')} lost",
    ]
    lines += [
        f"{row.get('name')}: {_use(row)} of {row.get('limit')}" for row in rows(bot, "limits")
    ]
    return bounded(lines)


def _use(row: Row) -> str:
    used, share = row.get("used"), row.get("used_pct")
    return "nobody knows how much" if share is None else f"{used} ({share} %)"


def why_text(bot: Row | None, denials: Sequence[Row]) -> str:
    """Return what restricts trading, and the last denials with check, limit and value."""
    if bot is None:
        lines = [NOT_KNOWN]
    else:
        lines = [f"{row.get('state')}: {row.get('reason')}" for row in rows(bot, "causes")]
        lines = lines or ["Nothing restricts trading."]
    lines += [
        f"denied {row.get('at')} {row.get('side')} {row.get('qty')} {row.get('symbol')}: "
        f"{row.get('code')} {row.get('value')} against {row.get('limit_value')}"
        for row in denials
    ]
    return bounded(lines)


def bounded(lines: Sequence[str]) -> str:
    """Return the lines as one text that fits into a message."""
    text = "\n".join(lines)
    return text if len(text) <= REPLY_CHARACTERS_MAX else text[:REPLY_CHARACTERS_MAX] + "\n..."


def _services(document: Row) -> list[tuple[str, Row]]:
    services = document.get("services")
    pairs = services.items() if isinstance(services, Mapping) else ()
    return [(str(name), entry) for name, entry in pairs if isinstance(entry, Mapping)]
