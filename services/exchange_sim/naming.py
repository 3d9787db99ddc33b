"""Seeded names: the same seed and the same requests give the same ids, for ever."""

from __future__ import annotations

import hashlib
import uuid
from functools import lru_cache

_ASSETS = uuid.UUID("6d2b1f0e-5a43-4c8f-9f57-0c6f8d1a7e21")
_EPOCH_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_EPOCH_LENGTH = 8


def seeded_uuid(*parts: object) -> str:
    """Return a version-4-shaped UUID that follows from the parts alone."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


@lru_cache(maxsize=4096)
def asset_id(symbol: str) -> str:
    """Return the asset id of a symbol; the same in every account."""
    return str(uuid.uuid5(_ASSETS, symbol))


def account_id(seed: int, number: int) -> str:
    """Return the id of the n-th account of a seed."""
    return seeded_uuid("account", seed, number)


def epoch_of(seed: int, number: int) -> str:
    """Return eight characters of 0-9a-z that name the n-th account of a seed."""
    digest = hashlib.sha256(f"epoch|{seed}|{number}".encode()).digest()
    return "".join(_EPOCH_ALPHABET[byte % 36] for byte in digest[:_EPOCH_LENGTH])


def seeded_fraction(*parts: object) -> float:
    """Return a number in 0..1 that follows from the parts alone."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return float(int.from_bytes(digest[:8], "big") / 2**64)
