"""Alerts at real receivers: each kind once by HTTP and by mail, none lost or repeated by kills."""

from __future__ import annotations

import json
import logging
import re
import signal
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.heartbeat.large_trades import Place, look
from services.heartbeat.loop import Loop
from services.heartbeat.page_probe import ask_page
from services.heartbeat.subjects import PageAnswer
from shared.clock import SystemClock
from shared.config.settings import load_settings
from tests.support import documents as sample
from tests.support.clock import ManualClock
from tests.support.dashboard import put, running_dashboard, until
from tests.support.heartbeat import (
    Receiver,
    dribbling_receiver,
    listening_receiver,
    running_heartbeat,
    write_health,
)
from tests.support.heartbeat_story import FAILED
from tests.support.smtp import Mailbox, listening_mailbox

pytestmark = pytest.mark.integration

COVERAGE = {"input": "coverage", "state": "REDUCING", "reason": "1 positions without a full stop"}
DRIFT = {"input": "contracts", "state": "HALTED", "reason": "orders.qty is no number"}
LOSS = {"name": "daily_loss", "limit": "2000", "used": "2001", "used_pct": 100.05}
ROOM = {"name": "largest_position", "limit": "5000", "used": "0", "used_pct": 0.0}
BAD_BOT: dict[str, Any] = {"causes": [COVERAGE, DRIFT], "limits": [LOSS, ROOM]}
PAGES = ("FAILED system", "SET emergency stop", "MISSING protection", "DRIFT contract drift",
         "LIMIT REACHED daily loss")  # fmt: skip


def both(port: int, mail_port: int) -> str:
    """The addresses of one HTTP receiver and one mailbox."""
    people = "from=watch@example.org&to=ann@example.org&mode=insecure"
    return f"json://127.0.0.1:{port}/hook,mailto://127.0.0.1:{mail_port}/?{people}"


def said_once(title: str, body: str) -> str:
    """A message without the title that its first line says again."""
    return body if re.search(r" \(and \d+ more\)$", title) else f"{title}\n{body}"


def told(receiver: Receiver, mailbox: Mailbox) -> tuple[str, str]:
    """Everything that each of the two was told, as one text each."""
    posted = [said_once(body["title"], body["message"]) for body in receiver.bodies]
    mailed = [said_once(*mail.split("\n", 1)) for mail in mailbox.mails]
    return "\n".join(posted), "\n".join(mailed)


def test_pages_when_heartbeat_is_killed_in_between_reach_http_and_mail_once_each(
    tmp_path: Path,
) -> None:
    """Five troubles, a SIGKILL, the same troubles again, their end: everything once at each."""
    state = tmp_path / "state"
    state.mkdir()
    with listening_receiver() as receiver, listening_mailbox() as mailbox:
        urls = both(receiver.port, mailbox.port)

        def counts(words: str) -> list[int]:
            return [text.count(words) for text in told(receiver, mailbox)]

        def keep(bad: bool) -> None:
            clock = sample_clock()
            bot = sample.bot_status(**clock, **(BAD_BOT if bad else {"limits": [ROOM]}))
            put(state / "bot_status.json", bot)
            write_health(state, **(FAILED if bad else {}))

        def all_told(prefix: str, bad: bool) -> bool:
            keep(bad)
            subjects = [words.rpartition("] ")[2] for words in PAGES]
            names = [f"{prefix}{words}" for words in subjects]
            return all(min(counts(name)) >= 1 for name in names)

        put(state / "emergency_stop", {"reason": "smoke", "by": "ann", "at": "now"})
        with running_heartbeat(tmp_path, ALERT_URLS=urls) as heart:
            until(lambda: all_told("] ", True), "not all were told", timeout_s=30)
            until(lambda: heart.memory["outbox"] == [], "not noted as taken")
            heart.process.send_signal(signal.SIGKILL)
            heart.process.wait(timeout=5)
        (state / "emergency_stop").unlink()
        ends = [f"RECOVERED {name}" for name in ("system", "emergency stop", "protection",
                                                 "contract drift", "daily loss")]  # fmt: skip

        def all_over() -> bool:
            keep(bad=False)
            return all(min(counts(end)) >= 1 for end in ends)

        with running_heartbeat(tmp_path, ALERT_URLS=urls) as heart:
            until(all_over, "not every end was told", timeout_s=30)
            until(lambda: heart.memory["outbox"] == [], "not noted as taken")
        assert {name: counts(f"] {name}") for name in PAGES} == {name: [1, 1] for name in PAGES}
        assert {end: counts(end) for end in ends} == {end: [1, 1] for end in ends}


