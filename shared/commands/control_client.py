"""Client of the supervisor's control socket, for the command line and the page.

Speaks supervisord's XML-RPC over a unix socket. Standard library only, one connection per call,
every wait bounded.
"""

from __future__ import annotations

import http.client
import os
import socket
import struct
import xmlrpc.client  # nosec B411 # the peer is our own supervisor, on a socket of mode 0600
from pathlib import Path
from typing import Any

from shared.config.paths import StatePaths
from shared.errors import SystemFault, TransientFault

CALL_TIMEOUT_S = 60.0
"""Starting and stopping wait for the service; both are bounded by its own row."""


class ControlRefused(SystemFault):
    """The supervisor answered no; `code` is supervisord's fault code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._timeout_s = max(1.0, timeout_s)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A socket with a timeout of Python's own is refused at once while others wait in line.
        limit = struct.pack("ll", int(self._timeout_s), 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.sock.connect(self._path)
        self.sock.settimeout(self._timeout_s)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__()
        self._path = path
        self._timeout_s = timeout_s

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        del host
        return _UnixConnection(self._path, self._timeout_s)


class ControlClient:
    """Asks the supervisor of one state folder.

    Every method raises TransientFault when no supervisor answers, and ControlRefused when it
    says no.
    """

    def __init__(self, state: StatePaths, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._state = state
        self._timeout_s = timeout_s

    def _socket_path(self) -> str:
        """Return a path short enough for the kernel: in a deep folder it is a link to one."""
        path = self._state.supervisor_socket
        try:
            return str(path.readlink()) if path.is_symlink() else _shortest(path)
        except OSError as fault:
            raise TransientFault(f"no supervisor answers: {fault}") from fault

    def call(self, method: str, *arguments: object) -> Any:
        """Call a method by its full name, such as `supervisor.getState`."""
        transport = _UnixTransport(self._socket_path(), self._timeout_s)
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        try:
            return getattr(proxy, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise ControlRefused(fault.faultCode, str(fault.faultString)) from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as fault:
            raise TransientFault(f"no supervisor answers: {fault}") from fault
        finally:
            transport.close()

    def is_alive(self) -> bool:
        """Whether a supervisor answers that is not on its way down."""
        try:
            state = self.call("supervisor.getState")
        except SystemFault:
            return False
        return bool(state.get("statecode") == 1)

    def processes(self) -> list[dict[str, Any]]:
        """Return supervisord's struct of every service."""
        return list(self.call("supervisor.getAllProcessInfo"))

    def start(self, service: str) -> None:
        """Start a service that is down, a parked one too, and wait until it runs."""
        self.call("supervisor.startProcess", service)

    def stop(self, service: str) -> None:
        """Stop a service until somebody starts it, and wait until it is down."""
        self.call("supervisor.stopProcess", service)

    def restart(self, service: str) -> None:
        """Stop and start a service, and wait until it runs."""
        self.call("supervisor.restartProcess", service)

    def release(self, service: str) -> None:
        """Let a parked service run again; does not wait."""
        self.call("supervisor.release", service)

    def shutdown(self) -> None:
        """Ask the supervisor to stop everything; does not wait."""
        self.call("supervisor.shutdown")


def _shortest(path: Path) -> str:
    """Return the absolute or the relative spelling, whichever is shorter."""
    absolute = os.fspath(path.absolute())
    relative = os.path.relpath(absolute)
    return min(absolute, relative, key=len)
