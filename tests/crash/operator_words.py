"""The operator: lays commands down and sets the stop file, as the CLI does."""

from __future__ import annotations

from pathlib import Path

from shared.commands.spool import CommandSpool
from shared.models.commands import COMMAND_LIFE_S, Command, CommandName, CommandOutcome
from shared.persistence.emergency_stop import EmergencyStopFile
from tests.crash.bot import house_settings
from tests.crash.history import Order
from tests.crash.shared_time import SharedClock

_NAMES = {
    "close-position": CommandName.CLOSE_POSITION,
    "pause": CommandName.PAUSE,
    "resume": CommandName.RESUME,
    "stop": CommandName.EMERGENCY_STOP,
    "stop-flatten": CommandName.EMERGENCY_STOP,
    "clear-stop": CommandName.CLEAR_STOP,
}


class Operator:
    """Gives orders and remembers what was answered."""

    def __init__(self, folder: Path, clock: SharedClock) -> None:
        state = house_settings(folder).state
        self._clock = clock
        self._spool = CommandSpool(state, clock)
        self._stop_file = EmergencyStopFile(state.emergency_stop)
        self._given: list[tuple[str, str]] = []
        self._answered: dict[str, CommandOutcome] = {}

    def give(self, order: Order) -> None:
        """Give one order."""
        name, now_s = _NAMES[order.word], self._clock.boottime_s()
        is_stop = name is CommandName.EMERGENCY_STOP
        flatten = order.word == "stop-flatten"
        if is_stop:
            self._stop_file.set("a test", "operator", self._clock.utc_now(), flatten)
        args: dict[str, str | bool] = {"flatten": flatten} if is_stop else {}
        if order.symbol:
            args["symbol"] = order.symbol
        command = Command(
            id=f"c{len(self._given):03d}",
            command=name,
            by="operator",
            reason="a test",
            expires_at=self._clock.utc_now(),
            boot_id=self._clock.boot_id(),
            boottime_s=now_s,
            expires_boottime_s=now_s + COMMAND_LIFE_S,
            args=args,
        )
        self._given.append((command.id, order.word))
        self._spool.submit(command)

    @property
    def is_stopped(self) -> bool:
        """Whether the emergency stop is set."""
        return self._stop_file.is_set()

    @property
    def is_paused(self) -> bool:
        """Whether a pause was answered as done, and no resume was given since."""
        for command_id, word in reversed(self._given):
            if word == "resume":
                return False
            if word == "pause" and self.outcome(command_id) is CommandOutcome.DONE:
                return True
        return False

    def outcome(self, command_id: str) -> CommandOutcome | None:
        """Return how a command ended, None while it has not."""
        if command_id not in self._answered:
            answer = self._spool.read_answer(command_id)
            if answer is None:
                return None
            self._answered[command_id] = answer.outcome
        return self._answered[command_id]

    def unanswered(self) -> list[str]:
        """Return the commands without an answer."""
        return [
            f"{command_id} {word}"
            for command_id, word in self._given
            if self.outcome(command_id) is None
        ]
