"""A gateway on loopback before a broker that is not embedded: `python -m chaos.gateway`.

It passes every call and stream on, by the URL overrides of CONTRACTS.md section 3. SIGUSR1 lets
it refuse all connections, SIGUSR2 the keys, each for its lease: it ends the fault by itself. It
stays as long as somebody of the state folder lives who may have its address; should it die before,
the process that holds its sockets starts it again, for nobody else could reach the broker.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from chaos.gateway_head import REFUSED, passed_on
from chaos.row import GATEWAY_DOWN, GATEWAY_REFUSES
from services.supervisor.leftovers import any_service_lives
from services.supervisor.processes import start_ticks
from shared.clock import Clock, SystemClock
from shared.persistence.atomic_file import write_document

NOTE = "chaos.gateway.json"
"""In state/run: pid, start ticks, addresses, and how often each fault acted."""
SIGNAL_OF = {GATEWAY_DOWN: signal.SIGUSR1, GATEWAY_REFUSES: signal.SIGUSR2}
HEAD_BYTES_MAX, PIECE_BYTES = 65_536, 65_536
CONNECT_S, HEAD_S, LOOK_EVERY_S, AGAIN_S = 15.0, 60.0, 0.5, 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What the gateway is started with."""

    upstreams: dict[str, str]
    """Listening descriptor to the broker's own address."""
    addresses: dict[str, str]
    """The setting and the gateway's address for it."""
    lease_s: float
    run_folder: str

    @classmethod
    def from_text(cls, text: str) -> Plan:
        """Read the one argument; raises ValueError or TypeError when it is something else."""
        return cls(**json.loads(text))


class Gateway:
    """Passes on, or refuses."""

    def __init__(self, plan: Plan, clock: Clock, is_needed: Callable[[], bool]) -> None:
        self._plan, self._clock, self._is_needed = plan, clock, is_needed
        self._note = Path(plan.run_folder) / NOTE
        self._until_s = dict.fromkeys(SIGNAL_OF, 0.0)
        self._acted = dict.fromkeys(SIGNAL_OF, 0)
        self._open: set[asyncio.StreamWriter] = set()

    async def run(self) -> None:
        """Serve until nobody is left who could ask."""
        loop = asyncio.get_running_loop()
        for fault, number in SIGNAL_OF.items():
            loop.add_signal_handler(number, self._begin, fault)
        for descriptor, upstream in self._plan.upstreams.items():
            await asyncio.start_server(
                partial(self._serve, upstream),
                sock=socket.socket(fileno=int(descriptor)),
                limit=HEAD_BYTES_MAX,
            )
        while self._is_needed():
            self._write_note()
            await asyncio.sleep(LOOK_EVERY_S)
        self._note.unlink(missing_ok=True)

    def _write_note(self) -> None:
        own: dict[str, object] = {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid())}
        own |= {"acted": self._acted, "addresses": self._plan.addresses}
        with suppress(Exception):  # a full disk must not end the way to the broker
            write_document(self._note, json.dumps(own).encode())

    def _begin(self, fault: str) -> None:
        self._until_s[fault] = self._clock.monotonic_s() + self._plan.lease_s
        if fault == GATEWAY_DOWN:
            self._acted[fault] += len(self._open)
            for writer in tuple(self._open):
                writer.transport.abort()

    def _acts(self, fault: str) -> bool:
        if self._clock.monotonic_s() >= self._until_s[fault]:
            return False
        self._acted[fault] += 1
        return True

    async def _serve(
        self, upstream: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._open.add(writer)
        try:
            if self._acts(GATEWAY_DOWN):
                writer.transport.abort()
                return
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_S)
            if self._acts(GATEWAY_REFUSES):
                writer.write(REFUSED)
                await writer.drain()
            else:
                await self._pass_on(upstream, head, reader, writer)
        except (OSError, ValueError, TimeoutError, EOFError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass_on(
        self,
        upstream: str,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        parts = urlsplit(upstream)
        secure = parts.scheme in ("https", "wss")
        port = parts.port or (443 if secure else 80)
        context = ssl.create_default_context() if secure else None
        opening = asyncio.open_connection(parts.hostname, port, ssl=context)
        from_broker, to_broker = await asyncio.wait_for(opening, CONNECT_S)
        try:
            to_broker.write(passed_on(head, parts.netloc))
            both = [
                asyncio.ensure_future(_pipe(reader, to_broker)),
                asyncio.ensure_future(_pipe(from_broker, writer)),
            ]
            _, left = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in left:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        finally:
            to_broker.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()


def main(words: list[str]) -> int:
    """Serve as the one argument says, by a child that is replaced when it dies."""
    plan, clock = Plan.from_text(words[0]), SystemClock()
    guardian = os.getppid()
    ticks = start_ticks(guardian)

    def is_needed() -> bool:
        is_guarded = ticks is not None and start_ticks(guardian) == ticks
        return is_guarded or any_service_lives(Path(plan.run_folder))

    never = threading.Event()
    while True:
        pid = os.fork()
        if pid == 0:
            asyncio.run(Gateway(plan, clock, is_needed).run())
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status == 0 or not is_needed():
            return 0
        clock.wait(never, AGAIN_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
