"""The chat: reads commands from the configured chat only, and answers them.

Threads of their own for listening, for answering and for each command: neither a slow Telegram
nor a slow command delays an alert, the judging, or an emergency stop. An update is confirmed to
Telegram before it is acted upon: a kill may lose a command, which its author notices, and never
does one twice. Only a plain stop comes first and is confirmed by the next call: a kill may do it
twice, which changes nothing, but nothing of Telegram's delays it.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from services.heartbeat import views_chat
from services.heartbeat.chat_plan import (
    ACTING,
    AGE_MAX_S,
    CONFIRM,
    Gesture,
    Pending,
    Said,
    decide,
    said_in,
)
from services.heartbeat.sources import Sources
from services.heartbeat.telegram import API, Telegram, TelegramBusy, Updates
from shared.clock import Clock
from shared.commands.core import CommandCore
from shared.config.paths import StatePaths
from shared.errors import SystemFault
from shared.health.judge import Judgement
from shared.models.commands import Answer
from shared.persistence.ledger import LedgerReader
from shared.telemetry.logs import log_event

PAUSE_S, PAUSE_MAX_S = 2.0, 60.0
FAILURES_SHOWN = 3
"""From so many failed polls in a row on it is our problem to say."""
RUNNING_MAX = 4
REPLIES_MAX = 50
SEND_TRIES = 4
DENIALS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ChatAddress:
    """Which bot of Telegram listens to which chat."""

    token: str
    chat_id: str
    base_url: str = API
    pause_s: float = PAUSE_S
    """After the first failed call; each further one waits twice as long."""

    def __repr__(self) -> str:
        """Without the token."""
        return f"ChatAddress(chat_id={self.chat_id!r})"


class Chat:
    """Listens and answers until the process ends. `problem` belongs to whoever reads it."""

    def __init__(
        self,
        address: ChatAddress,
        clock: Clock,
        core: CommandCore,
        judge: Callable[[], Judgement],
        state: StatePaths,
    ) -> None:
        self._address = address
        self._clock = clock
        self._core = core
        self._judge = judge
        self._sources = Sources(state, clock)
        self._ledger = LedgerReader(state.ledger)
        self._logger = logging.getLogger("chat")
        self._replies: queue.Queue[str] = queue.Queue(maxsize=REPLIES_MAX)
        self._running = threading.BoundedSemaphore(RUNNING_MAX)
        self._pending: Pending | None = None
        self._offset = self._next_offset = 0
        self._unconfirmed: tuple[Said, ...] = ()
        """Heard at `_heard_s` (monotonic), and not yet confirmed to Telegram."""
        self._heard_s = 0.0
        self._ended = threading.Event()
        self.problem = ""

    def start(self) -> None:
        """Begin; the threads are not waited for at the end."""
        for work in (self._listen, self._answer):
            threading.Thread(target=work, name="chat", daemon=True).start()

    def close(self) -> None:
        """Take nothing up any more."""
        self._ended.set()

    def _listen(self) -> None:
        door = Telegram(self._address.token, self._clock, self._address.base_url)
        failures = 0
        while not self._ended.is_set():
            try:
                self._take(door)
            except Exception as fault:  # whatever came in, the next command must still be heard
                failures += 1
                self._not_heard(fault, failures)
                pause_s = self._address.pause_s * 2.0 ** min(failures - 1, 10)
                self._ended.wait(max(min(PAUSE_MAX_S, pause_s), _asked_pause_s(fault)))
                continue
            failures, self.problem = 0, ""

    def _not_heard(self, fault: Exception, failures: int) -> None:
        is_ours = not isinstance(fault, SystemFault)
        if is_ours:
            self._logger.error("chat listener failed", exc_info=fault)
        if failures == FAILURES_SHOWN:
            why = type(fault).__name__ if is_ours else str(fault)
            self.problem = f"the chat does not listen: {why}"
            log_event(self._logger, "chat_deaf", why, level=logging.WARNING)

    def _take(self, door: Telegram) -> None:
        """Hear what came, confirm it, then act; what could not be confirmed stays with us until
        it can be: Telegram may have forgotten it although its answer was lost.
        """
        if not self._unconfirmed:
            updates = door.updates(self._offset)
            if not updates.rows or self._ended.is_set():
                return
            self._hear(updates)
        door.updates(self._next_offset, wait_s=0)
        heard, self._unconfirmed, self._offset = self._unconfirmed, (), self._next_offset
        waited_s = self._clock.monotonic_s() - self._heard_s
        for said in heard:
            self._heard(replace(said, age_s=said.age_s + waited_s))

    def _hear(self, updates: Updates) -> None:
        """Keep what was said in our chat; what only stops is done before anything else, since
        twice does no harm.
        """
        local_s = self._clock.utc_now().timestamp()
        at_unix_s = local_s if updates.at_unix_s is None else updates.at_unix_s
        self._heard_s = self._clock.monotonic_s()
        said = [said_in(one, self._address.chat_id, at_unix_s) for one in updates.rows]
        numbers = [
            number for one in updates.rows if isinstance(number := one.get("update_id"), int)
        ]
        self._next_offset = max([self._offset, *(number + 1 for number in numbers)])
        if None in said:
            log_event(self._logger, "chat_ignored", f"{said.count(None)} updates of others")
        ours = [one for one in said if one is not None and one.update_id >= self._offset]
        for one in ours:
            if one.is_plain_stop:
                self._heard(one)
        self._unconfirmed = tuple(one for one in ours if not one.is_plain_stop)
        if not self._unconfirmed:
            self._offset = self._next_offset

    def _heard(self, said: Said) -> None:
        """Take one command up; none may end our listening."""
        log_event(self._logger, "chat_command", said.command or "(no command)", by=said.by)
        try:
            self._take_up(said)
        except Exception:  # whatever it was, the next command must still be heard
            self._logger.exception("chat command failed")
            self._say(f"{said.command}: failed. See the log.")

    def _take_up(self, said: Said) -> None:
        if said.command not in (*ACTING, CONFIRM):
            # A question of yesterday wants no answer of today.
            if abs(said.age_s) <= AGE_MAX_S:
                self._say(self._told(said.command))
            return
        code = f"{secrets.randbelow(10_000):04d}"
        decision = decide(said, self._pending, code, self._clock.monotonic_s())
        self._pending = decision.pending
        if decision.reply:
            self._say(decision.reply)
        if decision.act is not None:
            self._begin(decision.act)

    def _told(self, command: str) -> str:
        answers: dict[str, Callable[[], str]] = {
            "status": lambda: views_chat.status_text(self._judge(), self._sources.stop()),
            "health": lambda: views_chat.health_text(self._judge()),
            "positions": lambda: views_chat.positions_text(self._sources.bot_status()),
            "pnl": lambda: views_chat.pnl_text(self._sources.bot_status()),
            "why": lambda: views_chat.why_text(self._sources.bot_status(), self._denials()),
        }
        return answers.get(command, lambda: views_chat.HELP)()

    def _denials(self) -> tuple[dict[str, object], ...]:
        try:
            return self._ledger.denials(DENIALS_SHOWN)
        except (SystemFault, OSError, ValueError):
            return ()

    def _begin(self, gesture: Gesture) -> None:
        """Do it in a thread of its own; a stop never waits for a place."""
        is_stop = gesture.command == "stop"
        if not is_stop and not self._running.acquire(blocking=False):
            self._say("Too much is under way already. Nothing was done.")
            return

        def work() -> None:
            try:
                answer = self._done(gesture)
                self._say(f"{gesture.command}: {answer.outcome.value}. {answer.detail}")
            except Exception as failure:  # whatever it was, its author must hear of it
                self._logger.exception("chat command failed")
                self._say(f"{gesture.command}: failed ({type(failure).__name__}). See the log.")
            finally:
                if not is_stop:
                    self._running.release()

        threading.Thread(target=work, name="chat-command", daemon=True).start()

    def _done(self, gesture: Gesture) -> Answer:
        core, by, why = self._core, gesture.by, gesture.reason
        if gesture.command == "stop":
            return core.emergency_stop(why, by, gesture.flatten, gesture.include_external)
        if gesture.command == "close":
            return core.close_position(gesture.symbol, why, by)
        return core.pause(by, why) if gesture.command == "pause" else core.resume(by, why)

    def _say(self, text: str) -> None:
        try:
            self._replies.put_nowait(views_chat.bounded([text]))
        except queue.Full:
            log_event(self._logger, "chat_reply_dropped", text[:200], level=logging.WARNING)

    def _answer(self) -> None:
        door = Telegram(self._address.token, self._clock, self._address.base_url)
        while True:
            text = self._replies.get()
            for tried in range(SEND_TRIES):
                try:
                    door.send(self._address.chat_id, text)
                    break
                except SystemFault as fault:
                    log_event(self._logger, "chat_reply_failed", str(fault), level=logging.WARNING)
                    pause_s = self._address.pause_s * 2.0**tried
                    self._ended.wait(max(pause_s, _asked_pause_s(fault)))


def _asked_pause_s(fault: Exception) -> float:
    """How long Telegram itself wants to be left alone, zero when it does not say."""
    return fault.retry_after_s if isinstance(fault, TelegramBusy) else 0.0
