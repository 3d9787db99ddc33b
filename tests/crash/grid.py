"""Every place at which a bot is killed by plan and not by chance. Pure.

Half of all histories begin with one of these, in turn, so that no call of a commit and no step of
the order path is left to luck; the rest of each history, and the other half, are drawn. To what
lies off the common path a scene leads (shapes.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

from tests.crash import request_kinds as requests
from tests.crash.history import Kill, KillKind

FILE_CALLS = {
    "StateStore.load": 30,
    "StateStore.set_aside": 10,
    "StateStore.commit": 22,
    "Journal.open": 20,
    "Journal.append": 4,
    "Journal.compact": 11,
}
"""How many calls of the file port each of them makes; test_crash_grid.py counts again."""
COMMIT_CALLS_LATER = 20
"""Those of every commit but a new account's first, which writes the marker, too."""
COMPACTION = "Journal.compact"
LANDMARKS = (
    "Loop._carry_out",
    "Memory.book",
    "Journal.append",
    "OrderDoor.send",
    "OrderDoor._submit",
    "AlpacaBroker.submit",
    "AlpacaBroker._place",
    "OrderDoor._book",
    "OrderDoor.cancel",
    "AlpacaBroker.cancel",
    "OrderDoor.close",
    "BrokerEye.look",
    "BrokerEye.news",
    "Reconciler._apply",
    "AlpacaReads.order_by_client_id",
    "Settler.settle",
    "Books.write",
    "LedgerWriter.commit",
    "Loop._keep_books",
    "Memory.commit",
    "StateStore.commit",
    "Journal.compact",
    "CommandDesk.take",
    "CommandDesk.verify",
    "CommandSpool.begin",
    "CommandSpool.answer",
)
"""The steps from a signal to a booked fill, and those beside it, in their order."""
_AT_REQUESTS = (KillKind.REQUEST_LOST, KillKind.REQUEST_LATE, KillKind.REQUEST_BOOKED)
_AT_THE_START = ("StateStore.load", "Journal.open")
_OF_A_NEW_ACCOUNT = "StateStore.set_aside"
_ONCE_IN_A_LIFE = (*_AT_THE_START, _OF_A_NEW_ACCOUNT, COMPACTION)
_AGED_RATE = 0.1
_TIMES_MAX = 12


def _file_steps() -> list[Kill]:
    return [
        Kill(KillKind.FILE_STEP, call, name)
        for name, calls in FILE_CALLS.items()
        for call in range(1, calls + 1)
    ]


def _landmarks() -> list[Kill]:
    return [Kill(KillKind.LANDMARK, 1, sign + name) for name in LANDMARKS for sign in "><"]


def _requests() -> list[Kill]:
    kinds = (*requests.WRITES, *requests.READS)
    return [Kill(how, 1, kind) for kind in kinds for how in _AT_REQUESTS]


POINTS: tuple[Kill, ...] = (*_file_steps(), *_landmarks(), *_requests())
"""All of them; each is met the first time, or the Nth, as `planned` draws it."""
_MIXED = list(POINTS)
Random("grid").shuffle(_MIXED)


def name_of(kill: Kill) -> str:
    """Return how the table, and `--place`, call the place of a death."""
    if kill.kind is KillKind.FILE_STEP:
        return f"{kill.kind.value} {kill.landmark} call {kill.at:02d}"
    return f"{kill.kind.value} {kill.landmark}".rstrip()


def seeds_at(place: str, first: int) -> Iterator[int]:
    """Return the seeds, from the first on and without end, whose first life is to end at a place
    whose name holds these words; there must be one.
    """
    evens = count(first + first % 2, 2)
    return (seed for seed in evens if place in name_of(_point(seed // 2)))


def _point(number: int) -> Kill:
    """Return the plan's point of that number: all come once before any comes again, in a mixed
    order, so that a short run meets some of each sort.
    """
    return _MIXED[number % len(_MIXED)]


def planned(number: int, dice: Random) -> Kill:
    """Return the plan's kill of that number, at the point's first time or a later one."""
    point = _point(number)
    if point.kind is KillKind.FILE_STEP:
        is_single = point.landmark in _ONCE_IN_A_LIFE or _is_first_commit(point)
        times = 1 if is_single else int(_TIMES_MAX ** dice.random())
        return Kill(point.kind, point.at, point.landmark, times=times)
    is_single = point.landmark[1:] == COMPACTION
    most = 1 if is_single else 3 if point.landmark in requests.WRITES else 6
    return Kill(point.kind, int(most ** dice.random()), point.landmark)


def aged_records(kill: Kill, dice: Random) -> int:
    """Return how many journal records of an earlier time the kill needs to be met, 0 for none."""
    drawn = dice.random()
    if kill.landmark.lstrip("><") == COMPACTION:
        return dice.randint(150, 200)
    if kill.landmark == _OF_A_NEW_ACCOUNT or _is_first_commit(kill):
        return 0
    if kill.landmark in _AT_THE_START:
        return dice.randint(0, 1) * 10 if kill.at <= FILE_CALLS[kill.landmark] // 2 else 10
    return dice.randint(150, 200) if drawn < _AGED_RATE else 0


def _is_first_commit(kill: Kill) -> bool:
    return kill.kind is KillKind.FILE_STEP and (
        kill.landmark == "StateStore.commit" and kill.at > COMMIT_CALLS_LATER
    )
