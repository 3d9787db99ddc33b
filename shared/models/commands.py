"""What an operator may ask of the running system, and what it answers (CONTRACTS.md section 4).

Expiry is judged by seconds since boot, within one boot: wall clocks may jump. The UTC stamps
beside it are for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.errors import EXIT_CODES, FailureClass
from shared.models.shown import shown

COMMAND_LIFE_S = 60.0
"""A command older than this is refused: its reason may be gone."""
TEXT_CHARACTERS_MAX = 500
FIELD_CHARACTERS_MAX = 5_000
"""Any text of a command or an answer that is read back."""
SECONDS_MAX = 1e12
_ID = re.compile(r"^[0-9A-Za-z][0-9A-Za-z-]{0,63}$")


class CommandName(StrEnum):
    """The commands, as the CLI spells them."""

    EMERGENCY_STOP = "emergency-stop"
    CLEAR_STOP = "clear-stop"
    CLOSE_POSITION = "close-position"
    PAUSE = "pause"
    RESUME = "resume"


class ClearWhat(StrEnum):
    """What an approver may clear."""

    STOP = "stop"
    DRAWDOWN = "drawdown"
    REBUILD = "rebuild"
    SECOND_WRITER = "second-writer"


class CommandOutcome(StrEnum):
    """How a command ended. FAILED is worth another try (the broker could not be reached, nobody
    answered); REFUSED and EXPIRED changed nothing.
    """

    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"


ArgValue = str | bool
"""Arguments are words and switches: `symbol`, `what`, `flatten`, `include_external`."""


def is_command_id(text: str) -> bool:
    """Whether the text may be a command's id, and so a file's name."""
    return _ID.match(text) is not None


@dataclass(frozen=True, slots=True)
class Command:
    """One request, as it lies in `state/commands/ID.json`."""

    id: str
    command: CommandName
    by: str
    """Who asks: a user's name and door, an approver."""
    reason: str
    expires_at: datetime
    """UTC, for people; `expires_boottime_s` decides."""
    boot_id: str
    boottime_s: float
    """Seconds since boot when it was given."""
    expires_boottime_s: float
    args: Mapping[str, ArgValue] = field(default_factory=dict)
    begun: Mapping[str, str] = field(default_factory=dict)
    """What its holder began to do it to, noted before; empty while nothing was begun."""

    def __post_init__(self) -> None:
        if not is_command_id(self.id):
            raise ValueError(f"id must be 1..64 letters, digits and dashes, not {shown(self.id)}")

    def is_expired(self, boot_id: str, boottime_s: float) -> bool:
        """Whether it is too old at that moment; one of another boot always is."""
        return boot_id != self.boot_id or boottime_s >= self.expires_boottime_s

    def text(self, name: str) -> str:
        """Return a word among the arguments, empty when it is absent."""
        value = self.args.get(name, "")
        return value if isinstance(value, str) else ""

    def switch(self, name: str) -> bool:
        """Return a switch among the arguments; only a real `true` turns it on."""
        return self.args.get(name) is True

    def as_document(self) -> dict[str, object]:
        """Return the command under the names of CONTRACTS.md section 4."""
        document: dict[str, object] = {
            "id": self.id,
            "command": self.command.value,
            "args": dict(self.args),
            "by": self.by,
            "reason": self.reason,
            "expires_at": self.expires_at.isoformat(timespec="milliseconds"),
            "boot_id": self.boot_id,
            "boottime_s": self.boottime_s,
            "expires_boottime_s": self.expires_boottime_s,
        }
        if self.begun:
            document["begun"] = dict(self.begun)
        return document


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command, as it lies in `state/commands/done/ID.json`."""

    id: str
    outcome: CommandOutcome
    detail: str
    """One sentence for a person."""
    at: datetime
    result: Mapping[str, object] = field(default_factory=dict)
    """Facts for a program: for close-position those of CONTRACTS.md section 7."""

    @property
    def exit_code(self) -> int:
        """The exit code with which a command line ends: 0, 1, or 75 for another try."""
        if self.outcome is CommandOutcome.DONE:
            return 0
        return EXIT_CODES[FailureClass.TRANSIENT] if self.outcome is CommandOutcome.FAILED else 1

    def as_document(self) -> dict[str, object]:
        """Return the answer under the names of CONTRACTS.md section 4."""
        return {
            "id": self.id,
            "outcome": self.outcome.value,
            "detail": self.detail,
            "result": dict(self.result),
            "at": self.at.isoformat(timespec="milliseconds"),
        }


def command_from_document(document: object) -> Command:
    """Rebuild a command; ValueError naming the field when the document does not fit."""
    data = _object(document, "command file")
    args = _object(data.get("args"), "args")
    for name, value in args.items():
        if not isinstance(value, str | bool):
            raise ValueError(f"args.{name} must be text or true/false, not {shown(value)}")
    begun = _object(data.get("begun", {}), "begun")
    for name, value in begun.items():
        if not isinstance(value, str):
            raise ValueError(f"begun.{name} must be text, not {shown(value)}")
    return Command(
        id=_text(data, "id"),
        command=CommandName(_text(data, "command")),
        by=_text(data, "by"),
        reason=_text(data, "reason"),
        expires_at=_moment(data, "expires_at"),
        boot_id=_text(data, "boot_id"),
        boottime_s=_number(data, "boottime_s"),
        expires_boottime_s=_number(data, "expires_boottime_s"),
        args={name: value for name, value in args.items() if isinstance(value, str | bool)},
        begun={name: value for name, value in begun.items() if isinstance(value, str)},
    )


def answer_from_document(document: object) -> Answer:
    """Rebuild an answer; ValueError naming the field when the document does not fit."""
    data = _object(document, "answer file")
    return Answer(
        id=_text(data, "id"),
        outcome=CommandOutcome(_text(data, "outcome")),
        detail=_text(data, "detail"),
        at=_moment(data, "at"),
        result=_object(data.get("result"), "result"),
    )


def _object(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, not {type(value).__name__}")
    return {str(key): item for key, item in value.items()}


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or len(value) > FIELD_CHARACTERS_MAX:
        raise ValueError(f"{name} must be text of sensible length, not {shown(value)}")
    return value


def _number(data: Mapping[str, object], name: str) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > SECONDS_MAX:
        raise ValueError(f"{name} must be a number of seconds, not {shown(value)}")
    return float(value)


def _moment(data: Mapping[str, object], name: str) -> datetime:
    moment = datetime.fromisoformat(_text(data, name))
    if moment.tzinfo is None:
        raise ValueError(f"{name} must carry a timezone")
    return moment
