"""Pure: what nobody knows, and why. Only a whole, successful read can be empty."""

from __future__ import annotations

from services.dashboard.documents import Reading
from services.dashboard.tolerant import known_rows
from shared.health.judge import Judgement

NO_NUMBERS = "the trading-bot has written no numbers yet"

BOT_LISTS = (
    "positions",
    "orders",
    "limits",
    "feeds",
    "budgets",
    "breakers",
    "strategies",
    "gates",
)
"""Lists of bot_status.json that the page shows."""


def bot_gap(reading: Reading, key: str) -> str:
    """Return why the bot's list under the key is unknown; empty when it is known."""
    if reading.bot_status is None:
        return reading.problems.get("bot_status.json", NO_NUMBERS)
    if known_rows(reading.bot_status, key) is None:
        return f"bot_status.json holds no list of {key}"
    return ""


def ledger_gap(reading: Reading, rows: tuple[object, ...]) -> str:
    """Return why these rows of the ledger are unknown; rows read earlier are not."""
    return _file_gap(reading, rows, "ledger.db")


def _file_gap(reading: Reading, rows: tuple[object, ...], name: str) -> str:
    return "" if rows else reading.problems.get(name, "")


def incident_gap(judgement: Judgement) -> str:
    """Return why the incidents are unknown; empty when health.json holds them."""
    if judgement.document is None:
        return judgement.reason
    if known_rows(judgement.document, "incidents") is None:
        return "health.json holds no list of incidents"
    return ""


def page_gaps(reading: Reading, judgement: Judgement) -> dict[str, str]:
    """Return section to the reason for which its list is unknown; empty where it is known."""
    return {
        **{key: bot_gap(reading, key) for key in BOT_LISTS},
        "trades": ledger_gap(reading, reading.trades),
        "denials": ledger_gap(reading, reading.denials),
        "curve": ledger_gap(reading, reading.equity),
        "incidents": incident_gap(judgement),
        "drills": _file_gap(reading, reading.drills, "drills/history.jsonl"),
    }
