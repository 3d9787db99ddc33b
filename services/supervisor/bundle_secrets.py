"""Which texts must never leave the house, and how they are taken out of bytes."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from shared.config.paths import StatePaths
from shared.config.sources import gather
from shared.errors import SystemFault

HIDDEN = b"***"
CHARACTERS_MIN = 4
"""Shorter texts are no secrets, and taking them out would leave nothing to read."""
_FILE_BYTES_MAX = 65_536


def configured_secrets(state: StatePaths, env_file: Path | None) -> frozenset[str]:
    """Return every secret of settings, token file and endpoints, with the parts of addresses."""
    texts: set[str] = set()
    with suppress(OSError, SystemFault, ValueError):
        texts.update(gather(os.environ, env_file, {}).secrets())
    with suppress(OSError, ValueError):
        texts.add(state.dashboard_token.read_text("utf-8")[:_FILE_BYTES_MAX].strip())
    with suppress(OSError, ValueError, AttributeError):
        endpoints = json.loads(state.endpoints.read_text("utf-8"))
        texts.update(
            str(endpoints.get(f"exchange_{name}") or "") for name in ("key_id", "secret_key")
        )
    parts = {part for text in texts for part in _parts_of_address(text)}
    return frozenset(text for text in texts | parts if len(text) >= CHARACTERS_MIN)


def _parts_of_address(text: str) -> Iterator[str]:
    """What is secret in an address even without the rest: login, path and query."""
    with suppress(ValueError):
        address = urlsplit(text)
        if not address.scheme or "://" not in text:
            return
        for part in (address.username, address.password):
            if part:
                yield part
        for part in re.split(r"[/&=?:]", f"{address.path}?{address.query}"):
            if len(part) >= 8:
                yield part


class Redactor:
    """Takes the secrets out, in every spelling in which a log may hold them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        self._spellings = sorted(spellings, key=len, reverse=True)

    def clean(self, data: bytes) -> bytes:
        """Return the bytes without any of them."""
        for spelling in self._spellings:
            data = data.replace(spelling, HIDDEN)
        return data

    def finds(self, data: bytes) -> bool:
        """Whether one of them stands there."""
        return any(spelling in data for spelling in self._spellings)


def _spellings(secret: str) -> set[bytes]:
    raw = secret.encode()
    return {
        raw,
        quote(secret, safe="").encode(),
        quote(secret).encode(),
        unquote(secret).encode(),
        json.dumps(secret)[1:-1].encode(),
        base64.b64encode(raw).rstrip(b"="),
    }
