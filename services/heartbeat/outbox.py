"""Pure: what waits to be delivered. Bounded; what matters most is dropped last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.heartbeat.large_trades import Place
from services.heartbeat.plan import Alert, End, Kind, Plan, Trouble
from services.heartbeat.rows import clipped
from services.heartbeat.subjects import RANK, Severity

MESSAGES_MAX = 200
FIRST_PAUSE_S = 5.0
PAUSE_MAX_S = 300.0
LOG = "log"
PEOPLE = "people"
"""With a number behind it, `people-1`: one channel for each address."""
PERHAPS_TOLD = " (perhaps told before)"
"""Said of what was under way when the process was killed, or was answered late or never: whether
it arrived nobody knows.
"""
TITLE_CHARACTERS_MAX, BODY_CHARACTERS_MAX = 200, 3_000
"""Telegram refuses for ever what is longer than 4,096 in all."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message and the channels that have not taken it yet."""

    id: str
    title: str
    body: str
    severity: Severity
    channels: tuple[str, ...]
    refusals: Mapping[str, int] = field(default_factory=dict)
    """Channel to how often it did not take the message: one that is down delays no other."""
    not_before_s: Mapping[str, float] = field(default_factory=dict)
    """Channel to the seconds since boot before which it is not tried again."""
    held: bool = False
    """It waits for the end of the quiet hours."""
    begun: tuple[str, ...] = ()
    """Channels that it was handed to and that have not answered. One that stands here when a
    process begins was perhaps told by the one before it."""

    @property
    def attempts(self) -> int:
        """How often the worst channel has refused it."""
        return max(self.refusals.values(), default=0)


@dataclass(frozen=True, slots=True)
class Memory:
    """All that must outlive this process."""

    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    outbox: tuple[Message, ...] = ()
    sequence: int = 0
    dropped: int = 0
    """Messages that were thrown away because the outbox was full."""
    ends: Mapping[str, End] = field(default_factory=dict)
    """What was over of late, so that what comes back is known as such."""
    orders_read: Place | None = None
    """How far logs/orders.jsonl was read."""


def compose(alerts: Sequence[Alert]) -> tuple[str, str, Severity]:
    """Return title, body and severity of one message for all alerts of a turn: a storm of
    faults is one message, its worst first, and no longer than every channel takes.
    """
    ordered = sorted(alerts, key=lambda alert: (-RANK[alert.severity], alert.kind is not Kind.OPEN))
    first = ordered[0]
    if len(ordered) == 1:
        title = clipped(first.title, TITLE_CHARACTERS_MAX)
        return title, _lines([first.body]), first.severity
    title = f"{clipped(first.title, TITLE_CHARACTERS_MAX - 20)} (and {len(ordered) - 1} more)"
    return title, _lines([f"- {each.title}: {each.body}" for each in ordered]), first.severity


def _lines(lines: Sequence[str]) -> str:
    """The lines as one text, as many as fit, and how many do not."""
    kept: list[str] = []
    room = BODY_CHARACTERS_MAX - 40
    for line in lines:
        if len(line) >= room:
            break
        room -= len(line) + 1
        kept.append(line)
    if not kept:
        kept = [clipped(lines[0], room)]
    left = len(lines) - len(kept)
    return "\n".join([*kept, f"- and {left} more: see status"] if left else kept)


def with_alerts(
    memory: Memory, alerts: Sequence[Alert], channels: tuple[str, ...], *, quiet: bool = False
) -> Memory:
    """Return the memory with one more message for these alerts; unchanged without any.

    In the quiet hours what is no page is held back, from people, not from the log.
    """
    if not alerts:
        return memory
    title, body, severity = compose(alerts)
    number = memory.sequence + 1
    held = quiet and severity is not Severity.PAGE
    message = Message(f"alert-{number}", title, body, severity, channels, held=held)
    outbox = (*memory.outbox, message)
    dropped = memory.dropped
    if len(outbox) > MESSAGES_MAX:
        least = min(range(len(outbox)), key=lambda place: (RANK[outbox[place].severity], place))
        outbox = outbox[:least] + outbox[least + 1 :]
        dropped += 1
    return replace(memory, outbox=outbox, sequence=number, dropped=dropped)


