"""How trading_state.json is damaged: four ways, chosen by a seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

NOT_JSON = b"{ invalid json }\n"
WRONG_SHAPE = b'{"envelope": [], "payload": "no state"}\n'


def _truncated(raw: bytes, dice: random.Random) -> bytes:
    return raw[: dice.randrange(len(raw) // 4, max(len(raw) - 1, 1))]


def _bit_flipped(raw: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(raw) // 2, len(raw))
    return raw[:place] + bytes([raw[place] ^ (1 << dice.randrange(7))]) + raw[place + 1 :]


DAMAGES: Mapping[str, Callable[[bytes, random.Random], bytes]] = MappingProxyType(
    {
        "truncated": _truncated,
        "bit flip": _bit_flipped,
        "not JSON": lambda _raw, _dice: NOT_JSON,
        "wrong shape": lambda _raw, _dice: WRONG_SHAPE,
    }
)


def damaged(raw: bytes, seed: int) -> tuple[str, bytes]:
    """Return the name of a damage and what it makes of the bytes, never the bytes themselves."""
    kind = tuple(DAMAGES)[seed % len(DAMAGES)]
    dice = random.Random(seed)  # nosec B311 # repeatable on purpose, nothing secret
    broken = DAMAGES[kind](raw, dice) if raw else NOT_JSON
    return kind, broken if broken != raw else NOT_JSON
