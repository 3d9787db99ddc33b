"""Pure: texts that look like secrets whoever configured them: keys of last month, headers in a
payload, an environment that was printed, a login inside an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable

HIDDEN = b"***"
_VALUE_BYTES_MAX = 4_096

_NAMES = (
    rb"[\w.-]{0,40}(?:secret|token|passw(?:or)?d|passphrase|api[_-]?key(?:[_-]?id)?|credential)"
    rb"[\w.-]{0,40}|(?:proxy-)?authorization|(?:set-)?cookie|alert_urls|heartbeat_ping_url"
)
_QUOTE = rb"\\{0,7}[\"']"
_NAMED = re.compile(
    rb"(?i)(?<![\w.-])(?P<name>" + _NAMES + rb")(?P<sep>(?:" + _QUOTE + rb")?"
    rb"\s{0,3}(?::|=>|=|,(?=\s?b?" + _QUOTE + rb"))\s{0,3}(?:b(?=" + _QUOTE + rb"))?)"
    rb"(?:(?P<quote>" + _QUOTE + rb")(?P<quoted>.{1,%d}?)(?P=quote)"
    rb"|(?P<bare>(?:(?:bearer|basic|token|digest)\s+)?[^\s\"'\\,;&)}\]]{1,%d}))"
    % (_VALUE_BYTES_MAX, _VALUE_BYTES_MAX)
)
_HARMLESS = frozenset({b"", b"null", b"none", b"true", b"false", b"(set)", HIDDEN})

_SHAPES: tuple[tuple[re.Pattern[bytes], bytes], ...] = (
    (
        re.compile(rb"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{1,8000}-----END"),
        b"-----BEGIN *** -----END",
    ),
    (
        re.compile(rb"(?i)\b((?:set-)?cookie\s{0,3}[:=]\s{0,3}+)(?!\*\*\*)[^\r\n\"'\\]{1,4096}"),
        rb"\1" + HIDDEN,
    ),
    (re.compile(rb"(?i)\b(bearer|basic|digest)(\s{1,3})[\w.~+/=-]{8,4096}"), rb"\1\2" + HIDDEN),
    # Any address but those of the web and of files is an address of the alerts.
    (
        re.compile(
            rb"(?i)\b(?!(?:https?|wss?|unix|file|sqlite)://)([a-z][a-z0-9+]{1,14}://)"
            rb"(?!\*\*\*)[^\s\"'<>\\]{1,4096}"
        ),
        rb"\1" + HIDDEN,
    ),
    (re.compile(rb"(://)(?!\*\*\*@)[^/\s\"'<>\\?#]{1,512}@"), rb"\1" + HIDDEN + b"@"),
    (
        re.compile(
            rb"(?i)\b(hc-ping\.com|hooks\.slack\.com|discord(?:app)?\.com/api/webhooks)/"
            rb"(?!\*\*\*)[^\s\"'<>\\]{4,512}"
        ),
        rb"\1/" + HIDDEN,
    ),
    (re.compile(rb"\b(?:bot)?\d{6,12}:[\w-]{25,64}"), HIDDEN),
    (re.compile(rb"\b(?:PK|AK|CK)[A-Z0-9]{16,24}\b"), HIDDEN),
)


def without_shapes(data: bytes) -> bytes:
    """Return the bytes without anything that looks like a secret."""
    for pattern, instead in _SHAPES:
        data = pattern.sub(instead, data)
    return _NAMED.sub(_hidden, data)


def _hidden(found: re.Match[bytes]) -> bytes:
    whole: bytes = found.group(0)
    before = found.string[max(0, found.start() - 1) : found.start()]
    if b"," in found.group("sep") and before not in (b'"', b"'"):
        return whole  # a sentence that ends in such a word, not a pair
    for part in ("quoted", "bare"):
        value = found.group(part)
        if value is not None and value.lower() not in _HARMLESS:
            return _with(whole, found, part)
    return whole


def _with(whole: bytes, found: re.Match[bytes], part: str) -> bytes:
    at: Callable[[str], int] = found.start
    begin, end = at(part) - at("name"), found.end(part) - at("name")
    return whole[:begin] + HIDDEN + whole[end:]
