"""The XML-RPC methods of supervisord, and our own `release` and `restartProcess`.

Names, arguments, faults and return values are those of supervisor 4 (its rpcinterface.py), so
that the stock supervisorctl works unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from services.supervisor.context import Context, Roster
from services.supervisor.control_faults import ControlFault, Fault, member_of, result_of
from services.supervisor.control_info import process_info
from services.supervisor.control_log_methods import LogMethods
from services.supervisor.health_file import VERSION
from services.supervisor.member import Member
from services.supervisor.operations import Operations, Refused
from services.supervisor.reread import Reread
from shared.errors import ConfigFault
from shared.models.health import Phase

API_VERSION = "3.0"
RUNNING, STOPPING = (1, "RUNNING"), (0, "RESTARTING")

Method = Callable[..., Any]


class ControlMethods:
    """Every method by its name in `table`."""

    def __init__(
        self, context: Context, roster: Roster, operations: Operations, reread: Reread
    ) -> None:
        self._context = context
        self._roster = roster
        self._operations = operations
        self._reread = reread
        self.logs = LogMethods(context, roster)
        self.shutdown_asked: Callable[[str], None] = lambda _: None
        """Called when a client asks for the end of everything."""
        self.table: dict[str, Method] = self._everything()

    def _everything(self) -> dict[str, Method]:
        named: dict[str, Method] = {
            "getAPIVersion": lambda: API_VERSION,
            "getVersion": lambda: API_VERSION,
            "getSupervisorVersion": lambda: VERSION,
            "getIdentification": lambda: "self-healing-trader",
            "getState": self._state,
            "getPID": os.getpid,
            "shutdown": self._shutdown,
            "getProcessInfo": lambda name: self._info(self._member(name)),
            "getAllProcessInfo": lambda: [self._info(member) for member in self._roster],
            "getAllConfigInfo": self._config_info,
            "startProcess": self._start,
            "stopProcess": self._stop,
            "restartProcess": self._restart,
            "release": self._release,
            "signalProcess": self._signal,
            "signalAllProcesses": lambda name: [
                self._signalled(member, name) for member in self._roster if self._is_up(member)
            ],
            "signalProcessGroup": lambda group, name: [self._signalled(self._member(group), name)],
            "reloadConfig": self._reload,
            "addProcessGroup": self._add,
            "removeProcessGroup": self._remove,
            "restart": _no_restart,
            "sendProcessStdin": self._no_input,
        }
        named |= self.logs.table()
        named |= self._plural("start", self._start, self._is_down)
        named |= self._plural("stop", self._stop, self._is_up)
        return {f"supervisor.{name}": method for name, method in named.items()}

    def _plural(
        self, verb: str, one: Callable[..., Awaitable[bool]], wanted: Callable[[Member], bool]
    ) -> dict[str, Method]:
        async def each(members: list[Member], wait: bool) -> list[dict[str, object]]:
            results = []
            for member in members:
                try:
                    await one(member.name, wait)
                    results.append(result_of(member, Fault.SUCCESS, "OK"))
                except ControlFault as fault:
                    results.append(result_of(member, fault.code, str(fault)))
            return results

        async def everybody(wait: bool = True) -> list[dict[str, object]]:
            order = self._roster.in_start_order() if verb == "start" else None
            members = order or self._roster.in_stop_order()
            return await each([member for member in members if wanted(member)], wait)

        async def group(name: str, wait: bool = True) -> list[dict[str, object]]:
            member = self._member(name)
            return await each([member] if wanted(member) else [], wait)

        return {f"{verb}AllProcesses": everybody, f"{verb}ProcessGroup": group}

    def _member(self, name: object) -> Member:
        return member_of(self._roster, name)

    def _is_up(self, member: Member) -> bool:
        return member.process is not None

    def _is_down(self, member: Member) -> bool:
        return member.process is None

    def _state(self) -> dict[str, object]:
        code, name = STOPPING if self._context.stopping else RUNNING
        return {"statecode": code, "statename": name}

    def _info(self, member: Member) -> dict[str, object]:
        output = self._context.launch.logs.output(member.name)
        return process_info(member, output, self._context.clock)

    def _config_info(self) -> list[dict[str, object]]:
        return [
            {
                "name": member.name,
                "group": member.name,
                "inuse": True,
                "autostart": True,
                "process_prio": index,
                "group_prio": index,
            }
            for index, member in enumerate(self._roster.in_start_order())
        ]

    def _no_input(self, name: str, _: object) -> bool:
        """`fg`: refused by name, for a service must not depend on a terminal."""
        told = f"{self._member(name).name} reads no input; `tail -f` shows what it says"
        raise ControlFault(Fault.NO_FILE, told)

    def _shutdown(self) -> bool:
        if self._context.stopping:
            raise ControlFault(Fault.SHUTDOWN_STATE)
        self.shutdown_asked("asked for through the control socket")
        return True

    async def _start(self, name: str, wait: bool = True) -> bool:
        member = self._member(name)
        self._carry_out(self._operations.start, member, Fault.ALREADY_STARTED)
        if wait and not await self._operations.until_up(member):
            raise ControlFault(Fault.ABNORMAL_TERMINATION, member.phase_reason)
        return True

    async def _stop(self, name: str, wait: bool = True) -> bool:
        member = self._member(name)
        self._carry_out(self._operations.stop, member, Fault.NOT_RUNNING)
        if wait and not await self._operations.until_down(member):
            raise ControlFault(Fault.FAILED, f"{name} does not end")
        return True

    async def _restart(self, name: str, wait: bool = True) -> bool:
        member = self._member(name)
        self._carry_out(self._operations.restart, member, Fault.FAILED)
        if not wait:
            return True
        if member.phase is Phase.STOPPING:
            await self._operations.until_down(member)
        if not await self._operations.until_up(member):
            raise ControlFault(Fault.ABNORMAL_TERMINATION, member.phase_reason)
        return True

    def _release(self, name: str) -> bool:
        self._carry_out(self._operations.release, self._member(name), Fault.FAILED)
        return True

    def _carry_out(
        self, operation: Callable[[Member], None], member: Member, refused: Fault
    ) -> None:
        if self._context.stopping:
            raise ControlFault(Fault.SHUTDOWN_STATE)
        try:
            operation(member)
        except Refused as fault:
            raise ControlFault(refused, str(fault)) from fault

    def _signal(self, name: str, signal_name: object) -> bool:
        try:
            self._operations.signal(self._member(name), str(signal_name))
        except Refused as fault:
            raise ControlFault(Fault.NOT_RUNNING, str(fault)) from fault
        except ValueError as fault:
            raise ControlFault(Fault.BAD_SIGNAL, str(fault)) from fault
        return True

    def _signalled(self, member: Member, signal_name: object) -> dict[str, object]:
        try:
            self._signal(member.name, signal_name)
        except ControlFault as fault:
            return result_of(member, fault.code, str(fault))
        return result_of(member, Fault.SUCCESS, "OK")

    def _reload(self) -> list[list[list[str]]]:
        try:
            change = self._reread.compare()
        except ConfigFault as fault:
            raise ControlFault(Fault.CANT_REREAD, str(fault)) from fault
        return [[list(change.added), list(change.changed), list(change.removed)]]

    def _add(self, name: str) -> bool:
        if not self._reread.add(name):
            known = self._roster.get(name) is not None
            raise ControlFault(Fault.ALREADY_ADDED if known else Fault.BAD_NAME, name)
        return True

    def _remove(self, name: str) -> bool:
        member = self._member(name)
        if member.process is not None:
            raise ControlFault(Fault.STILL_RUNNING, name)
        self._reread.remove(member)
        return True


def _no_restart() -> bool:
    """`reload`: supervisord would end every service for it, and forget what it knew of them."""
    told = "not served: `update` applies the table, `restart all` restarts the services"
    raise ControlFault(Fault.FAILED, told)
