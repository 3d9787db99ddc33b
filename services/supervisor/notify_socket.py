"""One sd_notify socket per service: who spoke is proven by the kernel, how much is bounded."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from services.supervisor.notify_words import DATAGRAM_BYTES_MAX, Words, parse_words
from services.supervisor.small_files import identity_of

_CREDENTIALS = struct.Struct("=iII")
DATAGRAMS_PER_TURN = 32
"""A flood on one socket must not starve the others."""


class NotifySocket:
    """Listens at one path and hands on what our own user said there."""

    def __init__(self, path: Path, heard: Callable[[Words, int], None]) -> None:
        self.path = path
        self.dropped = 0
        """Datagrams of other users, too long ones, and ones that are no text."""
        self._heard = heard
        self._uid = os.getuid()
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with suppress(FileNotFoundError):
            path.unlink()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._bound = identity_of(path)

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to hand on datagrams from the loop."""
        loop.add_reader(self._socket.fileno(), self._drain)

    def is_in_place(self) -> bool:
        """Whether its path still leads here; somebody may have removed the file."""
        return identity_of(self.path) == self._bound

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop listening and take the socket away."""
        loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with suppress(OSError):
            self.path.unlink()

    def _drain(self) -> None:
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                data, ancillary, flags, _ = self._socket.recvmsg(
                    DATAGRAM_BYTES_MAX + 1, socket.CMSG_SPACE(_CREDENTIALS.size) + 64
                )
            except (BlockingIOError, InterruptedError):
                return
            words = None
            sender = self._sender(ancillary)
            if sender is not None and not flags & socket.MSG_TRUNC:
                words = parse_words(data)
            if words is None or sender is None:
                self.dropped += 1
                continue
            self._heard(words, sender)

    def _sender(self, ancillary: list[tuple[int, int, bytes]]) -> int | None:
        """Return the pid of the sender as the kernel says it; None for another user."""
        sender = None
        for level, kind, data in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_CREDENTIALS and len(data) >= _CREDENTIALS.size:
                pid, uid, _ = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])
                sender = pid if uid == self._uid else None
            if kind == socket.SCM_RIGHTS:
                _close_gifts(data)
        return sender


def _close_gifts(data: bytes) -> None:
    """Nobody may fill our table of descriptors by sending some along."""
    size = len(data) - len(data) % 4
    for (descriptor,) in struct.iter_unpack("=i", data[:size]):
        with suppress(OSError):
            os.close(descriptor)
