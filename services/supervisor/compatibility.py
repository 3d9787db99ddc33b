"""Once per run: one-shots ask whether Alpaca and UW still keep their contracts, area by area.

Their verdict never stops the rest: what may pass by itself is logged, what cannot parks those
whom it concerns.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from services.supervisor.context import Context, Roster
from services.supervisor.incidents import Step
from services.supervisor.one_shots import Errand, OneShots
from services.supervisor.operations import Operations
from services.supervisor.processes import Exit
from services.supervisor.restart_policy import HOPELESS, Park, class_of_exit
from services.supervisor.table import EXCHANGE_SIM, TRADING_BOT
from shared.models.health import Phase
from shared.telemetry.logs import log_event

CHECK = Errand("shared.vendors.compatibility", (), 60.0)
"""Every area at once, as `check` asks them."""
CONCERNED = {"trading": TRADING_BOT, "data": "data-daemon", "feeds": None}
"""Area → whom its broken contract parks. Nobody for the feeds: prices are polled instead of the
stream, and without option flow the system trades on; data-daemon shows both."""

AGAIN_AFTER_S = 60.0


class CompatibilityCheck:
    """Runs the checks when the services are past their start, so that they slow nobody down; one
    after the other.
    """

    def __init__(
        self, context: Context, roster: Roster, one_shots: OneShots, operations: Operations
    ) -> None:
        self._context = context
        self._roster = roster
        self._one_shots = one_shots
        self._operations = operations
        self._left = [] if roster.get(TRADING_BOT) is None else list(CONCERNED)
        self._asking = False
        self._not_before_s = float("-inf")

    def look(self) -> None:
        """Start the next check when it is time."""
        if self._asking or not self._left or self._context.stopping:
            return
        if self._context.now_s() < self._not_before_s:
            return
        if any(member.phase is Phase.STARTING for member in self._roster):
            return
        exchange = self._roster.get(EXCHANGE_SIM)
        if exchange is not None and exchange.phase is not Phase.RUNNING:
            return
        area = self._left.pop(0)
        errand = replace(CHECK, arguments=(area,))
        self._asking = self._one_shots.run(errand, partial(self._judge, area))

    def _judge(self, area: str, exit_: Exit) -> None:
        self._asking = False
        exit_class = class_of_exit(exit_.code, asked=exit_.code == 0)
        level = logging.INFO if exit_.code == 0 else logging.WARNING
        message = f"compatibility check of {area} ended with exit code {exit_.code}"
        log_event(self._context.logger, "compatibility", message, level=level)
        if exit_.code != 0 and exit_class not in HOPELESS:
            # Nobody was there to be judged: a broker that comes back later is asked then.
            self._left.append(area)
            self._not_before_s = self._context.now_s() + AGAIN_AFTER_S
        name = CONCERNED[area]
        member = None if name is None else self._roster.get(name)
        if exit_class in HOPELESS and member is not None and member.park is None:
            park = Park(exit_class, f"the check of the {area} interface says {exit_class}")
            self._context.incidents.step(Step.HALT, member.name, park.reason, str(exit_class))
            self._operations.park(member, park)
