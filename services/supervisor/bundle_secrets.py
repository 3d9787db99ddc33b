"""Which texts must never leave the house, and how they are taken out of bytes.

Known are those of our own settings, those of the services that run (somebody may have started
them with others), and what stands in the environment under a name that secrets have. What nobody
knows any more is found by its looks.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from services.supervisor.bundle_shapes import HIDDEN, without_shapes
from services.supervisor.small_files import text_of_file
from shared.config.fields import SECRETS
from shared.config.paths import StatePaths
from shared.config.sources import ENV_FILE_VARIABLE, REPOSITORY, gather
from shared.errors import SystemFault

CHARACTERS_MIN = 4
"""Shorter texts are no secrets, and taking them out would leave nothing to read."""
GUESSED_CHARACTERS_MIN = 8
"""Of a value that is a secret only by its name: `true` and the like stay readable."""
_FILE_BYTES_MAX = 65_536
_ENV_BYTES_MAX = 1_000_000
_ENV = REPOSITORY / ".env"
_NAME_OF_SECRET = re.compile(r"(?i)secret|token|passw|passphrase|credential|key|_url$|_urls$")


def configured_secrets(state: StatePaths, env_file: Path | None) -> frozenset[str]:
    """Return every secret of settings, token file and endpoints, with the parts of addresses."""
    texts: set[str] = set()
    for environ, file in ((os.environ, env_file), *((one, None) for one in _running(state))):
        with suppress(OSError, SystemFault, ValueError):
            texts.update(gather(environ, file, {}).secrets())
        texts.update(_guessed(environ))
        texts.update(_guessed(_lines_of(file or Path(environ.get(ENV_FILE_VARIABLE) or _ENV))))
    with suppress(OSError, ValueError):
        texts.add(state.dashboard_token.read_text("utf-8")[:_FILE_BYTES_MAX].strip())
    with suppress(OSError, ValueError, AttributeError):
        endpoints = json.loads(state.endpoints.read_text("utf-8"))
        texts.update(
            str(endpoints.get(f"exchange_{name}") or "") for name in ("key_id", "secret_key")
        )
    parts = {part for text in texts for part in _parts_of_address(text)}
    return frozenset(text for text in texts | parts if len(text) >= CHARACTERS_MIN)


def _running(state: StatePaths) -> Iterator[Mapping[str, str]]:
    """The environment of each process of ours that lives and may be asked."""
    for path in sorted(state.run.glob("*.pid")):
        with suppress(OSError, ValueError, IndexError):
            pid = int(path.read_text("ascii")[:100].split()[0])
            raw = Path(f"/proc/{pid}/environ").read_bytes()[:_ENV_BYTES_MAX]
            pairs = (text.decode("utf-8", "replace").partition("=") for text in raw.split(b"\0"))
            yield {name: value for name, equals, value in pairs if equals}


def _lines_of(env_file: Path) -> dict[str, str]:
    """What the file says line by line, also where it is no good settings file: a secret under a
    misspelt name is one all the same.
    """
    with suppress(OSError, ValueError):
        pairs = (
            line.strip().removeprefix("export ").partition("=")
            for line in text_of_file(env_file, _ENV_BYTES_MAX).splitlines()
        )
        return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}
    return {}


def _guessed(values: Mapping[str, str]) -> Iterator[str]:
    for name, value in values.items():
        is_long = len(value.strip()) >= GUESSED_CHARACTERS_MIN
        if is_long and _NAME_OF_SECRET.search(name) and not _is_public(name, value):
            yield value.strip()


def _is_public(name: str, value: str) -> bool:
    """Whether it is a path or an address without a login, which a reader of the bundle needs."""
    if value.startswith(("/", "~", ".")):
        return True
    is_address = value.startswith(("http://", "https://", "ws://", "wss://"))
    return name not in SECRETS and is_address and "@" not in value


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
        """Return the bytes without any of them, and without what looks like one."""
        for spelling in self._spellings:
            data = data.replace(spelling, HIDDEN)
        return without_shapes(data)

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
