"""What is killed when: the whole plan of a run follows from its seed. Pure."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GUARDIAN, SUPERVISOR = "guardian", "supervisor"
KINDS = {
    "service": 50,
    "supervisor": 14,
    "guardian": 8,
    "two": 16,
    "tree": 4,
    "hang of a service": 3,
    "hang of the supervisor": 1,
}
"""How often each kind of blow falls, in parts of their sum."""
LAGS_S = (0.0, 0.0, 0.001, 0.005, 0.02, 0.1, 0.3, 1.0)
"""Between the first and the second of two: together, in the midst of the cure, and after it."""
PAUSE_S_MAX = 0.2


@dataclass(frozen=True, slots=True)
class Blow:
    """One blow: after a pause, every target in turn, each `lag_s` after the one before."""

    kind: str
    targets: tuple[str, ...]
    number: signal.Signals
    pause_s: float
    lag_s: float = 0.0

    def __str__(self) -> str:
        """The blow in words."""
        lag = f", {self.lag_s * 1000:g} ms apart" if self.lag_s else ""
        return f"{self.number.name} {' + '.join(self.targets)}{lag}"


def blows(seed: int, services: Sequence[str]) -> Iterator[Blow]:
    """Yield blow after blow, always the same ones for a seed."""
    chance = random.Random(seed)
    while True:
        (kind,) = chance.choices(tuple(KINDS), tuple(KINDS.values()))
        pause_s = round(chance.uniform(0.0, PAUSE_S_MAX), 3)
        yield _blow(kind, chance, services, pause_s)


def _blow(kind: str, chance: random.Random, services: Sequence[str], pause_s: float) -> Blow:
    roles = (GUARDIAN, SUPERVISOR, *services)
    one = (chance.choice(services),)
    match kind:
        case "two":
            two = tuple(chance.sample(roles, 2))
            return Blow(kind, two, signal.SIGKILL, pause_s, chance.choice(LAGS_S))
        case "tree":
            return Blow(kind, tuple(chance.sample(roles, len(roles))), signal.SIGKILL, pause_s)
        case "hang of a service":
            return Blow(kind, one, signal.SIGSTOP, pause_s)
        case "hang of the supervisor":
            return Blow(kind, (SUPERVISOR,), signal.SIGSTOP, pause_s)
        case "service":
            return Blow(kind, one, signal.SIGKILL, pause_s)
        case _:
            return Blow(kind, (kind,), signal.SIGKILL, pause_s)
