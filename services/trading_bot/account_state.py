"""The state of the account that the broker names: found, replayed, or begun.

A state of another mode or account is set aside, never used. The journal is replayed onto
whatever generation verifies; what cannot be made whole holds entries back until an approver
clears it (ORDER_PATH.md rules 14 and 15).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.trading_bot.memory import JOURNAL_SEQ, Memory
from shared.clock import Clock
from shared.config.settings import Settings
from shared.errors import TransientFault
from shared.events.replay import replay
from shared.events.types import HoldPlaced, IntentRecorded
from shared.models.shown import shown
from shared.models.state_codec import state_from_payload
from shared.models.trading_state import BotState, HoldKind
from shared.persistence.document import COUNT_MAX
from shared.persistence.journal import Journal, JournalGap, JournalOpening, JournalOutcome
from shared.persistence.names import aside_name
from shared.persistence.state_store import LoadedState, StateOutcome, StateStore
from shared.telemetry.logs import log_event

_SQLITE_SUFFIXES = ("", "-wal", "-shm")


def open_memory(
    settings: Settings,
    clock: Clock,
    store: StateStore,
    loaded: LoadedState,
    account: tuple[str, str | None],
) -> Memory:
    """Return the memory of this account. `account` is its id and the id epoch that the
    exchange wants for a new state (None: drawn). Raises SystemFault when the disk refuses.
    """
    logger = logging.getLogger("startup")
    account_id, wanted_epoch = account
    mode = settings.trading_mode.value
    _ledger_out(settings.state.ledger, _owner_of(loaded.payload), (mode, account_id), clock)
    loaded = store.set_aside(mode, account_id)
    _ledger_in(settings.state.ledger, (mode, account_id))
    journal = Journal(settings.state.journal, clock, store.files)
    opening = journal.open(mode, account_id)
    for note in (*loaded.notes, *opening.notes):
        log_event(logger, "state_note", note, level=logging.WARNING)
    outcome = loaded.outcome
    if loaded.was_never_saved and _tells_everything(journal, opening):
        outcome = StateOutcome.FIRST_START
    is_first = outcome is StateOutcome.FIRST_START
    state = _state_of(loaded, (mode, account_id), wanted_epoch if is_first else None)
    doubt = _doubt_of(outcome, opening.outcome)
    state, lost = _replayed(state, journal, loaded.payload)
    doubt = lost or doubt
    log_event(
        logger,
        "state_loaded",
        f"{outcome.value}: {len(state.positions)} positions, {len(state.orders)} orders, "
        f"{len(state.plans)} plans; journal {opening.outcome.value}",
        outcome=outcome.value,
        journal=opening.outcome.value,
    )
    memory = Memory(state, journal, store, clock)
    if doubt:
        memory.book((HoldPlaced(HoldKind.REBUILD, doubt, clock.utc_now()),))
    memory.commit(now=True)
    if opening.outcome is JournalOutcome.CORRUPT or lost:
        memory.begin_journal_anew()
    return memory


def judge_payload(payload: Mapping[str, object]) -> None:
    """Raise ValueError for a payload that is no state of ours, though its checksum fits."""
    state_from_payload(payload)
    seq = payload.get(JOURNAL_SEQ, 0)
    if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < COUNT_MAX:
        raise ValueError(f"{JOURNAL_SEQ} must be a number of 0 or more, not {shown(seq)}")


def _replayed(
    state: BotState, journal: Journal, payload: dict[str, Any] | None
) -> tuple[BotState, str]:
    """Return the state with what the journal adds, and what was lost on the way, empty for
    nothing. A record that means nothing is passed over, and the file kept for people.
    """
    after_seq = journal.base_seq if payload is None else int(payload.get(JOURNAL_SEQ, 0))
    journal.begin_after(after_seq)
    try:
        records = journal.replay(after_seq)
    except JournalGap as gap:
        return state, f"{gap}; kept as {journal.keep_damaged()}"
    lost = ""
    for record in records:
        try:
            state = replay(state, (record,))
        except ValueError as failure:
            lost = f"a record of the journal means nothing: {failure}"
    if lost:
        lost += f"; kept as {journal.keep_damaged()}"
    return state, lost


def _tells_everything(journal: Journal, opening: JournalOpening) -> bool:
    """Whether a journal without any saved state is all that ever was: whole from its first record,
    and without an intent. Entries wait for the first save; so an account that sent none has nothing
    that only a saved state could tell, such as highs of its equity.
    """
    if opening.outcome is JournalOutcome.CORRUPT or opening.base_seq != 0:
        return False
    return all(_sent_nothing(record.get("events")) for record in journal.replay(0))


def _sent_nothing(events: object) -> bool:
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        return False
    return all(event.get("event") != IntentRecorded.__name__ for event in events)


def _owner_of(payload: dict[str, Any] | None) -> tuple[str, str] | None:
    if payload is None:
        return None
    return str(payload.get("mode", "")), str(payload.get("account_id", ""))


def _state_of(loaded: LoadedState, owner: tuple[str, str], wanted_epoch: str | None) -> BotState:
    """Return the saved state, or a new one whose epoch nobody used before."""
    if loaded.payload is not None:
        state = state_from_payload(loaded.payload)
        return replace(state, known_epochs=_merged(state.known_epochs, loaded.known_id_epochs))
    epoch = wanted_epoch or secrets.token_hex(4)
    known = tuple(one for one in loaded.known_id_epochs if one != epoch)
    return BotState(mode=owner[0], account_id=owner[1], id_epoch=epoch, known_epochs=known)


def _merged(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _doubt_of(outcome: StateOutcome, journal: JournalOutcome) -> str:
    """Return why the state may lack something that the broker cannot tell; empty when whole."""
    if outcome is StateOutcome.REBUILD:
        return "the trading state was lost; the broker's own history has not been read yet"
    if journal is JournalOutcome.CORRUPT:
        return "the journal is damaged in the middle"
    return ""


def _ledger_out(
    path: Path, old: tuple[str, str] | None, new: tuple[str, str], clock: Clock
) -> None:
    """Set the other account's ledger aside, before its state is.

    A death at any point of the change is gone on with: what lies aside already has no second
    part here, and `_ledger_in` comes only when the state says whose ledger is wanted.
    """
    if old is None or old == new:
        return
    for suffix in _SQLITE_SUFFIXES:
        live = path.with_name(path.name + suffix)
        aside = path.with_name(aside_name(path.name, *old) + suffix)
        try:
            if live.exists() and aside.exists():
                stamp = clock.utc_now().strftime("%Y%m%dT%H%M%S.%fZ")
                aside.rename(aside.with_name(f"{aside.name}.corrupt.{stamp}"))
            with suppress(FileNotFoundError):
                live.rename(aside)
        except OSError as failure:
            raise TransientFault(f"{live.name} cannot be set aside: {failure}") from failure


def _ledger_in(path: Path, owner: tuple[str, str]) -> None:
    """Bring this account's ledger back when it lies aside; never over one that is here."""
    for suffix in _SQLITE_SUFFIXES:
        live = path.with_name(path.name + suffix)
        aside = path.with_name(aside_name(path.name, *owner) + suffix)
        try:
            if aside.exists() and not live.exists():
                aside.rename(live)
        except OSError as failure:
            raise TransientFault(f"{aside.name} cannot be brought back: {failure}") from failure
