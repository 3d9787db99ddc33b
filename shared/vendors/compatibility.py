"""One-shot: does the broker still keep its contracts? `python -m shared.vendors.compatibility`.

Asks everything that the product reads, changes nothing, prints one line per question and ends
with the exit code of the gravest failure: 78 before 76 before 77 before 75, 0 when all is well.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from shared.clock import Clock, SystemClock
from shared.config.endpoints import DEFAULT_SYMBOLS, Endpoints, load_endpoints
from shared.config.settings import Settings, load_settings
from shared.errors import ConfigFault, FailureClass, SystemFault, TransientFault
from shared.models.mode import Mode
from shared.vendors.alpaca_market_data import DAY, MarketDataRest
from shared.vendors.connect import open_broker, open_door, open_trade_stream

STREAM_S = 10.0
STREAM_LOOK_S = 0.05
HISTORY = timedelta(days=7)
FREE_FEED = "iex"
GRAVEST_FIRST = (
    FailureClass.CONFIG,
    FailureClass.SCHEMA,
    FailureClass.RISK,
    FailureClass.TRANSIENT,
)
NEXT_STEP = {
    FailureClass.CONFIG: "check the keys, their environment (paper or live) and the addresses",
    FailureClass.SCHEMA: "the interface has changed: do not trade until the contract is mended",
    FailureClass.RISK: "look at the account at the broker",
    FailureClass.TRANSIENT: "passes by itself, or the broker is down: it is tried again",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask; `ask` raises SystemFault when the answer is not as promised."""

    name: str
    ask: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question; None is well."""

    name: str
    fault: SystemFault | None

    @property
    def line(self) -> str:
        """One line for people."""
        if self.fault is None:
            return f"ok    {self.name}"
        family = self.fault.failure_class
        return f"FAIL  {self.name}: {family}: {self.fault}; {NEXT_STEP[family]}"


def questions(settings: Settings, endpoints: Endpoints, clock: Clock) -> Iterator[Question]:
    """Yield what the product asks of the broker in the mode of the settings."""
    broker = open_broker(settings, endpoints, clock)
    door = open_door(settings, endpoints, "compatibility", clock)
    feed = None if settings.trading_mode is Mode.SIM else FREE_FEED
    data = MarketDataRest(door, endpoints.data_url, feed)
    symbol = (settings.symbols or DEFAULT_SYMBOLS)[0]
    now = clock.utc_now()
    yield Question("account", broker.account)
    yield Question("account configurations", broker.forbids_shorting)
    yield Question("clock", broker.clock_reading)
    yield Question("positions", broker.positions)
    yield Question("open orders", lambda: broker.orders("open"))
    yield Question("fills", lambda: broker.fills(now - HISTORY))
    yield Question(f"asset {symbol}", lambda: broker.asset(symbol))
    yield Question(f"bars of {symbol}", lambda: data.bars((symbol,), DAY, now - HISTORY, now))
    yield Question(f"quotes of {symbol}", lambda: data.latest_quotes((symbol,)))
    yield Question("trade updates", lambda: _listens(settings, endpoints, clock))


def _listens(settings: Settings, endpoints: Endpoints, clock: Clock) -> None:
    """Raise unless the trade stream confirms within ten seconds that it listens."""
    stream = open_trade_stream(settings, endpoints, clock)
    never = threading.Event()
    ends_at_s = clock.monotonic_s() + STREAM_S
    stream.start()
    try:
        while not stream.listening:
            reason = stream.state.reason
            if "refused our keys" in reason:
                raise ConfigFault(reason)
            if clock.monotonic_s() > ends_at_s:
                raise TransientFault(f"not listening within {STREAM_S:.0f} s: {reason}")
            clock.wait(never, STREAM_LOOK_S)
    finally:
        stream.stop(timeout_s=2.0)


def answer(question: Question) -> Answer:
    """Ask one question."""
    try:
        question.ask()
    except SystemFault as fault:
        return Answer(question.name, fault)
    return Answer(question.name, None)


def exit_code_of(answers: list[Answer]) -> int:
    """Return the exit code of the gravest fault, 0 when there is none."""
    met = {answer.fault.failure_class: answer.fault for answer in answers if answer.fault}
    return next((met[family].exit_code for family in GRAVEST_FIRST if family in met), 0)


def main() -> int:
    """Ask everything, print every answer, return the exit code."""
    try:
        settings = load_settings()
        endpoints = load_endpoints(settings)
    except SystemFault as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code
    answers: list[Answer] = []
    for question in questions(settings, endpoints, SystemClock()):
        answers.append(answer(question))
        sys.stdout.write(answers[-1].line + "\n")
        sys.stdout.flush()
    return exit_code_of(answers)


if __name__ == "__main__":
    sys.exit(main())