def released(memory: Memory) -> Memory:
    """Return the memory after the quiet hours: what was held goes out, gathered in one message
    for those who wait for the same, as far as it fits.
    """
    if not any(message.held for message in memory.outbox):
        return memory
    kept: list[Message] = []
    for message in memory.outbox:
        last = kept[-1] if kept else None
        loose = replace(message, held=False)
        if last is not None and message.held and _may_join(last, message):
            kept[-1] = _joined(last, loose)
        else:
            kept.append(loose if not message.held else replace(loose, not_before_s={}))
    return replace(memory, outbox=tuple(kept))


def _may_join(first: Message, second: Message) -> bool:
    untried = first.attempts == second.attempts == 0
    size = len(first.body) + len(second.title) + len(second.body)
    is_page = Severity.PAGE in (first.severity, second.severity)
    return (
        untried
        and not is_page
        and first.channels == second.channels
        and (size < BODY_CHARACTERS_MAX)
    )


def _joined(first: Message, second: Message) -> Message:
    title, line = "Of the quiet hours", f"- {second.title}: {second.body}"
    begun = first.body if first.title == title else f"- {first.title}: {first.body}"
    worst = max(first.severity, second.severity, key=RANK.__getitem__)
    return replace(first, title=title, body=f"{begun}\n{line}", severity=worst)


def with_plan(memory: Memory, plan: Plan) -> Memory:
    """Return the memory with what the plan wants remembered."""
    return replace(memory, troubles=plan.troubles, ends=plan.ends)


def due(memory: Memory, channel: str, now_s: float) -> Message | None:
    """Return the oldest message that the channel has not taken and that may be tried now."""
    for message in memory.outbox:
        is_held = message.held and channel != LOG
        is_time = message.not_before_s.get(channel, 0.0) <= now_s
        if channel in message.channels and is_time and not is_held:
            return message
    return None


def begun(memory: Memory, message_id: str, channel: str) -> Memory:
    """Return the memory in which the message is under way to that channel."""

    def handed(message: Message) -> Message:
        return replace(message, begun=tuple(dict.fromkeys((*message.begun, channel))))

    outbox = (handed(one) if one.id == message_id else one for one in memory.outbox)
    return replace(memory, outbox=tuple(outbox))


def spoken(message: Message, channel: str) -> Message:
    """Return the message as that channel shall say it: that it may be a repetition is said."""
    if channel not in message.begun:
        return message
    return replace(message, title=message.title + PERHAPS_TOLD)


def delivered(memory: Memory, message_id: str, channel: str) -> Memory:
    """Return the memory after the channel has taken the message."""
    kept: list[Message] = []
    for message in memory.outbox:
        taken = (channel,) if message.id == message_id else ()
        if left := tuple(name for name in message.channels if name not in taken):
            kept.append(replace(message, channels=left, begun=_without(message.begun, taken)))
    return replace(memory, outbox=tuple(kept))


def _without(names: tuple[str, ...], gone: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in gone)


def refused(
    memory: Memory, message_id: str, channel: str, now_s: float, *, perhaps: bool = False
) -> Memory:
    """Return the memory after a failed try of that channel: it is tried again after a growing,
    capped pause. `perhaps`: it may have arrived all the same, and the next try says so.
    """

    def once_more(message: Message) -> Message:
        before = message.refusals.get(channel, 0)
        pause_s = min(PAUSE_MAX_S, FIRST_PAUSE_S * 2.0 ** min(before, 16))
        return replace(
            message,
            begun=message.begun if perhaps else _without(message.begun, (channel,)),
            refusals={**message.refusals, channel: before + 1},
            not_before_s={**message.not_before_s, channel: now_s + pause_s},
        )

    outbox = (once_more(one) if one.id == message_id else one for one in memory.outbox)
    return replace(memory, outbox=tuple(outbox))


def readdressed(memory: Memory, channels: tuple[str, ...]) -> Memory:
    """Return the memory for these channels, the log first: what waits for an address that is no
    longer set goes to the first of those that are; where there is none it is dropped, counted.
    """
    kept: list[Message] = []
    for message in memory.outbox:
        known = tuple(name for name in message.channels if name in channels)
        if known != message.channels:
            known = tuple(dict.fromkeys((*known, *channels[1:2])))
        if known:
            kept.append(replace(message, channels=known))
    dropped = memory.dropped + len(memory.outbox) - len(kept)
    return replace(memory, outbox=tuple(kept), dropped=dropped)
