"""What `run` and `status` show to a person: plain tables; colour only where it is welcome."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

_COLOURS = {"OK": "32", "DEGRADED": "33", "FAILED": "31"}
SOCKET_PATH_BYTES_MAX = 99
NAME_WIDTH, STATUS_WIDTH, PHASE_WIDTH = 14, 9, 9


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line; a closed terminal must never end a supervisor."""
    out: TextIO | None = sys.stdout if stream is None else stream
    if out is None:
        return  # begun without one: `>&-`
    try:
        out.write(_speakable(text, out) + "\n")
        out.flush()
    except (OSError, ValueError):
        return


def _speakable(text: str, stream: TextIO) -> str:
    """What the stream cannot spell is written by its number; the words around it must be read."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def colours_wanted(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal whose owner did not refuse colour."""
    try:
        return stream is not None and stream.isatty() and not os.environ.get("NO_COLOR")
    except ValueError:
        return False


def painted(status: str, width: int, colour: bool) -> str:
    """Return a status word, padded, in its colour when wanted."""
    padded = f"{status:<{width}}"
    code = _COLOURS.get(status)
    return f"\x1b[{code}m{padded}\x1b[0m" if colour and code else padded


def printable(text: object) -> str:
    """Return a text without control characters, which could play with the terminal."""
    return "".join(sign for sign in str(text) if sign.isprintable())


def stock_client_line(control_socket: Path) -> str | None:
    """Return how the stock client reaches us in a folder too deep for it; None when it is not.

    The kernel allows 107 bytes for the path of a socket, and our own clients follow the link.
    """
    if len(os.fsencode(control_socket)) <= SOCKET_PATH_BYTES_MAX:
        return None
    try:
        address = control_socket.readlink()
    except OSError:
        return None
    return f"Stock client: supervisorctl -s unix://{printable(address)} status"


def verdict_table(document: Mapping[str, Any], *, colour: bool) -> str:
    """Return the services of a health document as a table for people."""
    head = (
        f"{'SERVICE':<{NAME_WIDTH}} {'STATUS':<{STATUS_WIDTH}} {'PHASE':<{PHASE_WIDTH}} "
        f"{'PID':>7} {'RESTARTS':>8}  REASON"
    )
    lines = [head]
    for name, entry in document["services"].items():
        service = entry if isinstance(entry, Mapping) else {"reason": "unreadable"}
        pid = service.get("pid")
        lines.append(
            f"{printable(name):<{NAME_WIDTH}} "
            f"{painted(printable(service.get('status', '?')), STATUS_WIDTH, colour)} "
            f"{printable(service.get('phase', '?')):<{PHASE_WIDTH}} "
            f"{'-' if pid is None else printable(pid):>7} "
            f"{printable(service.get('restarts', 0)):>8}  "
            f"{printable(service.get('reason', ''))}"
        )
    return "\n".join(lines)
