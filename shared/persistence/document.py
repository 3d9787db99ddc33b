"""The bytes of a document: strict JSON, and the envelope that proves a payload whole.

    {"envelope": {"version": 2, "seq": 7, "epoch": 3, "boot_id": "…", "written_at": "…",
     "length": 1234, "sha256": "…"}, "payload": {…}}

`sha256` and `length` are those of the payload's bytes exactly as they stand in the file, and
the payload comes last. The payload's first member, `"stamp"`, repeats version, seq, epoch,
boot_id and written_at, so that the checksum covers those too: a file in which any byte changed
is not believed. Readers get the payload without it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

VERSION = 2
"""Of trading_state.json, its marker and the journal; what rises with it says migrations.py."""
DOCUMENT_BYTES_MAX = 32_000_000
DEPTH_MAX = 32
COUNT_MAX = 2**53
"""No count of ours comes near it, and what lies beyond it was never written by us."""
_ENVELOPE_BYTES_MAX = 1_000
_OPENING = b'{"envelope": '
_MIDDLE = b', "payload": '
_CLOSING = b"}"
_STAMP_KEY = "stamp"
_STAMPED = ("version", "seq", "epoch", "boot_id", "written_at")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_SURROGATE_MARK = r"\ud"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Malformed(ValueError):
    """Bytes that are not the document they should be; says why in a few words."""


class NewerVersion(Exception):
    """A whole document of a version that this code does not know. It must not be touched."""

    def __init__(self, version: int) -> None:
        super().__init__(f"written in version {version}; this code knows up to {VERSION}")
        self.version = version


@dataclass(frozen=True, slots=True)
class Header:
    """What stands in the envelope besides length and checksum."""

    seq: int
    epoch: int
    boot_id: str
    written_at: str
    version: int = VERSION

    def as_members(self) -> dict[str, object]:
        """The members in the order of the file."""
        return {name: getattr(self, name) for name in _STAMPED}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A verified document."""

    header: Header
    payload: dict[str, Any]


def render(value: Mapping[str, object]) -> bytes:
    """Return compact ASCII JSON; ValueError for NaN, infinity, cycles and foreign types.

    Half of a surrogate pair, which foreign JSON may bring in, becomes a question mark: our own
    reader refuses it.
    """
    try:
        text = _dumped(value)
        if _SURROGATE_MARK in text:
            whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
            text = _dumped(json.loads(whole))
    except (TypeError, RecursionError) as failure:
        raise ValueError(f"cannot be written as JSON: {failure}") from None
    return text.encode("ascii")


def _dumped(value: object) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def seal(payload: Mapping[str, object], header: Header) -> bytes:
    """Return the bytes of the document; ValueError when the payload is no JSON or too large."""
    if _STAMP_KEY in payload:
        raise ValueError(f'the payload must not use the name "{_STAMP_KEY}"')
    body = render({_STAMP_KEY: header.as_members(), **payload})
    members = {
        **header.as_members(),
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    data = b"".join((_OPENING, json.dumps(members).encode(), _MIDDLE, body, _CLOSING))
    if len(data) > DOCUMENT_BYTES_MAX:
        raise ValueError(f"the document would exceed {DOCUMENT_BYTES_MAX} bytes")
    return data


def unseal(data: bytes) -> Sealed:
    """Return the document that the bytes prove themselves to be.

    Raises Malformed unless every byte is as it was written, NewerVersion for a whole document
    of a later version. Bounded in time and memory by the size of the bytes.
    """
    members, start = _envelope(data)
    length, checksum, version = members.get("length"), members.get("sha256"), members["version"]
    if not _is_count(length) or not isinstance(checksum, str):
        raise Malformed("the envelope lacks length or sha256")
    body = data[start : start + length]
    if len(body) != length or data[start + length :] != _CLOSING:
        raise Malformed(f"the payload is not {length} bytes long")
    if hashlib.sha256(body).hexdigest() != checksum:
        raise Malformed("the checksum does not fit the payload")
    payload = parse_object(body)
    stamp = payload.pop(_STAMP_KEY, None)
    if stamp is not None and stamp != {name: members.get(name) for name in _STAMPED}:
        raise Malformed("the envelope is not the one that was written")
    if version > VERSION:
        raise NewerVersion(version)
    return Sealed(_header(members, data[:start]), payload)


def _envelope(data: bytes) -> tuple[dict[str, Any], int]:
    """Return the envelope's members and where the payload begins."""
    if not data.startswith(_OPENING):
        raise Malformed("empty" if not data else "it does not begin with an envelope")
    end = data.find(_MIDDLE, 0, _ENVELOPE_BYTES_MAX)
    if end < 0:
        raise Malformed("no payload follows the envelope")
    members = parse_object(data[len(_OPENING) : end])
    if not _is_count(members.get("version")) or members["version"] < 1:
        raise Malformed("the envelope has no version")
    return members, end + len(_MIDDLE)


def _header(members: dict[str, Any], head: bytes) -> Header:
    """Return the header; its bytes must be exactly those that we write."""
    seq, epoch = members.get("seq"), members.get("epoch")
    boot_id, written_at = members.get("boot_id"), members.get("written_at")
    if not (_is_count(seq) and _is_count(epoch)):
        raise Malformed("the envelope lacks seq or epoch")
    if not (isinstance(boot_id, str) and isinstance(written_at, str)):
        raise Malformed("the envelope lacks boot_id or written_at")
    header = Header(seq, epoch, boot_id, written_at, members["version"])
    known = {**header.as_members(), "length": members["length"], "sha256": members["sha256"]}
    if head != b"".join((_OPENING, json.dumps(known).encode(), _MIDDLE)):
        raise Malformed("the envelope is not as it is written")
    return header


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < COUNT_MAX


def parse_object(data: bytes, bytes_max: int = DOCUMENT_BYTES_MAX) -> dict[str, Any]:
    """Return the JSON object of the bytes, or raise Malformed.

    Stricter than the standard library: size before anything else, UTF-8 without a byte order
    mark, depth, no NaN or Infinity (nor 1e999), no doubled names, no half characters.
    """
    if len(data) > bytes_max:
        raise Malformed(f"larger than {bytes_max} bytes")
    _check_depth(data)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object_of,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except Malformed:
        raise
    except (ValueError, RecursionError) as failure:
        # The parser's message may quote the text; its kind is enough.
        raise Malformed(f"not JSON ({type(failure).__name__})") from None
    if not isinstance(value, dict):
        raise Malformed(f"a JSON {type(value).__name__} where an object belongs")
    return value


def _check_depth(data: bytes) -> None:
    if data.count(b"{") + data.count(b"[") <= DEPTH_MAX:
        return
    brackets = _STRING.sub(b"", data).translate(None, _NOT_BRACKETS)
    for _ in range(DEPTH_MAX):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return
    raise Malformed(f"nested deeper than {DEPTH_MAX}, or brackets without a partner")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a name stands twice in one object")
    return found


def _no_constant(word: str) -> float:
    raise Malformed(f"{word} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Malformed("a number is too large")
    return value
