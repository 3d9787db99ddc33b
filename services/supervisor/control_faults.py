"""Refusals in supervisord's numbers, and the lookups that end in one."""

from __future__ import annotations

from enum import IntEnum

from services.supervisor.context import Roster
from services.supervisor.member import Member


class Fault(IntEnum):
    """supervisord's fault codes."""

    UNKNOWN_METHOD = 1
    INCORRECT_PARAMETERS = 2
    BAD_ARGUMENTS = 3
    SHUTDOWN_STATE = 6
    BAD_NAME = 10
    BAD_SIGNAL = 11
    NO_FILE = 20
    FAILED = 30
    ABNORMAL_TERMINATION = 40
    ALREADY_STARTED = 60
    NOT_RUNNING = 70
    SUCCESS = 80
    ALREADY_ADDED = 90
    STILL_RUNNING = 91
    CANT_REREAD = 92


class ControlFault(Exception):
    """Answered as an XML-RPC fault."""

    def __init__(self, code: Fault, detail: str = "") -> None:
        super().__init__(f"{code.name}: {detail}" if detail else code.name)
        self.code = code


def member_of(roster: Roster, name: object) -> Member:
    """Return the member that `name`, `name:name` or `name:*` means; raises ControlFault."""
    plain = str(name)
    group, _, process = plain.partition(":")
    member = roster.get(group)
    if member is None or process not in ("", "*", group):
        known = ", ".join(one.name for one in roster)
        raise ControlFault(Fault.BAD_NAME, f"{plain!r} is no service; there are {known}")
    return member


def result_of(member: Member, code: Fault, detail: str) -> dict[str, object]:
    """Return one entry of an answer about several services."""
    return {
        "name": member.name,
        "group": member.name,
        "status": int(code),
        "description": detail,
    }
