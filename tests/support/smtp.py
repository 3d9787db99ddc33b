"""A mail server on loopback that keeps what it was sent."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Mailbox:
    """What came in: subject and text of each mail."""

    port: int = 0
    mails: list[str] = field(default_factory=list)


def _text_of(raw: bytes) -> str:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    body = mail.get_body(preferencelist=("plain", "html"))
    return f"{mail['subject']}\n{body.get_content() if body is not None else ''}"


@contextmanager
def listening_mailbox() -> Iterator[Mailbox]:
    """A server that speaks as much of RFC 5321 as a client without extensions needs."""
    mailbox = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def _tell(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

        def handle(self) -> None:
            self._tell("220 mail.example.org ready")
            for line in self.rfile:
                word = line.split(maxsplit=1)[0].upper() if line.strip() else b""
                if word == b"DATA":
                    self._tell("354 go on")
                    mailbox.mails.append(_text_of(self._data()))
                    self._tell("250 taken")
                elif word == b"QUIT":
                    self._tell("221 bye")
                    return
                else:
                    self._tell("250 mail.example.org")

        def _data(self) -> bytes:
            lines: list[bytes] = []
            for line in self.rfile:
                if line == b".\r\n":
                    break
                lines.append(line[1:] if line.startswith(b"..") else line)
            return b"".join(lines)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    mailbox.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield mailbox
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
