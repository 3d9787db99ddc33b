"""A bot's earlier life: a saved state and a journal that is nearly due to be compacted."""

from __future__ import annotations

from pathlib import Path

from services.exchange_sim.records import AccountRecord
from services.trading_bot.memory import Memory
from shared.events.types import OperatorPaused, OperatorResumed
from shared.models.trading_state import BotState
from shared.persistence.journal import Journal
from shared.persistence.state_store import StateStore
from tests.crash.bot import house_settings
from tests.crash.shared_time import SharedClock

GENERATIONS = 2


def age(folder: Path, account: AccountRecord, clock: SharedClock, records: int) -> None:
    """Leave what a bot leaves that was paused and resumed until so many records stood there."""
    settings = house_settings(folder)
    mode, account_id = settings.trading_mode.value, account.account_id
    store = StateStore(settings.state, clock)
    store.load()
    store.set_aside(mode, account_id)
    journal = Journal(settings.state.journal, clock)
    journal.open(mode, account_id)
    state = BotState(mode=mode, account_id=account_id, id_epoch=account.epoch)
    memory = Memory(state, journal, store, clock)
    words = ("operator", "an earlier test", clock.utc_now())
    for number in range(records // 2):
        memory.book((OperatorPaused(*words),))
        memory.book((OperatorResumed(*words),))
        if number < GENERATIONS:
            memory.commit(now=True)
    journal.close()
