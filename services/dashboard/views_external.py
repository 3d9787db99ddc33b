"""Pure: shares in the account that are not the bot's. They are counted and shown, never traded, and
protected only with ADOPT_EXTERNAL.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.dashboard import formats
from services.dashboard.documents import Reading, sees_broker
from services.dashboard.tolerant import (
    EMPTY,
    Row,
    known_rows,
    mapping_of,
    number_of,
    rows_of,
    text_of,
)
from shared.health.adopted import BOT, adopted_uncovered
from shared.health.judge import Judgement, Standing

KEY, COVERAGE = "external_positions", "external_coverage_pct"


@dataclass(frozen=True, slots=True)
class ExternalRow:
    """The external shares of one symbol. `stop_tone` is empty where nothing is good or bad."""

    symbol: str
    qty: str
    price: str
    value: str
    stop: str
    stop_word: str
    stop_tone: str


@dataclass(frozen=True, slots=True)
class ExternalView:
    """All of them in one line: for the panel (`value`, `tone`, `detail`) and the tile (`told`)."""

    value: str
    tone: str
    detail: str
    told: str


def is_adopted(judgement: Judgement) -> bool | None:
    """Return whether the bot protects external shares, too; None when nobody says so now."""
    document = judgement.document
    if document is None or judgement.standing is not Standing.FRESH:
        return None
    if adopted_uncovered(document) is not None:
        return True
    # The bot measures it only while it protects what is external; what measures nothing is mute.
    bot = mapping_of(mapping_of(document, "services"), BOT)
    return False if mapping_of(bot, "metrics") else None


def unprotected(status: Row) -> list[str]:
    """Return the symbols whose external shares are not wholly under a stop."""
    rows = rows_of(status, KEY)
    return [text_of(row, "symbol", formats.NOTHING) for row in rows if not _is_whole(row)]


def _is_whole(row: Row) -> bool:
    """Whether each whole share has a stop: no order protects a part of one."""
    protected, held = number_of(row, "protected_qty"), number_of(row, "qty")
    return protected is not None and held is not None and protected >= abs(held) // 1


def external_rows(reading: Reading, judgement: Judgement) -> tuple[ExternalRow, ...]:
    """Return one row for each symbol, in the bot's order."""
    adopted, seen = is_adopted(judgement), sees_broker(reading)
    return tuple(
        _external_row(row, adopted, seen) for row in rows_of(reading.bot_status or EMPTY, KEY)
    )


def _external_row(row: Row, adopted: bool | None, seen: bool) -> ExternalRow:
    protected, held = number_of(row, "protected_qty"), number_of(row, "qty")
    word = f"{formats.quantity(protected)} of {_shares(held)} under a stop"
    if adopted is False and protected == 0:
        word = "not ours to protect"
    tone = _tone(adopted, seen, is_whole=_is_whole(row))
    return ExternalRow(
        symbol=text_of(row, "symbol", formats.NOTHING),
        qty=formats.quantity(held),
        price=formats.money(number_of(row, "current_price")),
        value=formats.money(number_of(row, "market_value")),
        stop=formats.money(number_of(row, "stop_price")),
        stop_word=word if seen else f"{word} when last heard",
        stop_tone="" if held is not None and abs(held) < 1 else tone,
    )


def _shares(held: Decimal | None) -> str:
    return formats.quantity(None if held is None else abs(held))


def _tone(adopted: bool | None, seen: bool, *, is_whole: bool) -> str:
    """Naked shares are bad only where they are ours to protect."""
    if is_whole:
        return "ok" if seen else "warn"
    return {True: "bad", False: ""}.get(adopted, "warn")  # type: ignore[arg-type]  # None: unknown


def external_view(reading: Reading, judgement: Judgement) -> ExternalView:
    """Return the line. What nobody has told of is unknown, not none."""
    status: Row = reading.bot_status or EMPTY
    rows = known_rows(status, KEY)
    if rows is None:
        return ExternalView("unknown", "warn", "", "")
    if not rows:
        return ExternalView("none", "ok", "", "")
    share, naked = number_of(status, COVERAGE), unprotected(status)
    adopted = is_adopted(judgement)
    value = f"{formats.share(share)} under a stop"
    parts = ["counted in the limits, never traded"]
    if adopted is False:
        parts.append("no stop of ours (ADOPT_EXTERNAL is off)")
    if naked and adopted is not False:
        parts.append(f"not wholly covered: {', '.join(naked)}")
    told = f"{len(rows)} external, " + ("not ours" if adopted is False else value)
    tone = _tone(adopted, sees_broker(reading), is_whole=not naked)
    return ExternalView(value, tone, "; ".join(parts), told)
