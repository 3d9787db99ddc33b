"""The XML-RPC methods about logs: read, tail, clear. `clear` rotates and destroys nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.supervisor.context import Context, Roster
from services.supervisor.control_faults import ControlFault, Fault, member_of, result_of
from services.supervisor.control_logs import read_log, tail_log
from services.supervisor.starter import rotate


class LogMethods:
    """Outputs of services by offset, length and tail."""

    def __init__(self, context: Context, roster: Roster) -> None:
        self._context = context
        self._roster = roster

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return the methods by their names without the namespace."""
        return {
            "readLog": self._read_own,
            "readMainLog": self._read_own,
            "readProcessStdoutLog": self._read_process,
            "readProcessLog": self._read_process,
            "readProcessStderrLog": self._empty,
            "tailProcessStdoutLog": self._tail,
            "tailProcessLog": self._tail,
            "tailProcessStderrLog": lambda name, *_: [self._empty(name), 0, False],
            "clearProcessLogs": self._clear,
            "clearProcessLog": self._clear,
            "clearAllProcessLogs": self._clear_all,
        }

    def output_of(self, name: str) -> Path:
        """Return the output file of a service; raises ControlFault when there is none."""
        return self._context.launch.logs.output(member_of(self._roster, name).name)

    def _read_own(self, offset: int, length: int) -> str:
        return self._read(self._context.launch.logs.service("supervisor"), offset, length)

    def _read_process(self, name: str, offset: int, length: int) -> str:
        return self._read(self.output_of(name), offset, length)

    def _read(self, path: Path, offset: int, length: int) -> str:
        try:
            return read_log(path, int(offset), int(length))
        except OSError as fault:
            raise ControlFault(Fault.NO_FILE, path.name) from fault
        except ValueError as fault:
            raise ControlFault(Fault.BAD_ARGUMENTS, str(fault)) from fault

    def _tail(self, name: str, offset: int, length: int) -> list[object]:
        try:
            return list(tail_log(self.output_of(name), int(offset), int(length)))
        except OSError as fault:
            raise ControlFault(Fault.NO_FILE, name) from fault
        except ValueError as fault:
            raise ControlFault(Fault.BAD_ARGUMENTS, str(fault)) from fault

    def _empty(self, name: str, *_: int) -> str:
        """Standard error goes into the same file as standard output."""
        member_of(self._roster, name)
        return ""

    def _clear(self, name: str) -> bool:
        try:
            rotate(self.output_of(name), 0)
        except OSError as fault:
            raise ControlFault(Fault.FAILED, str(fault)) from fault
        return True

    def _clear_all(self) -> list[dict[str, object]]:
        for member in self._roster:
            self._clear(member.name)
        return [result_of(member, Fault.SUCCESS, "OK") for member in self._roster]