def sample_clock() -> dict[str, Any]:
    """The stamps of a document written at this moment."""
    clock = SystemClock()
    return {
        "now": datetime.now(UTC),
        "boot_id": clock.boot_id(),
        "boottime_s": clock.boottime_s(),
    }


class Rig:
    """A loop on a clock that a test moves, at noon in New York, with real receivers."""

    def __init__(self, folder: Path, addresses: str) -> None:
        self.clock = ManualClock()
        self.state, self.logs = folder / "state", folder / "logs"
        self.state.mkdir()
        self.logs.mkdir()
        environ = {
            "STATE_DIR": str(self.state),
            "LOG_DIR": str(self.logs),
            "SHT_ENV_FILE": "",
            "ALERT_URLS": addresses,
        }
        self.settings = load_settings(environ)
        self.loop = self.born()

    def born(self) -> Loop:
        """A loop that finds what the one before it left on disk."""
        self.loop = Loop(self.settings, self.clock, logging.getLogger("test"))
        for channel in self.loop._people:
            channel.start()
        return self.loop

    def turn(self, bot: dict[str, Any], **health: Any) -> None:
        """Fresh documents, one turn, one second."""
        stamps: dict[str, Any] = {
            "now": self.clock.utc_now(),
            "boot_id": self.clock.boot_id(),
            "boottime_s": self.clock.boottime_s(),
        }
        put(self.state / "bot_status.json", sample.bot_status(**stamps, **bot))
        put(self.state / "health.json", sample.health_document(**stamps, **health))
        self.loop.turn()
        self.clock.advance(1.0)

    def settle(self, bot: dict[str, Any], **health: Any) -> None:
        """Turn until everything said was taken, standing still in time."""

        def is_settled() -> bool:
            self.loop.turn()
            return not self.memory["outbox"]

        self.turn(bot, **health)
        until(is_settled, "not taken", timeout_s=20)

    @property
    def memory(self) -> dict[str, Any]:
        """What stands on disk."""
        document: dict[str, Any] = json.loads((self.state / "heartbeat.json").read_text())
        return document


def test_every_turn_when_it_ends_in_a_kill_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """A loop is thrown away after each settled turn: each warning, notice and end comes once to
    the web and once by mail.
    """
    full = {**ROOM, "used": "5050", "used_pct": 101.0}
    fall = {"name": "drawdown_pct", "limit": "0.10", "used": "0.085", "used_pct": 85.0}
    near = {"limits": [{**LOSS, "used": "1700", "used_pct": 85.0}, fall, full]}
    looping = {"services": {"dashboard": {"failures_in_window": 4}}}
    good: dict[str, Any] = {"limits": [ROOM]}
    fill = {"event": "fill", "client_order_id": "o-1", "symbol": "AAPL", "side": "buy"}
    with listening_receiver() as receiver, listening_mailbox() as mailbox:
        rig = Rig(tmp_path, both(receiver.port, mailbox.port))
        story: list[tuple[dict[str, Any], dict[str, Any]]] = []
        story += [(good, {})] * 3 + [(near, looping)] * 20 + [(good, {})] * 10
        for number, (bot, health) in enumerate(story):
            rig.settle(bot, **health)
            if number == 2:
                line = json.dumps({**fill, "qty": "40", "price": "160"}) + "\n"
                (rig.logs / "orders.jsonl").write_text(line * 2)
            rig.born()
        heard = told(receiver, mailbox)
    for words in (
        "] NEAR ITS LIMIT daily loss",
        "] NEAR ITS LIMIT drawdown",
        "] LIMIT REACHED position size",
        "] RESTARTING restart loop of dashboard",
        "] LARGE TRADE buy 40 AAPL at 160",
        "RECOVERED daily loss",
        "RECOVERED drawdown",
        "RECOVERED position size",
        "RECOVERED restart loop of dashboard",
    ):
        assert [whole.count(words) for whole in heard] == [1, 1], words


