"""Ends that are interrupted: by our own death, by another wish, by what still runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.commands.control_client import ControlClient
from shared.commands.spool import CommandSpool
from shared.config.paths import StatePaths
from shared.models.commands import Command, CommandName
from tests.support.supervised import Actor, Supervised, is_alive, own_pids_with, supervised
from tests.support.system import log_lines
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

STUBBORN = Actor(
    "signal.signal(signal.SIGTERM, lambda *_: None); serve()", "critical = true\nstop_s = 2.0"
)


def kill_supervisor(system: Supervised) -> None:
    """End the supervisor by SIGKILL and wait for the next one."""
    former = system.supervisor_pid()
    os.kill(former, signal.SIGKILL)
    wait_until(lambda: system.supervisor_pid() != former, 15, "a new supervisor")


def ask_to_end(system: Supervised) -> None:
    """Ask for the end of everything, and wait until it has begun."""
    client = ControlClient(StatePaths(system.state))
    system.process.send_signal(signal.SIGTERM)
    wait_until(lambda: client.call("supervisor.getState")["statecode"] == 0, 5, "stopping")


def end_at_once(system: Supervised) -> None:
    """Ask twice: nobody is waited for any more."""
    ask_to_end(system)
    system.process.send_signal(signal.SIGTERM)
    system.process.communicate(timeout=15)


def test_stop_when_the_supervisor_dies_before_the_service_then_it_stays_stopped(
    tmp_path: Path,
) -> None:
    """The operator's wish is in the book; whoever still ends is asked again, not adopted."""
    with supervised(tmp_path, {"web": Actor(), "slow": STUBBORN}) as system:
        system.wait_ok()
        slow = system.pid("slow")
        ControlClient(StatePaths(system.state)).call("supervisor.stopProcess", "slow", False)
        system.wait_for("slow", phase="stopping")

        kill_supervisor(system)

        assert system.wait_for("slow", phase="stopping")["pid"] == slow
        stopped = system.wait_for("slow", phase="stopped")
        assert stopped["reason"].startswith("stopped by the operator")
        assert stopped["restarts"] == 0
        assert not is_alive(slow)
        assert system.stop() == 0


def test_release_when_the_supervisor_dies_after_a_park_then_the_park_holds(tmp_path: Path) -> None:
    """Parked in the book but not yet down: it ends, and it stays down until it is released."""
    with supervised(tmp_path, {"web": STUBBORN}) as system:
        system.wait_ok()
        book = system.state / "restart_tally.json"
        os.kill(system.supervisor_pid(), signal.SIGSTOP)
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        park = '{"exit_class": "SCHEMA", "reason": "the check says SCHEMA"}'
        book.write_text(
            f'{{"schema_version": 1, "seq": 999, "boot_id": "{boot_id}", "services": {{"web": '
            f'{{"deaths": [], "parked": {park}, "held": null, "last_identity": ""}}}}}}'
        )

        kill_supervisor(system)

        system.wait_for("web", phase="parked")
        assert system.health()["code"] == "FAILED_API_SCHEMA"
        assert own_pids_with(f"STATE_DIR={system.state}", "SHT_SERVICE=web") == []
        assert system.command("release", "web").code == 0
        system.wait_ok()
        end_at_once(system)


def with_daemon(note: Path) -> Actor:
    """A service that lives on beside a daemon of its own, of which nothing tells whose it is."""
    return Actor(
        "\nif os.fork() == 0:"
        "\n    os.setsid()"
        "\n    if os.fork() == 0:"
        f"\n        open({str(note)!r}, 'w').write(str(os.getpid()))"
        "\n        os.execve('/bin/sleep', ['sleep', '3600'], {})"
        "\n    os._exit(0)"
        "\nos.wait(); serve()"
    )


