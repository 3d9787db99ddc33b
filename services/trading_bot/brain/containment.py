"""Asks foreign code a question so that whatever it does stays with it: one answer or one fault.

A thing that throws, ends the process, recurses or never returns gives a fault in words. The time
limit interrupts Python and sleeping alike, in the main thread, where the bot's loop runs; in
another thread there is none, and the watchdog is what remains. How it calculates with Decimal is
its own affair: the context of everybody else's money stays as it was, and so does the depth to
which everybody may call.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import localcontext
from math import ceil
from types import FrameType
from typing import Any, Generic, TypeVar

from services.trading_bot.brain.forbidden import forbidding
from shared.clock import thread_cpu_s

BUDGET_S = 0.5
"""Processor time that one answer may take. A busy machine does not make a strategy guilty."""
LIMIT_S = 3.0
"""Real time after which the question is broken off, whatever the thing waits for."""
TICK_S = 0.25
"""Real time between two looks at both."""
WORDS_MAX = 200

T = TypeVar("T")


class Overrun(BaseException):
    """A limit passed; no `except Exception` of a strategy may swallow it."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """An answer, or a fault in words; a slow answer has both."""

    answer: T | None
    fault: str = ""


def contained(
    call: Callable[[], T], budget_s: float = BUDGET_S, limit_s: float = LIMIT_S
) -> Outcome[T]:
    """Return what the call answers, or why it did not. KeyboardInterrupt alone goes through."""
    began_s = thread_cpu_s()
    try:
        with localcontext(), forbidding(), _limits(began_s + budget_s, limit_s):
            answer = _answered(call)
    except KeyboardInterrupt:
        raise
    except BaseException as failure:
        return Outcome(None, words_of(failure))
    spent_s = thread_cpu_s() - began_s
    if spent_s > budget_s:
        return Outcome(answer, f"Overrun: took {spent_s:.2f} s of the processor, not {budget_s:g}")
    return Outcome(answer)


def _answered(call: Callable[[], T]) -> T:
    depth = sys.getrecursionlimit()
    try:
        return call()
    finally:
        sys.setrecursionlimit(depth)


def words_of(failure: BaseException) -> str:
    """Return kind and message of a failure, short; a message that itself fails is left out."""
    try:
        text = " ".join(str(failure).split())[:WORDS_MAX]
    except Exception:
        text = "its message cannot be read"
    return f"{type(failure).__name__}: {text}" if text else type(failure).__name__


@contextlib.contextmanager
def _limits(cpu_ends_s: float, limit_s: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_armed, ticks_left = True, ceil(limit_s / TICK_S)

    def tick(_: int, frame: FrameType | None) -> None:
        nonlocal ticks_left
        ticks_left -= 1
        words = ""
        if is_armed and thread_cpu_s() > cpu_ends_s:
            words = "used up its processor time and was still busy"
        elif is_armed and ticks_left <= 0:
            words = f"was still busy after {limit_s:g} s"
        frames = _frames_of_question(frame) if words else []
        if frames:
            _insist(frames, words)
            raise Overrun(words)

    tracing = sys.gettrace()
    before = signal.signal(signal.SIGALRM, tick)
    left_s, every_s = signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
    try:
        yield
    finally:
        is_armed = False
        sys.settrace(tracing)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left_s, every_s)


def _frames_of_question(frame: FrameType | None) -> list[FrameType]:
    """Return what is running of the question, innermost first; none while it begins or ends."""
    found: list[FrameType] = []
    while frame is not None and frame.f_code is not _answered.__code__:
        found.append(frame)
        frame = frame.f_back
    return found if frame is not None else []


def _insist(frames: list[FrameType], words: str) -> None:
    """Let whoever swallows the Overrun meet another one at its very next line, where the handler
    that swallowed no longer stands around it: so `except: pass` in an endless loop ends. One that
    stands within another of its kind is left to the watchdog.
    """

    def again(_: FrameType, event: str, __: Any) -> Any:
        if event == "line":
            raise Overrun(words)
        return again

    for frame in frames:
        frame.f_trace = again
    # Only frames that are busy already are followed; what ends the question stays untouched.
    sys.settrace(lambda *_: None)
