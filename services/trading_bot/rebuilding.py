"""Takes back from the broker what a lost state held: once, and again until it could be read."""

from __future__ import annotations

import logging
from datetime import timedelta

from services.trading_bot.gather import Picture
from services.trading_bot.parts import Parts
from services.trading_bot.rebuild import Evidence, rebuilt
from shared.errors import ConfigFault, SystemFault
from shared.models.trading_day import trading_day
from shared.models.trading_state import HoldKind
from shared.telemetry.logs import log_event

RETRY_S = 10.0
"""Real seconds between two tries."""
FILLS_BACK = timedelta(days=2)
"""No cooldown is longer."""


class Rebuilder:
    """Works while a REBUILD hold stands that nothing was taken back for."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logger = logging.getLogger("rebuild")
        self._tried_at_s = float("-inf")

    def run(self, picture: Picture) -> None:
        """Rebuild when it is due. A failed read is tried again; never raises it."""
        memory, clock = self._parts.memory, self._parts.clock
        hold = memory.state.holds.get(HoldKind.REBUILD.value)
        if hold is None or hold.is_rebuilt or clock.monotonic_s() - self._tried_at_s < RETRY_S:
            return
        self._tried_at_s = clock.monotonic_s()
        broker = self._parts.broker
        try:
            history = broker.portfolio_history()
            first = min((point.at for point in history), default=picture.at)
            movements = broker.movements(trading_day(first))
            fills = broker.fills(picture.at - FILLS_BACK)
        except ConfigFault:
            raise
        except SystemFault as fault:
            log_event(self._logger, "not_rebuilt", str(fault), level=logging.WARNING)
            return
        event = rebuilt(Evidence(picture.account, history, movements, fills, picture.at))
        memory.book((event,))
        log_event(self._logger, "rebuilt", event.reason, level=logging.WARNING)
