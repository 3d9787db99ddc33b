"""Names in the order of a number: the near ones are found without a look at the others. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from decimal import Decimal
from operator import itemgetter

Rung = tuple[Decimal, int, str]
"""The number, then what decides between equal ones, then the name."""
_number = itemgetter(0)


class Ladder:
    """Rungs from the lowest number to the highest."""

    __slots__ = ("rungs",)

    def __init__(self) -> None:
        self.rungs: list[Rung] = []

    def add(self, rung: Rung) -> None:
        """Put a rung in its place."""
        insort(self.rungs, rung)

    def remove(self, rung: Rung) -> None:
        """Take out a rung that is there."""
        del self.rungs[bisect_left(self.rungs, rung)]

    def up_to(self, number: Decimal) -> list[Rung]:
        """Return the rungs whose number is at most that."""
        return self.rungs[: bisect_right(self.rungs, number, key=_number)]

    def count_below(self, number: Decimal) -> int:
        """Return how many rungs have a number less than that."""
        return bisect_left(self.rungs, number, key=_number)

    def below(self, number: Decimal) -> list[Rung]:
        """Return the rungs whose number is less than that."""
        return self.rungs[: self.count_below(number)]

    def since(self, number: Decimal) -> list[Rung]:
        """Return the rungs whose number is at least that."""
        return self.rungs[self.count_below(number) :]

    def above(self, number: Decimal) -> list[Rung]:
        """Return the rungs whose number is more than that."""
        return self.rungs[bisect_right(self.rungs, number, key=_number) :]
