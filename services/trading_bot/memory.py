"""The bot's memory: the state, the journal in front of it, the store behind it.

`book` applies events and brings those that must survive a death to the journal, one fsync for
the batch, before it returns; `commit` writes the whole state, when it changed, and lets the
journal go that far. A disk that refuses never stops an exit: the events live on in memory, are
journaled with the next batch, and `fault` says what is wrong (ORDER_PATH.md rule 16). The fault of
a new account's first save ends with that save: no entry goes out before a state stands on the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from services.trading_bot.naked import NakedWatch
from shared.clock import Clock
from shared.errors import TransientFault
from shared.events.apply import apply
from shared.events.codec import event_to_json
from shared.events.handlers import Change, EventHandlers
from shared.events.types import EquitySeen, Event, ExternalsObserved, LossReadingCounted, Reconciled
from shared.models.state_codec import StateEncoder
from shared.models.trading_state import BotState
from shared.persistence.journal import Journal
from shared.persistence.marker import WriterFenced
from shared.persistence.state_store import StateStore
from shared.telemetry.logs import log_event

COMMIT_EVERY_S = 1.0
"""Real seconds between two whole saves; the journal holds what lies between."""
IDLE_COMMIT_EVERY_S = 10.0
"""The same while nothing but readings (equity, reconciliation) changed."""
COMPACT_AFTER_RECORDS = 200
NAKED_WATCH = "naked watch"
JOURNAL_SEQ = "journal_seq"
"""Key in the payload: the newest journal record that the saved state holds."""

# Readings: the next turn makes them again, so they are saved with the state, not journaled.
_READINGS = (EquitySeen, ExternalsObserved, LossReadingCounted, Reconciled)


class Memory:
    """State, journal and store of the holder of the trading lock."""

    def __init__(self, state: BotState, journal: Journal, store: StateStore, clock: Clock) -> None:
        self.state = state
        self.fault: TransientFault | None = None
        """Why the disk refuses, None while it does not."""
        self.handlers = EventHandlers(self._handler_failed)
        """They hear of every change, before it is journaled; what they do is theirs alone."""
        self.naked = NakedWatch()
        self.handlers.add_event_handler(NAKED_WATCH, self.naked.hear)
        self._journal = journal
        self._store = store
        self._clock = clock
        self._unsaved = True
        self._urgent = True
        self._awaits_first_save = False
        """Whether a new account's first save failed: its journal alone must not hold entries."""
        self._owed: list[dict[str, Any]] = []
        self._committed_at_s = float("-inf")
        self._saved_seq = journal.base_seq
        self._encoder = StateEncoder()
        self._logger = logging.getLogger("memory")

    @property
    def is_writable(self) -> bool:
        """Whether the disk took the last thing it was given."""
        return self.fault is None

    def book(self, events: Sequence[Event]) -> bool:
        """Apply the events and journal those that changed something; False when the disk refused.

        Raises WriterFenced when another process has taken over: then this one must end.
        """
        for event in events:
            before = self.state
            try:
                self.state = apply(before, event)
            except ValueError as failure:
                # One strange order must not end the loop; the reconciliation will show it.
                words = f"{type(event).__name__} cannot be applied: {failure}"
                log_event(self._logger, "event_refused", words, level=logging.ERROR)
            if self.state is before:
                continue
            self._unsaved = True
            self.handlers.tell(Change(event, before, self.state))
            if not isinstance(event, _READINGS):
                self._urgent = True
                self._owed.append(event_to_json(event))
        return self._journal_owed()

    def _handler_failed(self, words: str) -> None:
        log_event(self._logger, "handler_failed", words, level=logging.ERROR)

    def _journal_owed(self) -> bool:
        if not self._owed:
            return self.is_writable
        try:
            self._journal.append({"events": self._owed})
        except WriterFenced:
            raise
        except TransientFault as fault:
            self.fault = fault
            return False
        self._owed = []
        if not self._awaits_first_save:
            self.fault = None
        return True

    def begin_journal_anew(self) -> None:
        """Let a damaged journal's records go once both generations hold what they brought.

        Else the numbers that it lost would be reported as lost again at each start.
        """
        for _ in range(2):
            self._unsaved = True
            self.commit(now=True)
        if self.is_writable:
            try:
                self._journal.compact(self._journal.last_seq)
            except TransientFault as fault:
                self.fault = fault

    def commit(self, *, now: bool = False) -> None:
        """Save the state when it changed and it is time to, at once with `now`. A refusing disk
        is noted in `fault`; raises WriterFenced when another process has taken over.
        """
        if not self._unsaved:
            return
        elapsed_s = self._clock.monotonic_s() - self._committed_at_s
        is_due_soon = self._urgent or self.fault is not None
        every_s = COMMIT_EVERY_S if is_due_soon else IDLE_COMMIT_EVERY_S
        if not now and elapsed_s < every_s:
            return
        self._committed_at_s = self._clock.monotonic_s()
        self._journal_owed()
        if self._owed:
            # The state must not be ahead of its journal. An earlier fault alone is no reason to
            # wait: only a save that succeeds can end it.
            return
        seq = self._journal.last_seq
        try:
            self._store.commit({**self._encoder.payload(self.state), JOURNAL_SEQ: seq})
            self._unsaved = self._urgent = self._awaits_first_save = False
            self.fault = None
            # Not further than the generation before: the backup must find its records, too.
            if self._saved_seq - self._journal.base_seq >= COMPACT_AFTER_RECORDS:
                self._journal.compact(self._saved_seq)
            self._saved_seq = seq
        except WriterFenced:
            raise
        except TransientFault as fault:
            self.fault = fault
            self._awaits_first_save = not self._store.has_generation
