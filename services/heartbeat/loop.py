"""The turning loop: read, judge, plan, remember, say, beat."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from pathlib import Path

from services.heartbeat import large_trades, memory_document, outbox
from services.heartbeat.alerts import Delivery, LogAlerter, PeopleChannel, people_addresses
from services.heartbeat.chat import Chat, ChatAddress
from services.heartbeat.outbox import LOG, Memory, Message
from services.heartbeat.ping import Pinger
from services.heartbeat.plan import Moment, make_plan, mode_of
from services.heartbeat.quiet import is_quiet
from services.heartbeat.sources import Sources
from shared.clock import Clock, utc_text
from shared.commands.core import CommandCore
from shared.config.settings import Settings
from shared.errors import SchemaFault, SystemFault
from shared.health.judge import Judgement, judge_document
from shared.persistence.atomic_file import Missing, read_document, write_document
from shared.persistence.document import parse_object, render
from shared.telemetry.logs import log_event
from shared.telemetry.notify import Beat, Notifier

TURN_S = 0.5
HEALTH_BYTES_MAX = 4_000_000
MEMORY_BYTES_MAX = 4_000_000
LAST_ANSWER_S = 1.0
"""So long a stop waits for the answer to what is under way."""
STUCK_ATTEMPTS = 3
"""From so many failed tries of one message on we call ourselves DEGRADED."""


def turn_s(environ_beat_s: str | None) -> float:
    """Return the length of a turn: half of the beat that the supervisor expects, at most."""
    try:
        beat_s = float(environ_beat_s or TURN_S * 2)
    except ValueError:
        beat_s = TURN_S * 2
    return max(0.05, min(TURN_S, beat_s / 2))


class Loop:
    """The working loop and its memory. One thread."""

    def __init__(self, settings: Settings, clock: Clock, logger: logging.Logger) -> None:
        self._clock = clock
        self._logger = logger
        self._health_path = settings.state.health
        self._memory_path = settings.state.heartbeat
        self._orders_path = settings.logs.orders
        self._sources = Sources(settings.state, clock)
        self._log = LogAlerter(logger)
        self._heard = threading.Event()
        """An address has answered: what it took is noted before anything else happens."""
        self._people = tuple(
            PeopleChannel(address, self._heard, clock) for address in people_addresses(settings)
        )
        self._channels = (LOG, *(channel.name for channel in self._people))
        url = settings.heartbeat_ping_url
        self._pinger = Pinger(url.get_secret_value(), clock) if url is not None else None
        self._chat = self._made_chat(settings)
        self._written = self._remembered()
        self._memory = outbox.readdressed(self._written, self._channels)
        self._storage_problem = ""
        self._delivery_problems: dict[str, str] = {}
        """Channel to why its last delivery failed."""
        self._told: set[str] = set()
        """Channels whose trouble stands in the log already."""
        self._turns = 0

    def run(self, stop: threading.Event, notifier: Notifier, pause_s: float) -> None:
        """Turn until stopped."""
        log_event(
            self._logger,
            "watching",
            f"judging health.json every {pause_s:g} s",
            people=bool(self._people),
            ping=self._pinger is not None,
        )
        for channel in self._people:
            channel.start()
        self._sources.start()
        if self._pinger is not None:
            self._pinger.start()
        if self._chat is not None:
            self._chat.start()
        while not stop.is_set():
            judgement = self.turn()
            if self._turns == 1:
                notifier.ready("judging health.json")
            notifier.beat(self._beat(judgement))
            self._rest(stop, pause_s)
        self._rest(stop, LAST_ANSWER_S)
        notifier.stopping()

    def _rest(self, stop: threading.Event, pause_s: float) -> None:
        """Pause; while a message is under way, until its answer: the sooner that is noted, the
        less a kill can repeat. A stop then waits for the rest of the pause.
        """
        if not any(channel.is_busy for channel in self._people):
            self._clock.wait(stop, pause_s)
        elif self._clock.wait(self._heard, pause_s):
            self._heard.clear()
            self._take_results(self._clock.boottime_s())
            self._remember()

    def turn(self) -> Judgement:
        """One unit of work: judge, plan, remember, then speak."""
        utc_now = self._clock.utc_now()
        now = Moment(self._clock.boottime_s(), utc_text(utc_now))
        judgement = self._judged()
        self._memory = self._planned(judgement, now, quiet=is_quiet(utc_now))
        self._take_results(now.boottime_s)
        said = self._begun(now.boottime_s)
        # Noted as under way before anybody hears it: a kill loses none and marks what it repeats.
        self._remember()
        self._speak(said, now.boottime_s)
        self._remember()
        if self._pinger is not None:
            self._pinger.turn(judgement)
        self._turns += 1
        return judgement

    def _made_chat(self, settings: Settings) -> Chat | None:
        """The chat of the two Telegram settings, None without them."""
        token, chat_id = settings.telegram_bot_token, settings.telegram_chat_id
        if token is None or chat_id is None:
            return None
        core = CommandCore(settings.state, settings.logs, self._clock)
        address = ChatAddress(token.get_secret_value(), chat_id)
        return Chat(address, self._clock, core, self._judged, settings.state)

    def _judged(self) -> Judgement:
        """Our own judgement of health.json at this moment."""
        return judge_document(
            self._health(),
            boot_id=self._clock.boot_id(),
            boottime_s=self._clock.boottime_s(),
        )

    def _planned(self, judgement: Judgement, now: Moment, *, quiet: bool) -> Memory:
        """The memory with what this judgement, and what was seen beside it, asks to be said."""
        facts, memory = self._sources.read(), self._memory
        plan = make_plan(judgement, memory.troubles, now, facts, memory.ends)
        limit = large_trades.position_limit(facts.bot)
        place, notices = large_trades.look(
            self._orders_path, memory.orders_read, limit, mode_of(judgement)
        )
        alerts = (*plan.alerts, *notices)
        memory = outbox.with_alerts(memory, alerts, self._channels, quiet=quiet)
        memory = replace(outbox.with_plan(memory, plan), orders_read=place)
        return memory if quiet else outbox.released(memory)

    def _health(self) -> bytes | None:
        """The bytes of health.json; None without the file, no bytes when it cannot be read."""
        try:
            raw = read_document(self._health_path, HEALTH_BYTES_MAX)
        except (SystemFault, OSError, ValueError):
            return b""
        return None if isinstance(raw, Missing) else raw

    def _take_results(self, now_s: float) -> None:
        for channel in self._people:
            for delivery in channel.results(now_s):
                self._take_result(channel.name, delivery, now_s)

    def _take_result(self, channel: str, delivery: Delivery, now_s: float) -> None:
        message_id = delivery.message_id
        if delivery.taken:
            self._memory = outbox.delivered(self._memory, message_id, channel)
            self._delivery_problems.pop(channel, None)
            return
        perhaps = delivery.perhaps
        self._memory = outbox.refused(self._memory, message_id, channel, now_s, perhaps=perhaps)
        self._delivery_problems[channel] = delivery.problem
        log_event(
            self._logger,
            "alert_not_delivered",
            f"{message_id}: {delivery.problem}; it is tried again",
            level=logging.WARNING,
            message_id=message_id,
        )

    def _begun(self, now_s: float) -> list[tuple[str, Message]]:
        """What is to be said in this turn, noted in the memory as under way."""
        said: list[tuple[str, Message]] = []
        for message in self._memory.outbox:
            if LOG in message.channels:
                said.append((LOG, outbox.spoken(message, LOG)))
        for channel in self._people:
            due = None if channel.is_busy else outbox.due(self._memory, channel.name, now_s)
            if due is not None:
                said.append((channel.name, outbox.spoken(due, channel.name)))
        for name, message in said:
            self._memory = outbox.begun(self._memory, message.id, name)
        return said

    def _speak(self, said: list[tuple[str, Message]], now_s: float) -> None:
        channels = {channel.name: channel for channel in self._people}
        for name, message in said:
            if name == LOG:
                self._log.send(message.title, message.body, message.severity)
                self._memory = outbox.delivered(self._memory, message.id, LOG)
            else:
                channels[name].offer(message, now_s)

    def _remembered(self) -> Memory:
        """The memory of the file; an unreadable one is set aside and begun anew.

        Raises SchemaFault for one of a newer version, which is not touched.
        """
        try:
            raw = read_document(self._memory_path, MEMORY_BYTES_MAX)
            if isinstance(raw, Missing):
                return Memory()
            document = parse_object(raw)
            return memory_document.from_document(
                document, self._clock.boot_id(), self._clock.boottime_s()
            )
        except SchemaFault:
            raise
        except (SystemFault, OSError, ValueError) as failure:
            aside = _set_aside(self._memory_path, self._clock)
            log_event(
                self._logger,
                "memory_lost",
                f"{self._memory_path.name} could not be used ({failure}); {aside}; begun anew",
                level=logging.ERROR,
            )
            return Memory()

    def _remember(self) -> None:
        if self._memory == self._written:
            return
        data = render(memory_document.as_document(self._memory, self._clock.boot_id())) + b"\n"
        try:
            write_document(self._memory_path, data)
        except (SystemFault, OSError) as failure:
            if not self._storage_problem:
                log_event(self._logger, "memory_unwritten", str(failure), level=logging.ERROR)
            self._storage_problem = f"{self._memory_path.name} cannot be written"
            return
        self._written = self._memory
        self._storage_problem = ""

    def _beat(self, judgement: Judgement) -> Beat:
        held = sum(1 for message in self._memory.outbox if message.held)
        stuck = any(message.attempts >= STUCK_ATTEMPTS for message in self._memory.outbox)
        problems = [self._storage_problem, *self._channel_troubles()]
        if stuck:
            problems.extend(f"alerts are stuck: {why}" for why in self._stuck_reasons())
        problems.append(self._pinger.problem if self._pinger is not None else "")
        problems.append(self._chat.problem if self._chat is not None else "")
        reason = "; ".join(problem for problem in problems if problem)
        return Beat(
            progress=self._turns,
            health="DEGRADED" if reason else "OK",
            reason=reason or f"system judged {judgement.code}",
            metrics={
                "alerts_waiting": float(len(self._memory.outbox) - held),
                "alerts_held": float(held),
                "alerts_dropped": float(self._memory.dropped),
                "alerts_made": float(self._memory.sequence),
                "troubles": float(len(self._memory.troubles)),
            },
        )

    def _channel_troubles(self) -> list[str]:
        """What is known against the channels, said in the log too when it is new."""
        now_s = self._clock.boottime_s()
        troubles = {channel.name: channel.trouble(now_s) for channel in self._people}
        for name, trouble in troubles.items():
            if trouble and name not in self._told:
                log_event(self._logger, "people_unreachable", trouble, level=logging.ERROR)
        self._told = {name for name, trouble in troubles.items() if trouble}
        return list(troubles.values())

    def _stuck_reasons(self) -> list[str]:
        waiting = "they were refused by an earlier heartbeat"
        return list(self._delivery_problems.values()) or [waiting]


def _set_aside(path: Path, clock: Clock) -> str:
    stamp = clock.utc_now().strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.corrupt.{stamp}")
    try:
        path.rename(aside)
    except OSError as failure:
        return f"it could not be set aside ({failure.strerror})"
    return f"it was set aside as {aside.name}"


def beat_s_of_environment() -> str | None:
    """The beat that the supervisor expects, in seconds, as it stands in the environment."""
    return os.environ.get("SHT_BEAT_S")
