"""Strategies that misbehave, each in its own way, as files that a bot would load."""

from __future__ import annotations

import sys
from pathlib import Path

HEAD = """
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from random import random
from shared.models.orders import Side
from shared.models.signals import Signal
from services.trading_bot.brain.port import StrategySheet

REWARD_RISK = Decimal("2.0")
ASKED = count()

def signal(snapshot, **other):
    return Signal(**dict(strategy="{name}", symbol="RISE", side=Side.BUY, at=snapshot.now,
        entry_price=Decimal(100), stop_price=Decimal(99), target_price=Decimal(102),
        strength=0.5, reason="a test") | other)

class Wicked:
    name = "{name}"
    def decide(self, snapshot, portfolio):
        if not snapshot.buffers["RISE"].is_warm or "RISE" in portfolio.busy_symbols:
            return []
"""
TAIL = """
STRATEGY = StrategySheet(name="{name}", reward_risk=REWARD_RISK, make=lambda limits: Wicked())
"""
HONEST = "        return [signal(snapshot)]"
DEEDS = {
    "throws": "        raise KeyError('no such thing')",
    "ends_the_process": "        raise SystemExit(3)",
    "recurses": "        return self.decide(snapshot, portfolio)",
    "never_returns": "        while True: pass",
    "swallows_everything": (
        "        while True:\n            try: sum(range(1000))\n            except Exception: pass"
    ),
    "swallows_the_limit": (
        "        while True:\n            try: sum(range(1000))\n            except: pass"
    ),
    "sleeps": (
        "        while True:\n            try: time.sleep(60)\n"
        "            except BaseException:\n                continue"
    ),
    "burns": (
        "        ends_s = time.thread_time() + 0.7\n"
        "        while time.thread_time() < ends_s: sum(range(1_000_000))\n        return []"
    ),
    "forks": (
        "        import os\n        if os.fork() == 0: os._exit(0)\n"
        "        return [signal(snapshot)]"
    ),
    "becomes_another": (
        "        import os\n        try: os.execv('/nowhere', ['nobody'])\n"
        "        except OSError: return [signal(snapshot)]"
    ),
    "signals_the_bot": ("        import os; os.kill(os.getpid(), 0); return [signal(snapshot)]"),
    "returns_none": "        return None",
    "returns_words": "        return 'BUY RISE'",
    "returns_endless": "        return (signal(snapshot) for _ in count())",
    "returns_a_dict": "        return [{'symbol': 'RISE', 'entry_price': 100}]",
    "forgets_the_stop": "        return [signal(snapshot, stop_price=None)]",
    "hides_the_stop": (
        "        bare = object.__new__(Signal)\n"
        "        object.__setattr__(bare, 'symbol', 'RISE')\n        return [bare]"
    ),
    "stops_above": "        return [signal(snapshot, stop_price=Decimal(101))]",
    "gives_nan": "        return [signal(snapshot, strength=float('nan'))]",
    "gives_infinity": "        return [signal(snapshot, target_price=Decimal('Infinity'))]",
    "prices_by_an_heir": (
        "        class Price(Decimal): pass\n"
        "        return [signal(snapshot, stop_price=Price(99))]"
    ),
    "dates_by_an_heir": (
        "        class Time(type(snapshot.now)): pass\n"
        "        at = Time.fromtimestamp(snapshot.now.timestamp(), snapshot.now.tzinfo)\n"
        "        return [signal(snapshot, at=at)]"
    ),
    "gives_floats": "        return [signal(snapshot, stop_price=99.0)]",
    "promises_more": "        return [signal(snapshot, target_price=Decimal('100.50'))]",
    "invents_a_symbol": "        return [signal(snapshot, symbol='GHOST')]",
    "poses_as_another": "        return [signal(snapshot, strategy='momentum')]",
    "knows_tomorrow": "        return [signal(snapshot, at=snapshot.now + timedelta(days=1))]",
    "sells_in_words": (
        "        return [signal(snapshot, side='sell', stop_price=Decimal(101), "
        "target_price=Decimal(98))]"
    ),
    "weighs_in_decimal": "        return [signal(snapshot, strength=Decimal('0.5'))]",
    "floods": "        return [signal(snapshot, symbol=f'S{n}') for n in range(5)]",
    "empties_the_account": "        portfolio.positions.clear(); return []",
    "repeats_itself": "        return [signal(snapshot)] * 2",
    "changes_bars": (
        "        bars = snapshot.buffers['RISE']\n"
        "        bars.add(replace(bars.last, start=bars.last.start + timedelta(minutes=1)))\n"
        "        return []"
    ),
    "throws_away_quotes": "        snapshot.quotes.clear(); return []",
    "draws_lots": "        return [signal(snapshot, strength=random())]",
    "counts_questions": "        return [signal(snapshot, strength=min(1.0, next(ASKED) / 999))]",
}
"""What stands in `decide` once the bars are warm, by the name of the strategy."""


def text_of(name: str, deed: str = HONEST) -> str:
    """Return the file of a strategy of that name that does this once it is warm."""
    return HEAD.replace("{name}", name) + deed + "\n" + TAIL.replace("{name}", name)


LOADING = {
    "throws_when_loaded": "raise RuntimeError('no')",
    "is_no_python": "def (",
    "misses_a_library": "import a_library_that_nobody_has",
    "has_no_sheet": "X = 1",
    "ends_when_loaded": "import sys; sys.exit(78)",
    "holds_a_bare_sheet": (
        "from services.trading_bot.brain.port import StrategySheet\n"
        "STRATEGY = object.__new__(StrategySheet)\n"
        "object.__setattr__(STRATEGY, 'name', 'holds_a_bare_sheet')"
    ),
    "holds_an_heir_of_a_sheet": (
        text_of("holds_an_heir_of_a_sheet") + "class Heir(StrategySheet):\n"
        "    reward_risk = property(lambda self: 1 / 0, lambda self, value: None)\n"
        "STRATEGY = Heir('holds_an_heir_of_a_sheet', REWARD_RISK, STRATEGY.make)"
    ),
    "holds_regimes_that_bite": (
        text_of("holds_regimes_that_bite") + "class Biting(frozenset):\n"
        "    def __contains__(self, regime): raise RuntimeError\n"
        "STRATEGY = replace(STRATEGY, unsuited=Biting())"
    ),
}
"""Whole files that cannot even be loaded."""


def write_strategy(folder: Path, name: str, deed: str = HONEST) -> Path:
    """Write such a file; returns where it lies."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(text_of(name, deed), encoding="utf-8")
    return path


def forget_modules() -> None:
    """Let loaded files leave no module behind."""
    for name in [name for name in sys.modules if name.startswith("strategy_file_")]:
        del sys.modules[name]
