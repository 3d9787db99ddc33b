"""A command that is being worked on, and when the broker's own reads confirm it.

emergency-stop is done when no entry works any more (and, with flatten, nothing of ours is held);
close-position when the position was flat in two reads, or its order waits for the next session.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.trading_bot.close_result import close_result, is_done_unseen, is_queued
from services.trading_bot.decision import Facts
from shared.models.commands import Command, CommandName
from shared.models.orders import OrderRole
from shared.models.trading_state import BotState

FLAT_READS = 2
"""One flat read may be a broker's late book (ORDER_PATH.md rule 8)."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What is answered once a command is done."""

    detail: str
    result: dict[str, object]


@dataclass(slots=True)
class Pending:
    """One command in work. `since_s` is real, monotonic time."""

    command: Command
    since_s: float
    position_key: str = ""
    flat_reads: int = 0

    def confirmed(self, facts: Facts) -> Confirmed | None:
        """Return what this turn's reads confirm, None while they do not. Call once per turn."""
        if facts.broker_positions is None:
            return self._unseen(facts.state)
        if self.command.command is CommandName.EMERGENCY_STOP:
            return self._stopped(facts)
        return self._closed(facts)

    def _unseen(self, state: BotState) -> Confirmed | None:
        """Judge by the broker's status codes alone what nothing else can show (rule 22)."""
        if not is_done_unseen(self.command, self.position_key, state):
            return None
        detail = "Closed, as the broker's status codes say; its books cannot be read."
        return Confirmed(detail, {"judged_by": "status_code"})

    def _stopped(self, facts: Facts) -> Confirmed | None:
        state = facts.state
        working = [order for order in state.orders.live() if order.role is OrderRole.ENTRY]
        flatten = self.command.switch("flatten")
        if working or (flatten and state.positions):
            return None
        if flatten and self.command.switch("include_external"):
            return self._emptied(facts)
        detail = "Stopped: no entry works" + (", no position of ours is held." if flatten else ".")
        return Confirmed(detail, {"open_positions": len(state.positions)})

    def _emptied(self, facts: Facts) -> Confirmed | None:
        """Only two empty lists in a row say that nothing is held, by whomever it was bought."""
        self.flat_reads = 0 if facts.broker_positions else self.flat_reads + 1
        if self.flat_reads < FLAT_READS:
            return None
        detail = "Stopped: no entry works, and the account holds no position at all."
        return Confirmed(detail, {"open_positions": 0, "external_positions": 0})

    def _closed(self, facts: Facts) -> Confirmed | None:
        symbol = self.command.text("symbol")
        held = facts.state.positions.get(symbol)
        is_other = held is not None and held.position_key != self.position_key
        if is_other or (held is None and _holds_theirs_alone(symbol, facts)):
            self.flat_reads += 1
            if self.flat_reads < FLAT_READS:
                return None
            result = close_result(self.command, self.position_key, facts.state)
            return Confirmed(f"{symbol} is closed.", result)
        self.flat_reads = 0
        if facts.reading.is_open or not is_queued(self.position_key, facts.state):
            return None
        detail = f"The session is closed: the order for {symbol} waits for the next one."
        return Confirmed(detail, {"symbol": symbol})


def _holds_theirs_alone(symbol: str, facts: Facts) -> bool:
    """Whether the broker shows nothing of the symbol, or exactly the shares known not to be ours:
    more may be ours, by a late list.
    """
    shown = (facts.broker_positions or {}).get(symbol)
    theirs = facts.state.external_positions.get(symbol)
    return shown is None or (theirs is not None and shown.qty == theirs.qty)
