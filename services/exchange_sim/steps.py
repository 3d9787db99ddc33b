"""Long work in steps: whoever carries it out may do something else between two of them. Pure."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Yields where the work may rest; returns the result. No step takes longer than a blink."""


def at_once(steps: Steps[Result]) -> Result:
    """Carry the work out without a rest and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
