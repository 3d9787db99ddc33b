"""The token, the session cookie made of it, and the brake on wrong tokens."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from collections import OrderedDict, deque
from pathlib import Path

from shared.clock import Clock
from shared.errors import ConfigFault

TOKEN_BYTES = 32
TOKEN_CHARACTERS_MIN = 16
TOKEN_FILE_BYTES_MAX = 512
SESSION_COOKIE = "sht_session"
SESSION_S = 12 * 3_600
ATTEMPTS_MAX = 5
ATTEMPTS_WINDOW_S = 300.0
PEERS_REMEMBERED_MAX = 1_000
ENDED_REMEMBERED_MAX = 10_000
COOKIE_CHARACTERS_MAX = 200
NONCE_BYTES = 12


def token_of_file(path: Path) -> str:
    """Return the token of the file, made now when there is none that can be trusted.

    A file that others may read, or that holds no token, is replaced by a new one: the old token
    may be known. Raises ConfigFault when the file is no plain file of ours.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return _make_token_file(path)
    except OSError as problem:
        raise ConfigFault(f"{path.name} cannot be opened ({problem.strerror}); remove it") from None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            raise ConfigFault(f"{path.name} is no plain file of this user; remove it")
        token = os.read(descriptor, TOKEN_FILE_BYTES_MAX).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)
    loose = stat.S_IMODE(facts.st_mode) & 0o077
    if loose or len(token) < TOKEN_CHARACTERS_MIN or not token.isprintable():
        return _make_token_file(path)
    return token


def _make_token_file(path: Path) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return token


class Keeper:
    """Knows the token; says whether a bearer or a cookie is right; brakes guessing.

    A session is `seconds since boot at sign-in . nonce . mark`, the mark an HMAC under the token
    over those two and the boot: nothing to store, ended by a new token, by a reboot and by age,
    and no wall clock that could be set back. Those that somebody signed out of are remembered for
    as long as this process lives, so that a copy of the cookie is worth nothing either.
    """

    def __init__(self, token: str, clock: Clock) -> None:
        self._token = token.encode()
        self._clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def is_token(self, text: str) -> bool:
        """Whether the text is the token, compared in constant time."""
        return hmac.compare_digest(text.encode("utf-8", "replace"), self._token)

    def make_session(self) -> str:
        """Return a fresh cookie value."""
        made = f"{int(self._clock.boottime_s())}.{secrets.token_hex(NONCE_BYTES)}"
        return f"{made}.{self._mark(made)}"

    def is_session(self, cookie: str) -> bool:
        """Whether the cookie was made by us in this boot, not too long ago, and nobody ended it."""
        if len(cookie) > COOKIE_CHARACTERS_MAX or not cookie.isascii():
            return False
        made, _, mark = cookie.rpartition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(made).encode()):
            return False
        age_s = self._clock.boottime_s() - int(made.partition(".")[0])
        return 0 <= age_s <= SESSION_S and mark not in self._ended

    def end_session(self, cookie: str) -> None:
        """Let a session count no more. What is none changes nothing; only who knew the token can
        fill the memory of ended ones, and it is bounded all the same.
        """
        if self.is_session(cookie):
            self._ended[cookie.rpartition(".")[2]] = None
            while len(self._ended) > ENDED_REMEMBERED_MAX:
                self._ended.popitem(last=False)

    def _mark(self, made: str) -> str:
        message = f"session|{self._clock.boot_id()}|{made}".encode()
        return hmac.new(self._token, message, hashlib.sha256).hexdigest()

    def wait_s(self, peer: str) -> float:
        """Return how long this peer must wait before its next try; 0 when it may try now."""
        tries = self._wrong.get(peer)
        if tries is None or len(tries) < ATTEMPTS_MAX:
            return 0.0
        return max(0.0, ATTEMPTS_WINDOW_S - (self._clock.monotonic_s() - tries[0]))

    def note_wrong(self, peer: str) -> None:
        """Count a wrong token of this peer. Only the newest thousand peers are remembered."""
        tries = self._wrong.setdefault(peer, deque(maxlen=ATTEMPTS_MAX))
        tries.append(self._clock.monotonic_s())
        self._wrong.move_to_end(peer)
        while len(self._wrong) > PEERS_REMEMBERED_MAX:
            self._wrong.popitem(last=False)
