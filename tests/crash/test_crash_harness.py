"""The crash histories themselves: repeatable, silent about a sound bot, loud about a broken one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
HISTORIES_MAX = 20
"""Enough of them to meet what a broken bot stumbles over; the first that does ends the run."""
WITHIN_S = 110


def crash(*options: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m tests.crash` with these options."""
    return subprocess.run(
        [sys.executable, "-m", "tests.crash", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("mutant", "seed_from", "words"),
    [
        ("resending", 0, "doubled"),
        ("unprotecting", 1, "longer than 5.0 s"),
        ("forgetful", 0, "is not in the ledger"),
    ],
)
def test_histories_when_a_protection_is_off_then_they_find_it_and_say_how_to_repeat_it(
    mutant: str, seed_from: int, words: str
) -> None:
    """A bot that doubles an order, leaves shares naked or loses a trade is caught."""
    found = crash(
        "--mutant", mutant, "--seed-from", str(seed_from), "--histories", str(HISTORIES_MAX)
    )

    assert found.returncode == 1, found.stdout + found.stderr
    assert words in found.stdout
    assert "repeat it: python -m tests.crash --seed" in found.stdout


def test_history_when_repeated_then_every_line_of_its_transcript_is_the_same() -> None:
    """A history is a pure function of its seed, kills included."""
    first, second = crash("--seed", "100"), crash("--seed", "100")

    assert first.returncode == 0, first.stdout + first.stderr
    assert "death" in first.stdout
    assert first.stdout == second.stdout


def test_histories_when_the_bot_is_sound_then_a_table_says_what_was_done_to_it() -> None:
    """Zero lost, zero doubled, zero unprotected, and how often each death came."""
    found = crash("--histories", "2", "--seed-from", "100", "--jobs", "1")

    assert found.returncode == 0, found.stdout + found.stderr
    assert "2 histories, 0 with violations" in found.stdout
    assert "worst unprotected, market seconds" in found.stdout
    assert "file_step StateStore.set_aside: 1 of its 10 calls" in found.stdout
    assert "NEVER MET" in found.stdout


def test_histories_when_a_place_is_asked_for_then_they_lead_there() -> None:
    """The place that luck never met in five thousand: the broker closes an unreadable position."""
    found = crash("--place", "DELETE position", "--histories", "3", "--jobs", "1")

    assert found.returncode == 0, found.stdout + found.stderr
    for how in ("lost", "late", "booked"):
        assert f"NEVER MET death: request_{how} DELETE position" not in found.stdout


def test_histories_when_no_place_has_that_name_then_the_places_are_listed() -> None:
    """Who asks for a place must learn how it is called."""
    found = crash("--place", "POST nothing")

    assert found.returncode == 2
    assert "request_lost POST exit" in found.stderr
