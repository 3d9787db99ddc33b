"""The lines of the journal and what a whole file of them proves. Pure.

    {"seq": 7, "crc": "89abcdef", "base": {"version": 2, "mode": "sim", "account_id": "…"}}
    {"seq": 8, "crc": "01234567", "record": {…}}

crc is the CRC-32 of `<seq>:<kind>:` and the object's bytes as they stand. The first line says
whose journal it is and where it begins: records up to its seq were compacted away.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.persistence.document import COUNT_MAX, VERSION, Malformed, parse_object, render

RECORD_BYTES_MAX = 1_000_000
BASE, RECORD = "base", "record"
BAD_LINES_MAX = 10_000
"""Beyond it nothing more is read: such a file is no journal of ours, and time has an end."""
NOTES_MAX = 20
_LINE = re.compile(
    rb'\{"seq": (0|[1-9][0-9]{0,17}), "crc": "([0-9a-f]{8})", "(base|record)": (\{.*\})\}',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One verified line; `text` with its newline."""

    seq: int
    kind: str
    value: dict[str, Any]
    text: bytes


def make_line(seq: int, kind: str, value: Mapping[str, object]) -> bytes:
    """Return the line with its newline; ValueError when the value is no JSON or too large."""
    body = render(value)
    if len(body) > RECORD_BYTES_MAX:
        raise ValueError(f"a record of {len(body)} bytes exceeds {RECORD_BYTES_MAX}")
    head = b'{"seq": %d, "crc": "%08x", "%b": ' % (seq, _crc(seq, kind, body), kind.encode())
    return head + body + b"}\n"


def _crc(seq: int, kind: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(b"%d:%b:" % (seq, kind.encode())))


def read_line(text: bytes) -> Line:
    """Return what a line (without its newline) proves itself to be, or raise Malformed."""
    match = _LINE.fullmatch(text)
    if match is None:
        raise Malformed("it is not built like a record")
    seq, kind, body = int(match[1]), match[3].decode(), match[4]
    if b"%08x" % _crc(seq, kind, body) != match[2]:
        raise Malformed("its checksum does not fit")
    if seq >= COUNT_MAX:
        raise Malformed("its number is beyond all reason")
    return Line(seq, kind, parse_object(body, RECORD_BYTES_MAX), text + b"\n")


@dataclass(slots=True)
class Scan:
    """What a file of lines holds."""

    base: Line | None = None
    records: list[Line] = field(default_factory=list)
    bad: int = 0
    """Lines, or numbers, that are lost in the middle."""
    torn: bool = False
    notes: list[str] = field(default_factory=list)
    _lost_at_end: int = 0

    @property
    def owner(self) -> tuple[str, str] | None:
        """Mode and account whose journal it is, None when the first line is lost."""
        if self.base is None:
            return None
        return str(self.base.value.get("mode", "")), str(self.base.value.get("account_id", ""))

    @property
    def version(self) -> int:
        """The version of the format; ours when the first line is lost, or says none."""
        version = VERSION if self.base is None else self.base.value.get("version", VERSION)
        return version if type(version) is int and version >= 1 else VERSION

    @property
    def base_seq(self) -> int:
        """Records up to this one are not here."""
        if self.base is not None:
            return self.base.seq
        return self.records[0].seq - 1 if self.records else 0

    @property
    def last_seq(self) -> int:
        """The newest number. Those of lost lines count: somebody may have acted on them."""
        newest = self.records[-1].seq if self.records else self.base_seq
        return newest + self._lost_at_end

    def take(self, text: bytes) -> None:
        """Take one whole line."""
        try:
            line = read_line(text)
        except Malformed as failure:
            self._lose(1, f"the line after record {self.last_seq} is lost: {failure}")
            self._lost_at_end += 1
            return
        self._place(line)

    def take_tail(self, text: bytes) -> None:
        """Take a last line that may be half written."""
        try:
            line = read_line(text)
        except Malformed:
            self.torn = True
            self.notes.append(f"the record after {self.last_seq} was half written and is cut")
            return
        self._place(line)

    def _place(self, line: Line) -> None:
        if line.kind == BASE:
            if self.base is not None or self.records or self.bad:
                self._lose(1, f"a first line stands after record {self.last_seq}")
            else:
                self.base = line
            return
        previous = self.records[-1].seq if self.records else self.base_seq
        is_known = self.base is not None or bool(self.records)
        if is_known and line.seq <= previous:
            self._lose(1, f"record {line.seq} stands after record {previous}")
            return
        missing = line.seq - previous - 1
        if is_known and missing and not self._lost_at_end:
            self._lose(missing, f"records {previous + 1} to {line.seq - 1} are missing")
        self._lost_at_end = 0
        self.records.append(line)

    def give_up(self, lines: int) -> None:
        """Take so many lines for lost without a look at them."""
        self._lose(lines, f"{lines} more lines were not read after so much damage")
        self._lost_at_end += lines

    def _lose(self, count: int, note: str) -> None:
        self.bad += count
        if len(self.notes) < NOTES_MAX:
            self.notes.append(note)


def scan(raw: bytes) -> Scan:
    """Return every record that verifies, in order, and what is wrong with the rest.

    A last line without its newline was never acknowledged, and neither was one whose blocks
    still read as zeros: both are a death in the middle of a write, torn and not rotten.
    """
    found = Scan()
    start, end = 0, raw.rfind(b"\n") + 1
    if end == len(raw):
        last = raw.rfind(b"\n", 0, end - 1) + 1 if end else 0
        end = last if b"\0" in raw[last:] else end
    while start < end:
        if found.bad >= BAD_LINES_MAX:
            found.give_up(raw.count(b"\n", start, end))
            break
        stop = raw.index(b"\n", start)
        found.take(raw[start:stop])
        start = stop + 1
    tail = raw[end:].removesuffix(b"\n")
    if tail:
        found.take_tail(tail)
    if found.base is None:
        found.bad += 1
        found.notes.append("the first line, which says whose journal it is, is lost")
    return found
