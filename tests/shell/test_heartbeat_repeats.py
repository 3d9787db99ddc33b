"""heartbeat and the moment of its death: what is under way, and what a kill may repeat."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest

from services.heartbeat.loop import Loop
from services.heartbeat.memory_document import as_document
from services.heartbeat.outbox import LOG, PERHAPS_TOLD, Memory, Message
from services.heartbeat.subjects import Severity
from shared.clock import SystemClock
from shared.config.settings import load_settings
from shared.telemetry.notify import Notifier
from tests.support.dashboard import put, until
from tests.support.heartbeat import Receiver, listening_receiver

pytestmark = pytest.mark.integration

HELD = Message("alert-2", "held", "b", Severity.WARN, ("people-1",), held=True)


def waiting_loop(folder: Path, receiver: Receiver, *waiting: Message) -> Loop:
    """A loop that finds these messages in its outbox; without any, what lies there."""
    clock, state, logs = SystemClock(), folder / "state", folder / "logs"
    state.mkdir(exist_ok=True)
    logs.mkdir(exist_ok=True)
    if waiting:
        put(state / "heartbeat.json", as_document(Memory(outbox=waiting), clock.boot_id()))
    addresses = f"json://127.0.0.1:{receiver.port}/hook"
    environ = {"STATE_DIR": str(state), "LOG_DIR": str(logs), "SHT_ENV_FILE": ""}
    settings = load_settings({**environ, "ALERT_URLS": addresses})
    return Loop(settings, clock, logging.getLogger("test"))


def on_disk(folder: Path) -> list[str]:
    """Titles of what is still to be delivered."""
    document = json.loads((folder / "state" / "heartbeat.json").read_text())
    return [row["title"] for row in document["outbox"]]


def told(receiver: Receiver) -> list[str]:
    """The titles that the receiver was told of the one message."""
    return [body["title"] for body in receiver.bodies if body["title"].startswith("fire")]


def one_message() -> Message:
    """A page for the log and for one address."""
    return Message("alert-1", "fire", "b", Severity.PAGE, (LOG, "people-1"))


def test_message_when_the_kill_comes_before_its_answer_was_noted_says_that_it_may_be_a_repetition(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost; the second copy is no second fire. The log, already noted, is not told."""
    caplog.set_level(logging.INFO)
    with listening_receiver() as receiver:
        killed = waiting_loop(tmp_path, receiver, one_message())
        for channel in killed._people:
            channel.start()
        killed.turn()
        until(lambda: told(receiver) == ["fire"], "not told")
        after = waiting_loop(tmp_path, receiver)
        for channel in after._people:
            channel.start()

        def is_settled() -> bool:
            after.turn()
            return "fire" not in on_disk(tmp_path)

        until(is_settled, "not noted")
        assert told(receiver) == ["fire", f"fire{PERHAPS_TOLD}"]
    assert [line for line in caplog.messages if line.startswith("fire")] == ["fire. b"]


def test_message_when_taken_is_noted_at_once_and_not_a_turn_later(tmp_path: Path) -> None:
    """A kill in the long pause after the answer finds nothing to repeat; a stop is prompt."""
    with listening_receiver() as receiver:
        loop, stop = waiting_loop(tmp_path, receiver, one_message()), threading.Event()
        run = threading.Thread(target=loop.run, args=(stop, Notifier.from_environment(), 20.0))
        run.start()
        try:
            until(lambda: told(receiver) == ["fire"], "not told")
            until(lambda: "fire" not in on_disk(tmp_path), "noted late", timeout_s=5)
        finally:
            stop.set()
            run.join(timeout=30)
        assert told(receiver) == ["fire"]


def test_beat_when_a_message_waits_for_the_morning_counts_it_as_held_and_not_as_stuck(
    tmp_path: Path,
) -> None:
    """The rule ShtAlertsStuck pages for what cannot be delivered, not for what is held back."""
    with listening_receiver() as receiver:
        loop = waiting_loop(tmp_path, receiver, HELD)
        metrics = loop._beat(loop._judged()).metrics
    assert (metrics["alerts_waiting"], metrics["alerts_held"]) == (0.0, 1.0)
