"""Draws a history from its seed: the same seed, the same history. Pure.

What came later (scenes, a person's trades) has dice of its own: seeds that it does not concern are
what they were before it came.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from decimal import Decimal
from random import Random

from tests.crash.grid import LANDMARKS, aged_records, planned
from tests.crash.history import (
    SIGNALS_APART_S,
    SYMBOLS,
    DiskTrouble,
    History,
    Kill,
    KillKind,
    Life,
    Order,
    Phase,
    Wire,
    WireKind,
    Wish,
)
from tests.crash.person import BUYS, SELLS
from tests.crash.shapes import shaped

DISK_CODES = (errno.ENOSPC, errno.EIO, errno.EROFS)
TRAILING_SHARE = 0.35
PERSON_SHARE = 0.12
FROM_THEN_ON = 1_000_000
"""Refused calls: more than a life makes."""
_DRAWN = [one for one in KillKind if one not in (KillKind.NONE, KillKind.FILE_STEP)]


def history_of(seed: int) -> History:
    """Return the one history of this seed."""
    dice = Random(f"crash {seed}")
    active_s = dice.choice((30, 45, 60, 90))
    lives = _lives(dice, active_s)
    if seed % 2 == 0:
        lives = (replace(lives[0], kill=planned(seed // 2, dice)), *lives[1:])
    trades = _trades(Random(f"person {seed}"), active_s)
    history = History(
        seed=seed,
        active_s=active_s,
        session_left_s=dice.randint(20, active_s) if dice.random() < 0.06 else None,
        start_prices=tuple(Decimal(dice.randint(4_000, 20_000)) / 100 for _ in SYMBOLS),
        phases=tuple(_phases(dice, active_s) for _ in SYMBOLS),
        wishes=_wishes(dice, active_s),
        orders=tuple(sorted((*_orders(dice, active_s), *trades), key=lambda order: order.at_s)),
        lives=lives,
        wire=_wire(dice, active_s),
        switches=_switches(dice),
        aged_records=aged_records(lives[0].kill, dice),
        trails=Random(f"trail {seed}").random() < TRAILING_SHARE,
        is_metered=dice.random() < 0.8,
        adopts=bool(trades) and seed % 3 == 0,
    )
    return shaped(history) if seed % 2 == 0 else history


def _log_uniform(dice: Random, most: int) -> int:
    return max(1, int(most ** dice.random()))


def _kill(dice: Random, active_s: int) -> Kill:
    kind = dice.choice(_DRAWN)
    match kind:
        case KillKind.FILE_CALL:
            return Kill(kind, _log_uniform(dice, 600))
        case KillKind.CODE_CALL:
            return Kill(kind, _log_uniform(dice, 60_000))
        case KillKind.LANDMARK:
            sign = dice.choice((">", "<"))
            return Kill(kind, _log_uniform(dice, 12), sign + dice.choice(LANDMARKS))
        case KillKind.MOMENT:
            return Kill(kind, dice.randint(1, active_s))
    writes_only = dice.random() < 0.7
    return Kill(kind, _log_uniform(dice, 8 if writes_only else 120), "", writes_only)


def _lives(dice: Random, active_s: int) -> tuple[Life, ...]:
    lives = []
    for _ in range(dice.choice((1, 1, 2, 2, 3))):
        disk = None
        if dice.random() < 0.2:
            calls = dice.choice((1, 1, 5, 40, FROM_THEN_ON))
            disk = DiskTrouble(_log_uniform(dice, 400), calls, dice.choice(DISK_CODES))
        dead_s = dice.choice((0.01, 0.01, 0.3, 2.0, 8.0, 25.0))
        lives.append(Life(_kill(dice, active_s), dead_s, disk))
    return (*lives, Life(Kill(KillKind.NONE), 0.01))


def _phases(dice: Random, active_s: int) -> tuple[Phase, ...]:
    phases, second = [], 0
    while second < active_s + 30:
        jump = dice.choice((0, 0, 0, 0, -60, 60, -150, 150))
        drift = dice.choice((0, 0, -3, 3, -8, 8))
        phases.append(Phase(second, drift, dice.choice((0, 1, 3, 6)), jump))
        second += dice.randint(8, 40)
    return tuple(phases)


def _wishes(dice: Random, active_s: int) -> tuple[Wish, ...]:
    wishes = []
    for symbol in SYMBOLS:
        second = dice.randint(2, 14)
        while second < active_s - 5:
            stop = dice.choice((15, 40, 80))
            leave = dice.choice((None, None, 5, 12, 30))
            wishes.append(Wish(second, symbol, stop, stop * 2, leave))
            second += SIGNALS_APART_S + dice.randint(0, 15)
    return tuple(sorted(wishes, key=lambda wish: (wish.at_s, wish.symbol)))


def _orders(dice: Random, active_s: int) -> tuple[Order, ...]:
    orders: list[Order] = []
    if dice.random() < 0.35:
        symbol = dice.choice(SYMBOLS)
        orders.append(Order(dice.uniform(10, active_s), "close-position", symbol))
    if dice.random() < 0.2:
        begin = dice.uniform(5, active_s - 10)
        orders.append(Order(begin, "pause"))
        orders.append(Order(begin + dice.uniform(5, 30), "resume"))
    if dice.random() < 0.25:
        begin = dice.uniform(10, active_s)
        orders.append(Order(begin, dice.choice(("stop", "stop-flatten"))))
        orders.append(Order(begin + dice.uniform(10, 40), "clear-stop"))
    return tuple(sorted(orders, key=lambda order: order.at_s))


def _trades(dice: Random, active_s: int) -> tuple[Order, ...]:
    """Return what a person buys and sells in the same account, in some of the histories."""
    if dice.random() >= PERSON_SHARE:
        return ()
    found = []
    for symbol in dice.sample(SYMBOLS, dice.randint(1, len(SYMBOLS))):
        buys_s = dice.uniform(0, active_s * 0.7)
        found.append(Order(buys_s, BUYS, symbol, dice.randint(1, 30)))
        if dice.random() < 0.6:
            found.append(Order(dice.uniform(buys_s + 1, active_s), SELLS, symbol))
    return tuple(found)


def _wire(dice: Random, active_s: int) -> Wire:
    is_bad = dice.random() < 0.6
    outages: tuple[tuple[float, float], ...] = ()
    if dice.random() < 0.15:
        outages = ((dice.uniform(2, active_s), dice.choice((0.5, 4.0, 15.0))),)
    gaps: tuple[tuple[float, float], ...] = ()
    if dice.random() < 0.2:
        gaps = ((dice.uniform(0, active_s), dice.uniform(0.5, 10)),)
    return Wire(
        read_rate=dice.choice((0.0, 0.01, 0.04)) if is_bad else 0.0,
        write_rate=dice.choice((0.1, 0.3, 0.6)) if is_bad else 0.0,
        kinds=tuple(dice.sample(list(WireKind), dice.randint(1, 5))),
        outages=outages,
        hint_rate=dice.choice((0.0, 0.0, 0.3, 1.0)),
        stream_gaps=gaps,
    )


def _switches(dice: Random) -> tuple[str, ...]:
    return (
        f"partial_fill_rate={dice.choice((0, 0, 0.4, 0.9))}",
        f"cancel_lag_s={dice.choice((0, 0, 0.4, 0.8))}",
        f"replace_lag_s={dice.choice((0, 0, 0.4, 1.5))}",
        f"lookup_lag_s={dice.choice((0, 0, 0, 0.4))}",
        f"positions_lag_s={dice.choice((0, 0, 0.4, 1))}",
        f"activities_lag_s={dice.choice((0, 0, 1, 5))}",
        f"sibling_end={dice.choice(('canceled', 'replaced', 'silent'))}",
        f"own_stream_ids={dice.choice(('true', 'false'))}",
    )
