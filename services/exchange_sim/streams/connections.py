"""How many stream connections an account has, the dead ones that nobody noticed included. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

_CLEAN = frozenset({1000, 1001, 1005, 1008})
"""Close codes of a client that said goodbye, or was sent away by the exchange."""


@dataclass(slots=True)
class _Place:
    account: Hashable
    ends_s: float | None = None
    """None while the connection lives; a dead one counts until then."""


class Connections:
    """Counts connections per account; `most` None is no limit. Both bounds may be changed.

    One that ended without a close frame counts for `zombie_s` more, since the real server goes on
    believing in it (Lean.Brokerages.Alpaca PR 39).
    """

    def __init__(self, most: int | None, zombie_s: float) -> None:
        self.most = most
        self.zombie_s = zombie_s
        self._places: dict[Hashable, _Place] = {}

    def enter(self, who: Hashable, account: Hashable, now_s: float) -> bool:
        """Give a connection its place; False when the account has none left."""
        self._places = {
            one: place
            for one, place in self._places.items()
            if place.ends_s is None or place.ends_s > now_s
        }
        others = (place for one, place in self._places.items() if one != who)
        taken = sum(place.account == account for place in others)
        if self.most is not None and taken >= self.most:
            return False
        self._places[who] = _Place(account)
        return True

    def leave(self, who: Hashable, close_code: int | None, now_s: float) -> None:
        """Take the place back; `close_code` None when the exchange ended the connection."""
        place = self._places.get(who)
        if place is None:
            return
        if close_code is None or close_code in _CLEAN or self.zombie_s <= 0:
            del self._places[who]
        else:
            place.ends_s = now_s + self.zombie_s
