"""What a history gets so that its first life reaches the place at which it is to end. Pure.

Some places lie off the common path: nobody looks an order up whose reply came. A death planned
there gets a scene of its own: one trade at rest, and one trouble that leads to the place. Until
the scene is over nothing else goes wrong; then the history is as it was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

from services.trading_bot.sends import ENTRY_SLIP
from tests.crash import request_kinds as requests
from tests.crash.history import (
    SYMBOLS,
    History,
    Order,
    Phase,
    Strike,
    WireKind,
    Wish,
)

ENTERED_S = 9.0
"""Market seconds from a wish to its position: a turn of clock B, and the fill."""
SCENE_S = 25.0
"""Market seconds from the wish for which the scene has the stage for itself."""
AGAIN_S = 6.0
"""After so many market seconds the operator asks again: the entry may have come late."""
_UNREADABLE = (WireKind.LOST_BEFORE, WireKind.REFUSED_BEFORE, WireKind.TRUNCATED)
_LOST = (WireKind.LOST_BEFORE, WireKind.REFUSED_BEFORE)


@dataclass(frozen=True, slots=True)
class _Stage:
    """The one trade of a scene."""

    history: History
    wish: Wish
    dice: Random

    def moment_s(self) -> float:
        """Draw when something happens to the position."""
        return self.wish.at_s + ENTERED_S + self.dice.uniform(0, 3)

    def with_orders(self, *orders: Order) -> History:
        """Return the history in which the operator says this, too."""
        every = sorted((*self.history.orders, *orders), key=lambda order: order.at_s)
        return replace(self.history, orders=tuple(every))


Scene = Callable[[_Stage], History]


def shaped(history: History) -> History:
    """Return the history whose first life reaches its place; the same one where it does anyway."""
    life = history.lives[0]
    scenes = _SCENES.get(life.kill.landmark.lstrip("><"))
    if scenes is None:
        return history
    dice = Random(f"scene {history.seed}")
    # A scene leads to its place once; the later times are for the deaths that are drawn.
    first = replace(life, kill=replace(life.kill, at=1), disk=None)
    lives = (first, *history.lives[1:])
    return dice.choice(scenes)(_set(replace(history, lives=lives), dice))


def _set(history: History, dice: Random) -> _Stage:
    """Clear the stage for one symbol's first wish: a price at rest, and nobody in its way."""
    symbol = dice.choice(SYMBOLS)
    first = next(wish for wish in history.wishes if wish.symbol == symbol)
    wish = replace(first, leave_after_s=None)
    ends_s = wish.at_s + SCENE_S
    place = SYMBOLS.index(symbol)
    later = tuple(one for one in history.phases[place] if one.from_s > ends_s)
    phases = [*history.phases]
    phases[place] = (Phase(0, 0, 1, 0), *later)
    wire = replace(
        history.wire,
        quiet_s=ends_s,
        outages=tuple(one for one in history.wire.outages if one[0] > ends_s),
        stream_gaps=tuple(one for one in history.wire.stream_gaps if one[0] > ends_s),
    )
    cleared = replace(
        history,
        session_left_s=None,
        active_s=max(history.active_s, int(ends_s) + 20),
        phases=tuple(phases),
        wishes=tuple(wish if one is first else one for one in history.wishes),
        orders=tuple(one for one in history.orders if one.at_s > ends_s),
        wire=wire,
    )
    return _Stage(cleared, wish, dice)


def _struck(history: History, strike: Strike) -> History:
    return replace(history, wire=replace(history.wire, strikes=(strike,)))


def _asked_to_leave(stage: _Stage, at_s: float) -> History:
    """The operator closes the position."""
    symbol = stage.wish.symbol
    orders = (Order(one, "close-position", symbol) for one in (at_s, at_s + AGAIN_S))
    return stage.with_orders(*orders)


def _filled_in_parts(stage: _Stage) -> History:
    """Every fill takes a part, and the price runs away from the rest: that is cancelled, and what
    was bought has no leg.
    """
    history, place = stage.history, SYMBOLS.index(stage.wish.symbol)
    drift = int(history.start_prices[place] * 100 * ENTRY_SLIP) + 2
    phases = [*history.phases]
    phases[place] = (Phase(0, drift, 0, 0), *phases[place][1:])
    switches = (*history.switches, "partial_fill_rate=1")
    return replace(history, phases=tuple(phases), switches=switches)


def _not_replaced(stage: _Stage) -> History:
    """The target cannot be changed into an exit: the legs go, and a market order follows."""
    strike = Strike(requests.REPLACE, WireKind.TOO_MANY)
    return _struck(_asked_to_leave(stage, stage.moment_s()), strike)


def _left_at_night(stage: _Stage) -> History:
    """The session ends over the position: its close is queued for the next one."""
    at_s = stage.moment_s()
    return replace(_asked_to_leave(stage, at_s + 2), session_left_s=int(at_s))


def _unreadable(stage: _Stage) -> History:
    """Positions cannot be read while one is closed: the broker computes the quantity."""
    at_s, kind = stage.moment_s(), stage.dice.choice(_UNREADABLE)
    strike = Strike(requests.POSITIONS, kind, at_s - 1, at_s + SCENE_S)
    return _struck(_asked_to_leave(stage, at_s), strike)


def _unanswered(stage: _Stage) -> History:
    """The entry never arrives, and the bot cannot know that: it is looked up."""
    strike = Strike(requests.ENTRY, stage.dice.choice(_LOST), times=1)
    return _struck(stage.history, strike)


def _commanded(stage: _Stage) -> History:
    """The operator says something."""
    at_s = stage.moment_s()
    if stage.dice.random() < 0.5:
        return _asked_to_leave(stage, at_s)
    return stage.with_orders(Order(at_s, "pause"), Order(at_s + AGAIN_S, "resume"))


_CANCELLING = (_filled_in_parts, _not_replaced, _left_at_night)
_SCENES: Mapping[str, tuple[Scene, ...]] = {
    requests.PROTECTION: (_filled_in_parts,),
    requests.EXIT: (_not_replaced, _not_replaced, _left_at_night),
    requests.CANCEL: _CANCELLING,
    requests.CLOSE: (_unreadable,),
    requests.LOOKUP: (_unanswered,),
    "OrderDoor.cancel": _CANCELLING,
    "AlpacaBroker.cancel": _CANCELLING,
    "OrderDoor.close": (_unreadable,),
    "AlpacaReads.order_by_client_id": (_unanswered,),
    "Settler.settle": (_unanswered,),
    "CommandSpool.begin": (_commanded,),
    "CommandSpool.answer": (_commanded,),
}
"""By the name of the place, of which there are two or three; one of its scenes is drawn."""
