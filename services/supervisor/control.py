"""The control socket: XML-RPC over HTTP on a unix socket of mode 0600, as supervisord speaks it.

Only this user can connect, and every request is bounded in size and time.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.supervisor.context import Context
from services.supervisor.control_faults import ControlFault, Fault
from services.supervisor.control_logs import xml_text
from services.supervisor.control_methods import ControlMethods
from services.supervisor.small_files import identity_of
from shared.telemetry.logs import log_event

HEADER_BYTES_MAX = 16_384
BODY_BYTES_MAX = 1 << 20
IDLE_S = 300.0
READ_S = 10.0
FOLLOW_EVERY_S = 0.25
FOLLOW_FIRST_BYTES = 1024
CALLS_MAX = 100
CLIENTS_MAX = 32


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    body: bytes
    keep_alive: bool


class Control:
    """Serves the methods until it is closed."""

    def __init__(self, context: Context, methods: ControlMethods) -> None:
        self._context = context
        self._methods = methods
        self._server: asyncio.AbstractServer | None = None
        self._bound: tuple[int, int] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._fault = ""
        self._clients: dict[asyncio.Task[None], None] = {}
        """The longest connected first."""

    async def open(self) -> None:
        """Begin to listen; raises OSError."""
        path = self._context.sockets.control
        door = _door_at(path)
        self._bound = identity_of(path)
        self._server = await asyncio.start_unix_server(
            self._client, sock=door, limit=HEADER_BYTES_MAX
        )

    def look(self) -> None:
        """Listen anew when somebody removed the socket; callers of before are served to the end.

        Without it no command reaches us, and no guardian learns whether we still turn.
        """
        self._context.sockets.keep_link()
        is_busy = self._opening is not None and not self._opening.done()
        if not is_busy and identity_of(self._context.sockets.control) != self._bound:
            self._opening = self._context.loop.create_task(self._open_again())

    async def _open_again(self) -> None:
        if self._server is not None:
            self._server.close()
        logger = self._context.logger
        try:
            await self.open()
        except OSError as fault:
            if str(fault) != self._fault:
                log_event(logger, "control_not_listening", str(fault), level=logging.ERROR)
            self._fault = str(fault)
        else:
            self._fault = ""
            log_event(logger, "control_listens_again", "the control socket had been removed")

    async def close(self) -> None:
        """Stop listening and let go of all clients."""
        if self._server is not None:
            self._server.close()
        for client in tuple(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients[task] = None
            task.add_done_callback(lambda ended: self._clients.pop(ended, None))
        if len(self._clients) > CLIENTS_MAX:
            # Callers who never hang up must not take the descriptors that restarts need.
            longest = next(iter(self._clients))
            del self._clients[longest]
            longest.cancel()
        try:
            while await self._one_request(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass
        except ValueError as fault:
            with suppress(OSError):
                await _respond(writer, "400 Bad Request", str(fault).encode())
        finally:
            writer.close()

    async def _one_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        async with asyncio.timeout(IDLE_S):
            head = await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(READ_S):
            request = await _request(head, reader)
        if request.method == "GET":
            await self._follow(request.path, writer)
            return False
        if request.method != "POST" or request.path not in ("/RPC2", "/RPC2/", "/"):
            await _respond(writer, "404 Not Found", b"only POST /RPC2 is served")
            return False
        answer = await self._answer(request.body)
        await _respond(writer, "200 OK", answer, keep_alive=request.keep_alive)
        return request.keep_alive

    async def _answer(self, body: bytes) -> bytes:
        # Imported late: most supervisors are never asked, and need not carry it.
        import xmlrpc.client  # nosec B411 # only our own user can connect, and bodies are bounded

        try:
            arguments, name = xmlrpc.client.loads(body)
            result = await self._call(str(name), tuple(arguments))
            text = xmlrpc.client.dumps((result,), methodresponse=True, allow_none=True)
        except ControlFault as fault:
            text = xmlrpc.client.dumps(xmlrpc.client.Fault(int(fault.code), str(fault)))
        except Exception as fault:
            # A client must never be able to end the supervisor, whatever it sends.
            log_event(self._context.logger, "control_fault", repr(fault), level=logging.WARNING)
            told = f"{Fault.BAD_ARGUMENTS.name}: {type(fault).__name__}"
            text = xmlrpc.client.dumps(xmlrpc.client.Fault(int(Fault.BAD_ARGUMENTS), told))
        return text.encode("ascii", "xmlcharrefreplace")

    async def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "system.listMethods":
            return sorted([*self._methods.table, "system.listMethods", "system.multicall"])
        if name == "system.multicall" and len(arguments) == 1:
            return [await self._part(call) for call in list(arguments[0])[:CALLS_MAX]]
        method = self._methods.table.get(name)
        if method is None:
            raise ControlFault(Fault.UNKNOWN_METHOD, name)
        try:
            inspect.signature(method).bind(*arguments)
        except TypeError as fault:
            raise ControlFault(Fault.INCORRECT_PARAMETERS, str(fault)) from fault
        result = method(*arguments)
        return await result if inspect.isawaitable(result) else result

    async def _part(self, call: Mapping[str, Any]) -> Any:
        name = str(call["methodName"])
        try:
            if name == "system.multicall":
                raise ControlFault(Fault.INCORRECT_PARAMETERS, "no multicall within another")
            return [await self._call(name, tuple(call.get("params", ())))]
        except ControlFault as fault:
            return {"faultCode": int(fault.code), "faultString": str(fault)}

    async def _follow(self, path: str, writer: asyncio.StreamWriter) -> None:
        """Stream a log as it grows: `/logtail/NAME` and `/mainlogtail`, until the client goes."""
        output = self._followed(path)
        if output is None or not output.exists():
            await _respond(writer, "404 Not Found", b"no such log")
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        position = max(0, output.stat().st_size - FOLLOW_FIRST_BYTES)
        while not writer.is_closing():
            data, position = _grown(output, position)
            if data:
                text = xml_text(data).encode()
                writer.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            await writer.drain()
            await asyncio.sleep(FOLLOW_EVERY_S)

    def _followed(self, path: str) -> Path | None:
        logs = self._context.launch.logs
        parts = path.strip("/").split("/")
        if parts[0] == "mainlogtail":
            return logs.service("supervisor")
        if parts[0] == "logtail" and len(parts) > 1:
            with suppress(ControlFault):
                return self._methods.logs.output_of(parts[1])
        return None


def _door_at(path: Path) -> socket.socket:
    """Return a socket at that path that only we can reach; raises OSError.

    Bound here: other callbacks of the loop must not make their files under this mask.
    """
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        door.bind(str(path))
    except OSError:
        door.close()
        raise
    finally:
        os.umask(before)
    return door


def _grown(output: Path, position: int) -> tuple[bytes, int]:
    """Return what was added since the position; a rotated file is read from its beginning."""
    try:
        with output.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(position if position <= size else 0)
            data = file.read(65_536)
            return data, file.tell()
    except OSError:
        return b"", position


async def _request(head: bytes, reader: asyncio.StreamReader) -> Request:
    """Read the rest of a request; raises ValueError when it is none."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise ValueError("not an HTTP/1 request")
    headers = {
        key.strip().lower(): value.strip()
        for key, _, value in (line.partition(":") for line in lines[1:] if line)
    }
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > BODY_BYTES_MAX or "transfer-encoding" in headers:
        raise ValueError("the body must have a Content-Length of at most 1 MiB")
    body = await reader.readexactly(int(length))
    keep_alive = words[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return Request(words[0], words[1], body, keep_alive)


async def _respond(
    writer: asyncio.StreamWriter, status: str, body: bytes, *, keep_alive: bool = False
) -> None:
    connection = "keep-alive" if keep_alive else "close"
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n"
        f"Connection: {connection}\r\n\r\n"
    )
    writer.write(head.encode("latin-1") + body)
    await writer.drain()