def test_page_when_asked_for_real_is_judged_by_its_answer(tmp_path: Path) -> None:
    """A real dashboard gives its verdict; nobody, an error or nonsense is a problem."""
    with running_dashboard(tmp_path) as page:
        page.write_status()
        page.write_health()
        address = f"http://127.0.0.1:{page.port}"
        assert ask_page(address) == PageAnswer(overall="OK")
        page.freeze()
        assert "does not answer" in ask_page(address, timeout_s=0.5).problem
        page.thaw()
    assert "does not answer" in ask_page(address).problem
    with listening_receiver(status=500) as receiver:
        assert ask_page(f"http://127.0.0.1:{receiver.port}").problem == "it answers 500"
        receiver.status = 200
        answer = ask_page(f"http://127.0.0.1:{receiver.port}")
        assert answer.problem == "its answer is no verdict"


def test_page_when_its_answer_never_ends_is_no_sound_answer(tmp_path: Path) -> None:
    """The loop says so by its own clock; it never waits for the page."""
    with dribbling_receiver() as port, listening_receiver() as receiver:
        rig = Rig(tmp_path, f"json://127.0.0.1:{receiver.port}/hook")
        url = f"http://127.0.0.1:{port}/"
        put(rig.state / "run" / "endpoints.json", {"dashboard_url": url})
        rig.loop._sources.start()
        for _ in range(50):
            rig.turn({"limits": [ROOM]})
        rig.settle({"limits": [ROOM]})
        assert [body["title"] for body in receiver.bodies] == ["[SIM] UNSOUND dashboard page"]
        assert "does not come to an end" in receiver.bodies[0]["message"]


LIMIT = Decimal(5000)


def fill_line(order: str, qty: str, price: str) -> str:
    """One line of a fill."""
    row = {"event": "fill", "client_order_id": order, "symbol": "AAPL", "side": "buy"}
    return json.dumps({**row, "qty": qty, "price": price, "fill_qty": "1"}) + "\n"


def test_large_trade_when_its_order_fills_in_parts_is_told_once(tmp_path: Path) -> None:
    """What lay there before our time is not told; each large order once; small ones never."""
    path = tmp_path / "orders.jsonl"
    path.write_text(fill_line("old", "100", "50"))
    place, said = look(path, None, LIMIT, "SIM")
    assert said == ()
    big, small = fill_line("big", "40", "150"), fill_line("small", "33", "150")
    with path.open("a") as file:
        file.write(big + small + fill_line("big", "40", "151") + '{"event": "fill", "qty": "torn')
    place, said = look(path, place, LIMIT, "SIM")
    assert [one.title for one in said] == ["[SIM] LARGE TRADE buy 40 AAPL at 150"]
    assert said[0].severity == "info"
    assert look(path, place, LIMIT, "SIM") == (place, ())


@pytest.mark.parametrize("amount", ["1e999999", "1e-999999", "NaN", "-Infinity", "", "ten"])
def test_large_trade_when_its_amounts_are_absurd_is_none_and_ends_nothing(
    amount: str, tmp_path: Path
) -> None:
    """One damaged line must not end the watcher, and its place is behind it afterwards."""
    path = tmp_path / "orders.jsonl"
    path.write_text(fill_line("odd", amount, amount) + fill_line("big", "40", "150"))
    place, said = look(path, Place(path.stat().st_ino, 0), LIMIT, "SIM")
    assert [one.title for one in said] == ["[SIM] LARGE TRADE buy 40 AAPL at 150"]
    assert place is not None
    assert place.offset == path.stat().st_size


def test_large_trade_when_the_limit_is_not_known_waits_and_loses_none(tmp_path: Path) -> None:
    """The place stays where it is until the bot says what a position may hold."""
    path = tmp_path / "orders.jsonl"
    place, _ = look(path, None, None, "SIM")
    assert place == Place(0, 0)
    path.write_text(fill_line("big", "40", "150"))
    assert look(path, place, None, "SIM") == (place, ())
    assert len(look(path, place, LIMIT, "SIM")[1]) == 1


def test_large_trades_when_the_file_was_replaced_are_read_from_its_begin(tmp_path: Path) -> None:
    """A rotated log loses none and repeats none."""
    path = tmp_path / "orders.jsonl"
    path.write_text(fill_line("first", "1", "1") * 20)
    place, _ = look(path, None, LIMIT, "SIM")
    path.rename(tmp_path / "orders.jsonl.1")
    path.write_text(fill_line("big", "40", "150"))
    place, said = look(path, place, LIMIT, "SIM")
    assert len(said) == 1
    assert look(path, place, LIMIT, "SIM")[1] == ()