@pytest.mark.parametrize("died", [False, True], ids=["the supervisor lives", "it died between"])
def test_daemon_when_its_service_lived_on_then_the_end_of_everything_ends_it_too(
    tmp_path: Path, died: bool
) -> None:
    """While anybody lives it may be his; when all are stopped it is nobody's. A supervisor that
    dies leaves it to the guardian.
    """
    note = tmp_path / "daemon"
    with supervised(tmp_path, {"web": with_daemon(note)}) as system:
        system.wait_ok()
        daemon = int(note.read_text("ascii"))
        if died:
            kill_supervisor(system)
        seq = system.health()["seq"]
        wait_until(lambda: system.health()["seq"] > seq + 1, 10, "a look at the strangers")
        assert is_alive(daemon)

        assert system.stop() == 0

        assert not is_alive(daemon)


def errand_of(system: Supervised, duty: bytes) -> int:
    """Wait until the bot's one-shot runs for such a duty; return its pid."""

    def errands() -> list[int]:
        found = own_pids_with(f"STATE_DIR={system.state}", ".one-shot.")
        return [pid for pid in found if duty in Path(f"/proc/{pid}/cmdline").read_bytes()]

    wait_until(lambda: bool(errands()), 20, "an errand")
    (errand,) = errands()
    return errand


def hang_of_an_errand(system: Supervised) -> int:
    """Wait until a parked bot's positions are secured, and let that stand still; return its pid."""
    errand = errand_of(system, b"secure")
    os.kill(errand, signal.SIGSTOP)
    return errand


def test_errand_when_everything_is_stopped_then_it_does_not_outlive_it(tmp_path: Path) -> None:
    """A hung one-shot would hold the trading lock, and nobody would be left to end it."""
    parked = Actor("sys.exit(78)", "critical = true")
    with supervised(tmp_path, {"trading-bot": parked}) as system:
        system.wait_for("trading-bot", phase="parked")
        errand = hang_of_an_errand(system)
        ask_to_end(system)
        assert is_alive(errand)
        system.process.send_signal(signal.SIGTERM)

        system.process.communicate(timeout=15)

        assert system.process.returncode == 0
        assert not is_alive(errand)


def test_errand_when_its_supervisor_died_then_the_next_one_ends_it(tmp_path: Path) -> None:
    """Its limit was kept by the dead; without it the trading lock would be held for ever."""
    parked = Actor("sys.exit(78)", "critical = true")
    with supervised(tmp_path, {"trading-bot": parked, "web": Actor()}) as system:
        system.wait_for("trading-bot", phase="parked")
        errand = hang_of_an_errand(system)

        kill_supervisor(system)

        wait_until(lambda: not is_alive(errand), 25, "the end of a hung errand")
        end_at_once(system)


def lay_down_a_command(system: Supervised) -> None:
    """Ask for a pause that only a bot or a one-shot can answer."""
    clock = SystemClock()
    now_s = clock.boottime_s()
    command = Command(
        id="pause-1",
        command=CommandName.PAUSE,
        by="a test",
        reason="",
        expires_at=clock.utc_now(),
        boot_id=clock.boot_id(),
        boottime_s=now_s,
        expires_boottime_s=now_s + 60,
    )
    CommandSpool(StatePaths(system.state), clock).submit(command)


def test_operators_stop_when_a_command_waits_then_the_bot_stays_stopped(tmp_path: Path) -> None:
    """The command is done by a one-shot; the wish of before is not turned into a restart."""
    bot = Actor(STUBBORN.script, "critical = true\nstop_s = 30.0")
    with supervised(tmp_path, {"trading-bot": bot}) as system:
        system.wait_for("trading-bot", status="OK")
        lay_down_a_command(system)
        ControlClient(StatePaths(system.state)).call("supervisor.stopProcess", "trading-bot", False)
        system.wait_for("trading-bot", phase="stopping")

        os.kill(errand_of(system, b"spool"), signal.SIGKILL)

        def is_done() -> bool:
            lines = log_lines(system.logs / "supervisor.jsonl")
            return any("one-shot spool ended" in line["msg"] for line in lines)

        wait_until(is_done, 10, "its end")

        assert system.wait_for("trading-bot", phase="stopped")["pid"] is None
        assert own_pids_with(f"STATE_DIR={system.state}", "SHT_SERVICE=trading-bot") == []
