"""Pure: heartbeat's memory as it stands on disk, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from services.heartbeat.large_trades import Place
from services.heartbeat.outbox import PAUSE_MAX_S, Memory, Message
from services.heartbeat.plan import End, Trouble
from services.heartbeat.subjects import Severity
from shared.errors import SchemaFault

VERSION = 1


def as_document(memory: Memory, boot_id: str) -> dict[str, Any]:
    """Return the memory as it is written; times in it belong to that boot."""
    return {
        "version": VERSION,
        "boot_id": boot_id,
        "sequence": memory.sequence,
        "dropped": memory.dropped,
        "orders_read": None if memory.orders_read is None else asdict(memory.orders_read),
        "troubles": [
            {name: getattr(trouble, name) for name in Trouble.__slots__}
            for trouble in memory.troubles.values()
        ],
        "ends": [
            {"subject": subject, "returns": end.returns, "at_s": end.at_s}
            for subject, end in memory.ends.items()
        ],
        "outbox": [
            {name: getattr(message, name) for name in Message.__slots__}
            for message in memory.outbox
        ],
    }


def from_document(document: Mapping[str, Any], boot_id: str, now_s: float) -> Memory:
    """Return the memory of a document; ValueError when it does not fit, SchemaFault when a newer
    program wrote it.

    After a reboot nothing is known of the pauses and durations: troubles begin anew now, keeping
    what was said, and messages are tried at once.
    """
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise SchemaFault(f"heartbeat.json is of version {version}; use the newer program")
    if version != VERSION:
        raise ValueError(f"no version that was ever written: {version!r:.20}")
    try:
        troubles = [_trouble(row) for row in document["troubles"]]
        outbox = [_message(row) for row in document["outbox"]]
        memory = Memory(
            {trouble.subject: trouble for trouble in troubles},
            tuple(outbox),
            int(document["sequence"]),
            int(document["dropped"]),
            dict(_end(row) for row in document.get("ends", ())),
            _place(document.get("orders_read")),
        )
        same_boot = document["boot_id"] == boot_id
    except (KeyError, TypeError, AttributeError, OverflowError) as failure:
        raise ValueError(f"not a heartbeat memory: {failure!r}") from failure
    if same_boot:
        return _not_ahead(memory, now_s)
    return replace(
        memory,
        troubles={
            name: replace(trouble, began_s=now_s, said_s=now_s, quiet_s=None)
            for name, trouble in memory.troubles.items()
        },
        ends={name: replace(end, at_s=now_s) for name, end in memory.ends.items()},
        outbox=tuple(replace(message, not_before_s={}) for message in memory.outbox),
    )


def _not_ahead(memory: Memory, now_s: float) -> Memory:
    """A time of this boot that has not come yet is wrong: it would hold alerts back for ever."""

    def past(trouble: Trouble) -> Trouble:
        quiet_s = None if trouble.quiet_s is None else min(trouble.quiet_s, now_s)
        began_s, said_s = min(trouble.began_s, now_s), min(trouble.said_s, now_s)
        return replace(trouble, began_s=began_s, said_s=said_s, quiet_s=quiet_s)

    latest_s = now_s + PAUSE_MAX_S
    return replace(
        memory,
        troubles={name: past(trouble) for name, trouble in memory.troubles.items()},
        ends={n: replace(end, at_s=min(end.at_s, now_s)) for n, end in memory.ends.items()},
        outbox=tuple(
            replace(
                message,
                not_before_s={n: min(at_s, latest_s) for n, at_s in message.not_before_s.items()},
            )
            for message in memory.outbox
        ),
    )


def _trouble(row: Mapping[str, Any]) -> Trouble:
    quiet_s = row["quiet_s"]
    return Trouble(
        subject=str(row["subject"]),
        cause=str(row["cause"]),
        severity=Severity(row["severity"]),
        detail=str(row["detail"]),
        began_s=float(row["began_s"]),
        began_at=str(row["began_at"]),
        announced=row["announced"] is True,
        reminders=int(row["reminders"]),
        said_s=float(row["said_s"]),
        quiet_s=None if quiet_s is None else float(quiet_s),
        returns=max(0, int(row.get("returns", 0))),
    )


def _end(row: Mapping[str, Any]) -> tuple[str, End]:
    return str(row["subject"]), End(max(0, int(row["returns"])), float(row["at_s"]))


def _place(row: Mapping[str, Any] | None) -> Place | None:
    if row is None:
        return None
    told = tuple(str(order) for order in row["told"])
    return Place(int(row["inode"]), max(0, int(row["offset"])), told)


def _message(row: Mapping[str, Any]) -> Message:
    return Message(
        id=str(row["id"]),
        title=str(row["title"]),
        body=str(row["body"]),
        severity=Severity(row["severity"]),
        channels=tuple(str(name) for name in row["channels"]),
        refusals={str(name): int(count) for name, count in row.get("refusals", {}).items()},
        not_before_s={str(n): float(time_s) for n, time_s in row.get("not_before_s", {}).items()},
        held=row.get("held") is True,
        begun=tuple(str(name) for name in row.get("begun", ())),
    )
