"""What a supervisor leaves that dies at the worst of moments, and what the next makes of it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.supervisor.adoption import ProcessRecord, RecordFolder
from services.supervisor.context import Roster
from services.supervisor.launch import Launch
from services.supervisor.processes import children_of_ours
from services.supervisor.starter import Starter
from services.supervisor.supervisor import open_context
from services.supervisor.table import Defaults, parse_table
from shared.clock import SystemClock
from tests.support.supervised import Actor, Supervised, is_alive, row_of, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

UNBORN, UNSEEN, PARKED, EDITED = "unborn", "unseen", "parked", "edited"
RESTARTS = 3
WITH_HELPER = """
os.posix_spawn('/bin/sleep', ['sleep', '3600'], os.environ, setsid=True)
serve()
"""
"""Its helper leads a session of its own, as the service does, and bears the same cookie."""


def slow_to_end(note: Path) -> str:
    """A service that notes each request to end, and takes its time."""
    return (
        "\ndef end(*_):"
        f"\n    open({str(note)!r}, 'a').write('asked ')"
        "\n    time.sleep(0.4)"
        "\n    os._exit(0)"
        "\nsignal.signal(signal.SIGTERM, end)"
        "\nserve()"
    )


class WatchedRecords(RecordFolder):
    """Notes of every record whether its process had been spawned by then."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.before = set(children_of_ours())
        self.seen: list[tuple[int | None, bool]] = []

    def write(self, record: ProcessRecord) -> None:
        """Write it, and note its pid and whether a new child is there."""
        super().write(record)
        self.seen.append((record.pid, set(children_of_ours()) != self.before))


def test_record_when_a_service_is_started_then_it_is_begun_before_the_spawn(
    tmp_path: Path,
) -> None:
    """Record before act: a child that dies together with us must not be nobody's death."""
    for name in ("state/run", "logs"):
        (tmp_path / name).mkdir(parents=True)
    launch = Launch(str(tmp_path / "state"), str(tmp_path / "logs"), "sim", "", 5, 600.0)
    loop = asyncio.new_event_loop()
    context = open_context(launch, SystemClock(), logging.getLogger("test"), loop)
    context.records = records = WatchedRecords(launch.state.run)
    table = '[service.web]\ncommand = ["sleep", "600"]\nnotify = false\n'
    roster = Roster(parse_table(table, "sim", Defaults(5, 600.0)))

    Starter(context, roster).start_all()

    (web,) = roster
    assert web.process is not None
    try:
        assert records.seen == [(None, False), (web.process.pid, True)]
    finally:
        loop.close()
        os.kill(web.process.pid, signal.SIGKILL)
        os.waitpid(web.process.pid, 0)
        web.process.close()


def park_in_book(system: Supervised, name: str) -> None:
    """Write the book as a supervisor does that parks a service."""
    park = '{"exit_class": "SCHEMA", "reason": "its replies broke"}'
    row = f'"{name}": {{"deaths": [], "parked": {park}, "held": null, "last_identity": ""}}'
    (system.state / "restart_tally.json").write_text(
        f'{{"schema_version": 1, "seq": 999, "boot_id": "{SystemClock().boot_id()}", '
        f'"services": {{{row}}}}}'
    )


def end(system: Supervised, name: str) -> None:
    """Kill a service that nobody watches at this moment."""
    pid = system.pid(name)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), 5, f"the end of {name}")


@pytest.fixture(scope="module")
def heir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Supervised, dict[str, int]]]:
    """A supervisor whose predecessor died in the midst of four things at once, and the pids of
    before.
    """
    base = tmp_path_factory.mktemp("heir")
    names = (UNBORN, UNSEEN, PARKED, EDITED)
    actors = {name: Actor(row="critical = false") for name in names}
    actors[UNBORN] = Actor(WITH_HELPER, "critical = false")
    actors[EDITED] = Actor(slow_to_end(base / "asked"), "critical = false")
    with supervised(base, actors) as system:
        for name in names:
            system.wait_for(name, status="OK")
        pids = {name: system.pid(name) for name in names}
        supervisor = system.supervisor_pid()
        os.kill(supervisor, signal.SIGSTOP)
        records = RecordFolder(system.state / "run")
        begun = {
            name: replace(_record(records, name), pid=None, start_ticks=None) for name in names
        }
        end(system, UNBORN)
        records.write(replace(begun[UNBORN], cookie=f"{begun[UNBORN].cookie}0"))
        records.write(replace(begun[UNSEEN], restarts=RESTARTS))
        end(system, PARKED)
        park_in_book(system, PARKED)
        table = base / "services.toml"
        edited = Actor("serve()", "critical = false")
        table.write_text(
            table.read_text("utf-8").replace(row_of(EDITED, actors[EDITED]), row_of(EDITED, edited))
        )
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: system.supervisor_pid() != supervisor, 15, "a new supervisor")
        yield system, pids


def _record(records: RecordFolder, name: str) -> ProcessRecord:
    record = records.read(name)
    assert record is not None
    return record


def test_child_when_it_and_the_supervisor_died_before_its_pid_was_noted_then_it_counts(
    heir: tuple[Supervised, dict[str, int]],
) -> None:
    """No death escapes N in M, however short the life; a helper of before is no heir."""
    system, _ = heir
    found = system.wait_for(UNBORN, status="OK", restarts=1)
    assert (found["failures_in_window"], found["adopted"]) == (1, False)


def test_child_when_only_the_supervisor_died_before_its_pid_was_noted_then_it_is_adopted(
    heir: tuple[Supervised, dict[str, int]],
) -> None:
    """Its cookie names it, and it keeps what was counted before it."""
    system, pids = heir
    found = system.wait_for(UNSEEN, status="OK", adopted=True, pid=pids[UNSEEN])
    assert (found["restarts"], found["failures_in_window"]) == (RESTARTS, 0)


def test_park_when_the_supervisor_died_before_it_told_then_the_next_one_tells(
    heir: tuple[Supervised, dict[str, int]],
) -> None:
    """Written first is what matters, told later is what people read: neither may be lost."""
    system, _ = heir
    system.wait_for(PARKED, phase="parked", pid=None)
    (halt,) = (line for line in system.incidents(PARKED) if line["event"] == "HALT")
    assert "its replies broke" in halt["msg"]


def test_row_when_edited_before_the_supervisor_died_then_a_later_reread_applies_it(
    heir: tuple[Supervised, dict[str, int]],
) -> None:
    """What runs is compared with the row that it was started with, not with the file of today."""
    system, pids = heir
    system.wait_for(EDITED, status="OK", adopted=True, pid=pids[EDITED])

    system.process.send_signal(signal.SIGHUP)
    system.wait_for(EDITED, phase="stopping")
    system.process.send_signal(signal.SIGHUP)

    wait_until(lambda: system.service(EDITED)["pid"] not in (None, pids[EDITED]), 10, "a new one")
    system.wait_for(EDITED, status="OK", restarts=0)
    assert (system.base / "asked").read_text("ascii").split() == ["asked"]
    assert system.service(UNSEEN)["pid"] == pids[UNSEEN]
