"""What runs out: descriptors in the supervisor, patience in the guardian."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from services.supervisor.guardian import pause_after
from services.supervisor.processes import children_of_ours, spawn
from tests.support.supervised import Actor, Supervised, own_pids_with, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let every open descriptor be the last one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in os.scandir("/proc/self/fd"))
    with_all_below = [os.open("/dev/null", os.O_RDONLY) for _ in range(highest)]
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in with_all_below:
            os.close(descriptor)


def test_child_when_it_cannot_be_watched_then_it_does_not_live_either(tmp_path: Path) -> None:
    """One that runs without anybody's knowledge would be started a second time."""
    before = set(children_of_ours())
    with no_descriptor_left(), pytest.raises(OSError, match="Too many open files"):
        spawn(["/bin/sleep", "600"], dict(os.environ), tmp_path / "out")

    assert set(children_of_ours()) == before


@pytest.mark.parametrize(
    ("deaths", "wait_s"), [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2), (6, 4), (7, 8), (8, 8), (99, 8)]
)
def test_guardian_when_supervisors_die_often_then_its_pauses_grow_to_a_cap(
    deaths: int, wait_s: float
) -> None:
    """The first three are answered at once; it never gives up and never spins."""
    assert pause_after(deaths) == wait_s


def is_another(system: Supervised, former: int) -> bool:
    """Whether a new supervisor has written."""
    return system.supervisor_pid() != former


def exhaust(system: Supervised) -> float:
    """Kill supervisors until the guardian pauses; return when the last one was killed."""
    for _ in range(3):
        former = system.supervisor_pid()
        os.kill(former, signal.SIGKILL)
        wait_until(partial(is_another, system, former), 15, "a new supervisor")
    last = system.supervisor_pid()
    os.kill(last, signal.SIGKILL)
    killed_s = time.monotonic()
    wait_until(lambda: not Path(f"/proc/{last}").exists(), 10, "the guardian's notice of it")
    return killed_s


def test_guardian_when_it_pauses_then_services_go_on_and_the_next_supervisor_adopts(
    tmp_path: Path,
) -> None:
    """The fourth death within a minute is answered a second later, and by the guardian's word."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        web = system.pid("web")
        killed_s = exhaust(system)
        former = system.supervisor_pid()

        wait_until(lambda: system.supervisor_pid() != former, 15, "a new supervisor")

        assert time.monotonic() - killed_s >= pause_after(4)
        system.wait_for("web", status="OK", pid=web, restarts=0)
        system.process.send_signal(signal.SIGTERM)
        _, told = system.process.communicate(timeout=20)
        assert "it ended 4 times within 60 s; waiting 1 s" in told


def test_guardian_when_asked_to_end_during_a_pause_then_everything_ends(tmp_path: Path) -> None:
    """A pause delays supervision, never the wish of a person."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        exhaust(system)

        assert system.stop() == 0

        assert system.health()["code"] == "STOPPED"
        assert own_pids_with(f"STATE_DIR={system.state}") == []
