"""The keeper: a hang or a full disk has a life of its own and ends with its lease."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.row import Blow
from chaos.tree import is_stopped
from services.supervisor.processes import start_ticks
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 20


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that does nothing."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait(WAIT_S)


def keeper(victim: subprocess.Popen[bytes], blow: Blow, lease_s: float) -> subprocess.Popen[bytes]:
    """Start a keeper over the victim."""
    words = (blow.value, victim.pid, start_ticks(victim.pid), lease_s)
    command = [sys.executable, "-m", "chaos.keeper", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def cannot_grow(pid: int) -> bool:
    """Whether the victim's files cannot grow."""
    return resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] == 0


def test_hang_when_its_lease_ends_then_the_process_runs_again(
    victim: subprocess.Popen[bytes],
) -> None:
    """Nobody has to come back for it."""
    kept = keeper(victim, Blow.HANG, 1.0)
    wait_until(lambda: is_stopped(victim.pid), WAIT_S)

    assert kept.wait(WAIT_S) == 0
    assert not is_stopped(victim.pid)


def test_full_disk_when_undone_early_then_the_limit_is_as_before(
    victim: subprocess.Popen[bytes],
) -> None:
    """SIGTERM ends the fault at once."""
    before = resource.prlimit(victim.pid, resource.RLIMIT_FSIZE)
    kept = keeper(victim, Blow.NO_FILE_GROWS, 600.0)
    wait_until(lambda: cannot_grow(victim.pid), WAIT_S)

    kept.send_signal(signal.SIGTERM)

    assert kept.wait(WAIT_S) == 0
    assert resource.prlimit(victim.pid, resource.RLIMIT_FSIZE) == before


@pytest.mark.parametrize("blow", [Blow.HANG, Blow.NO_FILE_GROWS])
def test_fault_when_its_keeper_is_killed_then_it_ends_all_the_same(
    victim: subprocess.Popen[bytes], blow: Blow
) -> None:
    """Each fault ends by itself even if its injector is dead."""
    before = resource.prlimit(victim.pid, resource.RLIMIT_FSIZE)
    kept = keeper(victim, blow, 600.0)
    acts = is_stopped if blow is Blow.HANG else cannot_grow
    wait_until(lambda: acts(victim.pid), WAIT_S)

    kept.kill()

    assert kept.wait(WAIT_S) == -signal.SIGKILL
    wait_until(lambda: not acts(victim.pid), WAIT_S)
    assert resource.prlimit(victim.pid, resource.RLIMIT_FSIZE) == before


def test_keeper_when_its_victim_dies_then_it_ends_and_touches_nobody(
    victim: subprocess.Popen[bytes],
) -> None:
    """A pid that was given to another process is not struck."""
    kept = keeper(victim, Blow.HANG, 600.0)
    wait_until(lambda: is_stopped(victim.pid), WAIT_S)
    victim.kill()

    assert kept.wait(WAIT_S) == 0
    words = [Blow.HANG.value, str(os.getpid()), "1", "600"]
    late = subprocess.run(
        [sys.executable, "-m", "chaos.keeper", *words], cwd=ROOT, timeout=WAIT_S, check=False
    )
    assert late.returncode == 1
