"""The pre-imported process from which every life is forked; it never touches a database."""

from __future__ import annotations

import gc
import importlib
import os
import pickle  # the two ends are forks of one process
import socket
import struct
from multiprocessing.reduction import recv_handle, send_handle

from shared.resilience.deadline_sockets import tls_context
from tests.crash.bot import Birth, live
from tests.crash.shared_time import SharedPage

_LENGTH = struct.Struct("<I")
_WORDS = struct.Struct("<ii")


class Zygote:
    """The venue's handle on the pre-imported process."""

    def __init__(self, page: SharedPage) -> None:
        self._ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._ours.close()
            try:
                _serve(theirs, page)
            finally:
                os._exit(0)
        theirs.close()

    def bear(self, birth: Birth) -> tuple[int, socket.socket]:
        """Fork a bot; return its process id and our end of the line to it."""
        ours, its = socket.socketpair()
        data = pickle.dumps(birth)
        self._ours.sendall(_LENGTH.pack(len(data)) + data)
        send_handle(self._ours, its.fileno(), self.pid)
        its.close()
        pid, _ = _WORDS.unpack(_read(self._ours, _WORDS.size))
        return pid, ours

    def exit_code(self) -> int:
        """Return how the last one ended: an exit code, or minus the signal."""
        code: int = _WORDS.unpack(_read(self._ours, _WORDS.size))[1]
        return code

    def close(self) -> None:
        """End the process."""
        self._ours.close()
        os.waitpid(self.pid, 0)


def _read(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = end.recv(size - len(data))
        if not part:
            raise EOFError("the other end is gone")
        data += part
    return data


def _warm_up() -> None:
    """Import what a bot imports when it opens its broker; each fork then has it already."""
    importlib.import_module("shared.vendors.alpaca_broker")
    tls_context()
    gc.collect()
    gc.freeze()


def _serve(end: socket.socket, page: SharedPage) -> None:
    _warm_up()
    while True:
        try:
            length = _LENGTH.unpack(_read(end, _LENGTH.size))[0]
        except EOFError:
            return
        birth = pickle.loads(_read(end, length))
        handle = recv_handle(end)
        pid = os.fork()
        if pid == 0:
            end.close()
            code = 1
            try:
                code = live(birth, socket.socket(fileno=handle), page)
            finally:
                os._exit(code)
        os.close(handle)
        end.sendall(_WORDS.pack(pid, 0))
        status = os.waitpid(pid, 0)[1]
        end.sendall(_WORDS.pack(pid, os.waitstatus_to_exitcode(status)))
