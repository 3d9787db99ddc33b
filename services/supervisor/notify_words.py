"""The words of sd_notify datagrams (CONTRACTS.md section 6): bytes in, a frozen value out. Pure."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field

from shared.models.health import ExitClass, Status, TradingWord

DATAGRAM_BYTES_MAX = 8192
METRICS_MAX = 64
REASON_CHARACTERS_MAX = 300
EXTENSION_S_MAX = 300.0
"""A service may ask again, but never for longer than this at once."""

TRADING_STATES = ("ACTIVE", "REDUCING", "HALTED")
TRADING_CAUSES = (
    "operator",
    "risk",
    "contracts",
    "data",
    "unknown_outcome",
    "coverage",
    "supervision",
    "none",
)


@dataclass(frozen=True, slots=True)
class Words:
    """What one datagram said; None where it said nothing, or nothing that can be believed."""

    ready: bool = False
    beat: bool = False
    stopping: bool = False
    status: str | None = None
    extend_s: float | None = None
    health: Status | None = None
    reason: str | None = None
    failure_class: ExitClass | None = None
    progress: int | None = None
    metrics: dict[str, float] | None = field(default=None)
    trading: TradingWord | None = None
    port: int | None = None


def parse_words(datagram: bytes) -> Words | None:
    """Read a datagram; None when it is too long or no text. Unknown keys are ignored."""
    if len(datagram) > DATAGRAM_BYTES_MAX:
        return None
    try:
        text = datagram.decode("utf-8")
    except UnicodeDecodeError:
        return None
    pairs = (line.partition("=") for line in text.split("\n") if "=" in line)
    said = {key: value for key, _, value in pairs}
    extend_us = _whole(said.get("EXTEND_TIMEOUT_USEC"))
    port = _whole(said.get("X_PORT"))
    return Words(
        ready=said.get("READY") == "1",
        beat=said.get("WATCHDOG") == "1",
        stopping=said.get("STOPPING") == "1",
        status=_sentence(said.get("STATUS")),
        extend_s=None if extend_us is None else min(extend_us / 1e6, EXTENSION_S_MAX),
        health=_status(said.get("X_HEALTH")),
        reason=_sentence(said.get("X_REASON")),
        failure_class=_failure_class(said.get("X_CLASS")),
        progress=_whole(said.get("X_PROGRESS")),
        metrics=_metrics(said.get("X_METRICS")),
        trading=_trading(said.get("X_TRADING_STATE"), said.get("X_TRADING_STATE_CAUSE")),
        port=port if port is not None and 0 < port < 65536 else None,
    )


def _whole(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text)


def _sentence(text: str | None) -> str | None:
    if text is None:
        return None
    return "".join(sign for sign in text if sign.isprintable())[:REASON_CHARACTERS_MAX]


def _status(text: str | None) -> Status | None:
    """Return the service's own word; a word that we do not know is no OK."""
    if text is None:
        return None
    return Status(text) if text in set(Status) else Status.DEGRADED


def _failure_class(text: str | None) -> ExitClass | None:
    return ExitClass(text) if text in set(ExitClass) else None


def _trading(state: str | None, cause: str | None) -> TradingWord | None:
    if state is None:
        return None
    if state not in TRADING_STATES:
        return TradingWord("HALTED", "supervision")
    return TradingWord(state, cause if cause in TRADING_CAUSES else "none")


def _metrics(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {
        str(name)[:64]: float(value)
        for name, value in list(found.items())[:METRICS_MAX]
        if isinstance(value, int | float) and abs(value) <= sys.float_info.max
    }
