"""Who listens to the changes of the state: the log for people, and the day's record for `replay`.

Neither can stop the bot: a handler that fails is logged, and removed when it goes on failing.
"""

from __future__ import annotations

import logging
from pathlib import Path

from services.trading_bot.memory import Memory
from shared.errors import TransientFault
from shared.events.changes import changes_between
from shared.events.handlers import Change
from shared.persistence.day_log import DayLog
from shared.telemetry.logs import log_event

STATE_LOG, DAY_LOG = "state log", "day log"


def add_listeners(memory: Memory, events_folder: Path) -> None:
    """Let them hear of everything from now on; a disk that refuses the record is logged."""
    logger = logging.getLogger("state")
    memory.handlers.add_event_handler(STATE_LOG, lambda change: _log(logger, change))
    try:
        memory.handlers.add_event_handler(DAY_LOG, DayLog(events_folder, memory.state))
    except (TransientFault, ValueError) as failure:
        log_event(logger, "day_not_recorded", str(failure), level=logging.WARNING)


def _log(logger: logging.Logger, change: Change) -> None:
    cause = type(change.event).__name__
    for words in changes_between(change.before, change.after):
        log_event(logger, "state_changed", words, cause=cause)
