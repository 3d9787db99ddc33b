"""Once per run: a one-shot asks whether Alpaca and UW still keep their contracts.

Its verdict never stops the rest: what may pass by itself is logged, what cannot parks those
whom it concerns.
"""

from __future__ import annotations

import logging

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
CONCERNED = (TRADING_BOT,)
"""Who depends on the contracts with money at stake; data-daemon judges each reply by itself."""


class CompatibilityCheck:
    """Runs the check when the services are past their start, so that it slows nobody down."""

    def __init__(
        self, context: Context, roster: Roster, one_shots: OneShots, operations: Operations
    ) -> None:
        self._context = context
        self._roster = roster
        self._one_shots = one_shots
        self._operations = operations
        self._done = roster.get(TRADING_BOT) is None

    def look(self) -> None:
        """Start the check when it is time."""
        if self._done or self._context.stopping:
            return
        if any(member.phase is Phase.STARTING for member in self._roster):
            return
        exchange = self._roster.get(EXCHANGE_SIM)
        if exchange is not None and exchange.phase is not Phase.RUNNING:
            return
        self._done = True
        self._one_shots.run(CHECK, self._judge)

    def _judge(self, exit_: Exit) -> None:
        exit_class = class_of_exit(exit_.code, asked=exit_.code == 0)
        message = f"compatibility check ended with exit code {exit_.code}"
        if exit_class not in HOPELESS:
            level = logging.INFO if exit_.code == 0 else logging.WARNING
            log_event(self._context.logger, "compatibility", message, level=level)
            return
        park = Park(exit_class, f"the check of the broker's interface says {exit_class}")
        for name in CONCERNED:
            member = self._roster.get(name)
            if member is not None and member.park is None:
                self._context.incidents.step(Step.HALT, name, park.reason, str(exit_class))
                self._operations.park(member, park)
