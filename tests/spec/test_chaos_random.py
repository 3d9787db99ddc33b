"""Random mode: repeatable by its seed, shortened when it fails, and growth is seen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import pytest

from chaos.catalogue import CATALOGUE
from chaos.random_mode import drawn, repeat_command, shortest_failing
from chaos.resources import FILES_SLACK, Reading, growth, growth_of_files

pytestmark = pytest.mark.unit


def names(seed: int, count: int) -> list[str]:
    """The first names that a seed draws."""
    return [row.name for row in islice(drawn(seed), count)]


def test_sequence_when_drawn_again_then_it_is_the_same_and_leaves_nothing_out() -> None:
    """A seed is a run; in the long run every fault has its turn."""
    assert names(7, 30) == names(7, 30)
    assert names(7, 30) != names(8, 30)
    assert set(names(1, 400)) == set(CATALOGUE)


@pytest.mark.parametrize(("culprits", "wanted"), [(1, 1), (2, 2), (3, 4), (5, 5)])
def test_shortest_when_so_many_are_needed_then_the_shortest_tried_end_is_found(
    culprits: int, wanted: int
) -> None:
    """Ends of one, two, four drills are tried, each with the seed of its place."""
    sequence = ["a", "b", "c", "d", "e"]
    tried: list[tuple[Sequence[str], int]] = []

    def fails(some: Sequence[str], seed: int) -> bool:
        tried.append((some, seed))
        return len(some) >= culprits

    found, seed = shortest_failing(sequence, 10, fails)

    assert (list(found), seed) == (sequence[-wanted:], 15 - wanted)
    assert all(seed + len(some) == 15 for some, seed in tried)


def test_command_when_told_then_it_names_drills_and_seed() -> None:
    """It can be typed as it stands."""
    command = "python deploy_supervisor.py drill bot_hang uw_down"

    assert repeat_command(["bot_hang", "uw_down"], 7, is_fresh=True) == (
        f"{command} --fresh --seed 7"
    )
    assert repeat_command(["bot_hang", "uw_down"], 7, is_fresh=False) == f"{command} --seed 7"


def readings(sizes: Sequence[int], opened: Sequence[int]) -> list[Reading]:
    """The life of one process."""
    return [
        Reading("dashboard", 5, size * 1_000_000, count)
        for size, count in zip(sizes, opened, strict=True)
    ]


def test_growth_when_flat_then_nothing_is_told_and_else_who_and_how_much() -> None:
    """Noise is no growth; too few readings prove nothing."""
    flat = readings([60, 70, 65, 66, 70, 75], [20, 21, 20, 26, 22, 20])

    assert growth(flat) == []
    assert growth(readings([60, 70, 90, 120, 150, 190], [20] * 6)) == [
        "dashboard (pid 5) grew from 65000000 to 170000000 bytes"
    ]
    assert growth(readings([60] * 6, [20, 20, 25, 30, 35, 40])) == [
        "dashboard (pid 5) went from 20 to 38 descriptors"
    ]
    assert growth(readings([60, 400, 500], [20, 90, 99])) == []


def test_files_when_they_pile_up_then_it_is_told_and_a_few_are_not() -> None:
    """A temporary file left by each drill is seen after six of them."""
    piling = [40 + FILES_SLACK * place for place in range(6)]

    assert growth_of_files([40, 44, 43, 45, 44, 46]) == []
    assert growth_of_files(piling) == ["state/ and logs/ went from 46 to 94 files"]
    assert growth_of_files(piling[:5]) == []
