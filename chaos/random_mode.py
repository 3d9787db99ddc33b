"""Sequences of faults drawn by a seed, and the shortest one that still fails. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from chaos.catalogue import CATALOGUE
from chaos.row import Row

REPEATS_MAX = 4
"""Sequences that are tried for the shortest failing one: each costs as long as its drills."""


def drawn(seed: int) -> Iterator[Row]:
    """Yield rows without end; the same seed yields the same ones."""
    dice = random.Random(seed)  # nosec B311 # repeatable on purpose, nothing secret
    rows = tuple(CATALOGUE.values())
    while True:
        yield dice.choice(rows)


def repeat_command(names: Sequence[str], seed: int, *, is_fresh: bool) -> str:
    """Return what a person types to run just these again, from the same beginning."""
    fresh = " --fresh" if is_fresh else ""
    return f"python deploy_supervisor.py drill {' '.join(names)}{fresh} --seed {seed}"


def shortest_failing(
    names: Sequence[str], seed: int, fails: Callable[[Sequence[str], int], bool]
) -> tuple[Sequence[str], int]:
    """Return the shortest end of the sequence that still fails, and its seed.

    The last name is the one that failed; each drill's seed is that of the sequence plus its place.
    """
    length = 1
    for _ in range(REPEATS_MAX):
        if length >= len(names):
            break
        end, end_seed = names[-length:], seed + len(names) - length
        if fails(end, end_seed):
            return end, end_seed
        length *= 2
    return names, seed
