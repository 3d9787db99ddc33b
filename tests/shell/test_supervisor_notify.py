"""The notify socket: who may speak, how much, and what becomes of the rest."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.supervisor.notify_socket import NotifySocket
from services.supervisor.notify_words import DATAGRAM_BYTES_MAX, Words
from services.supervisor.processes import environment_of
from tests.support.supervised import Actor, supervised

pytestmark = pytest.mark.integration


class Ear:
    """A notify socket on a loop of its own, and what it heard."""

    def __init__(self, path: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.heard: list[tuple[Words, int]] = []
        self.socket = NotifySocket(path, lambda words, pid: self.heard.append((words, pid)))
        self.socket.listen(self.loop)
        self.mouth = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.mouth.connect(str(path))

    def listen(self) -> None:
        """Let the loop take in everything that was sent."""
        for _ in range(10):
            self.loop.run_until_complete(asyncio.sleep(0))

    def close(self) -> None:
        """Give everything back."""
        self.mouth.close()
        self.socket.close(self.loop)
        self.loop.close()


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    """A listening socket."""
    one = Ear(tmp_path / "web.sock")
    yield one
    one.close()


def test_words_when_sent_then_heard_with_the_sender_of_the_kernel(ear: Ear) -> None:
    """The pid comes from the kernel, not from the message."""
    ear.mouth.send(b"READY=1\nMAINPID=1")

    ear.listen()

    assert [(words.ready, pid) for words, pid in ear.heard] == [(True, os.getpid())]


def test_datagram_when_too_long_or_no_text_then_dropped_and_counted(ear: Ear) -> None:
    """A megabyte is cut by the kernel and believed in no part."""
    ear.mouth.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_000_000)
    ear.mouth.send(b"READY=1\n" + b"x" * DATAGRAM_BYTES_MAX)
    ear.listen()
    ear.mouth.send(b"READY=1\n" + b"x" * 150_000)
    ear.listen()
    ear.mouth.send(b"READY=1\n\xff\xfe")
    ear.listen()

    assert ear.heard == []
    assert ear.socket.dropped == 3


def test_flood_when_it_comes_then_each_turn_is_bounded_and_later_words_arrive(ear: Ear) -> None:
    """A flood costs the flooder its own datagrams, nothing else."""
    ear.mouth.setblocking(False)
    for _ in range(50):
        try:
            while True:
                ear.mouth.send(b"WATCHDOG=1")
        except BlockingIOError:
            ear.listen()
    ear.mouth.setblocking(True)
    ear.mouth.send(b"STOPPING=1")
    ear.listen()

    assert ear.heard[-1][0].stopping


def test_descriptors_when_sent_along_then_closed(ear: Ear) -> None:
    """Nobody fills our table of descriptors."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with Path("/dev/null").open("rb") as gift:
            socket.send_fds(ear.mouth, [b"WATCHDOG=1"], [gift.fileno()])
        ear.listen()

    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_foreign_user_when_he_speaks_then_not_heard(ear: Ear) -> None:
    """Datagrams of another user are dropped by the kernel's word, whatever they say."""
    ear.socket.path.chmod(0o777)
    for folder in list(ear.socket.path.parents)[:-2]:
        folder.chmod(0o755)
    script = (
        "import os, socket, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', sys.argv[1])\n"
    )
    subprocess.run(
        [sys.executable, "-S", "-c", script, str(ear.socket.path)], check=True, timeout=20
    )

    ear.listen()

    assert ear.heard == []
    assert ear.socket.dropped == 1


def test_socket_when_removed_then_it_is_no_more_in_place(ear: Ear) -> None:
    """Neither when another one stands there."""
    assert ear.socket.is_in_place()
    ear.socket.path.unlink()
    assert not ear.socket.is_in_place()
    ear.socket.path.touch()
    assert not ear.socket.is_in_place()


@pytest.mark.parametrize("whole_folder", [False, True])
def test_socket_when_removed_under_a_service_then_it_is_there_again_before_the_watchdog(
    tmp_path: Path, whole_folder: bool
) -> None:
    """Its beats went nowhere through no fault of its own: it is heard again, and not killed."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        web = system.pid("web")
        given = environment_of(web)["NOTIFY_SOCKET"]
        Path(given).unlink()
        if whole_folder:
            Path(given).parent.rmdir()

        system.wait_for("web", status="DEGRADED")

        assert system.wait_for("web", status="OK")["pid"] == web
