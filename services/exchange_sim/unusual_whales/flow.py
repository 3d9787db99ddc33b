"""The options flow of one minute of one symbol, made of its bar and its place alone. Pure.

Buyers of calls and sellers of puts follow the bar: up minutes have more of them. An alert is a
part of its minute's flow, a dark pool print a part of its minute's volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from services.exchange_sim.market.bar_file import epoch_minute
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.noise import whole_at
from services.exchange_sim.naming import seeded_uuid
from services.exchange_sim.unusual_whales.contracts import (
    CONTRACT_SHARES,
    OptionContract,
    expiry_after,
    strike_near,
    worth,
)
from shared.models.market import Candle
from shared.models.numbers import CENT

_RANGE = 65_536
_ONE_MINUTE = timedelta(minutes=1)
_SHARES_PER_OPTION = 300
"""So many shares change hands for one option contract."""
_AVERAGE_PRICE_SHARE = Decimal("0.012")
"""What the average contract costs, as a part of the share's price."""
_ALERTS_AMONG, _PRINTS_AMONG, _CANCELED_AMONG = 8, 4, 64
RULES = (
    "RepeatedHits",
    "RepeatedHitsAscendingFill",
    "RepeatedHitsDescendingFill",
    "FloorTradeSmallCap",
    "FloorTradeLargeCap",
    "SweepsFollowedByFloor",
    "LowHistoricVolumeFloor",
)
_SWEEPING = frozenset({"SweepsFollowedByFloor"})
_EXCHANGES = ("XCBO", "MPRL", "ARCO", "XISX", "XPHO", "EMLD")
_MARKET_CENTERS = ("L", "D", "N", "B")


@dataclass(frozen=True, slots=True)
class Side:
    """Contracts of one kind in one minute, and the premium of those traded at ask and at bid."""

    volume: int
    at_ask: int
    at_bid: int
    price: Decimal

    @property
    def net_volume(self) -> int:
        """Contracts at the ask less those at the bid."""
        return self.at_ask - self.at_bid

    @property
    def premium(self) -> Decimal:
        """Dollars of all."""
        return self.volume * CONTRACT_SHARES * self.price

    @property
    def net_premium(self) -> Decimal:
        """Dollars at the ask less those at the bid."""
        return self.net_volume * CONTRACT_SHARES * self.price


@dataclass(frozen=True, slots=True)
class FlowAlert:
    """Several trades in one contract that a rule found worth telling."""

    id: str
    rule_id: str
    rule: str
    contract: OptionContract
    created_at: datetime
    started_at: datetime
    price: Decimal
    underlying_price: Decimal
    size: int
    at_ask: int
    trade_count: int
    volume: int
    open_interest: int
    volatility: float
    has_sweep: bool
    has_floor: bool
    has_multileg: bool
    exchanges: tuple[str, ...]

    @property
    def premium(self) -> Decimal:
        """Dollars of all its trades."""
        return self.size * CONTRACT_SHARES * self.price

    @property
    def ask_premium(self) -> Decimal:
        """Dollars of those at the ask; the others were at the bid."""
        return self.at_ask * CONTRACT_SHARES * self.price


@dataclass(frozen=True, slots=True)
class DarkPrint:
    """One off-exchange trade."""

    tracking_id: int
    ticker: str
    executed_at: datetime
    price: Decimal
    size: int
    bid: Decimal
    ask: Decimal
    market_center: str
    canceled: bool


@dataclass(frozen=True, slots=True)
class FlowMinute:
    """What happened in a finished minute of a symbol."""

    candle: Candle
    calls: Side
    puts: Side
    otm_share: Decimal
    """The part of the premium in contracts out of the money."""
    alert: FlowAlert | None
    dark: DarkPrint | None


def flow_minute(seed: int, candle: Candle) -> FlowMinute:
    """Return the flow of a finished minute."""
    dice = _Dice(seed, candle)
    rising = _lean(candle)
    alert = _alert(dice, rising)
    total = candle.volume // _SHARES_PER_OPTION
    call_count = int(total * (0.35 + 0.2 * dice.share("calls") + 0.1 * rising))
    return FlowMinute(
        candle=candle,
        calls=_side(dice, "call", call_count, rising, alert),
        puts=_side(dice, "put", total - call_count, 1 - rising, alert),
        otm_share=Decimal(50 + dice.below("otm", 40)) / 100,
        alert=alert,
        dark=_dark_print(dice),
    )


class _Dice:
    """Random numbers that belong to one minute of one symbol."""

    def __init__(self, seed: int, candle: Candle) -> None:
        self.candle = candle
        self.key = f"{seed}|whales|{candle.symbol}"
        self.minute = epoch_minute(candle.start)
        self.day: date = new_york_day(candle.start)

    def whole(self, what: str) -> int:
        return whole_at(f"{self.key}|{what}", self.minute)

    def share(self, what: str) -> float:
        return self.whole(what) / _RANGE

    def below(self, what: str, count: int) -> int:
        return self.whole(what) * count // _RANGE

    def moment(self, what: str, first_s: int, last_s: int) -> datetime:
        microseconds = first_s * 1_000_000 + self.below(what, _RANGE) * (last_s - first_s) * 15
        return self.candle.start + timedelta(microseconds=microseconds)


def _lean(candle: Candle) -> float:
    """Return where in its range the minute closed: 0 at the low, 1 at the high."""
    width = candle.high - candle.low
    return float((candle.close - candle.low) / width) if width else 0.5


def _side(dice: _Dice, kind: str, count: int, lean: float, alert: FlowAlert | None) -> Side:
    at_ask = int(count * (0.2 + 0.3 * dice.share(f"{kind} ask") + 0.3 * lean) * 0.8)
    at_bid = int((count - at_ask) * (0.4 + 0.5 * dice.share(f"{kind} bid")))
    price = max(CENT, (dice.candle.close * _AVERAGE_PRICE_SHARE).quantize(CENT))
    if alert is not None and alert.contract.kind == kind:
        # The alert's contracts count at what they cost, in units of the average contract.
        weight = alert.price / price
        count += int(alert.size * weight)
        at_ask += int(alert.at_ask * weight)
        at_bid += int((alert.size - alert.at_ask) * weight)
    return Side(count, at_ask, at_bid, price)


def _contract(dice: _Dice, rising: float) -> OptionContract:
    candle = dice.candle
    away = Decimal(dice.below("strike", 9) - 2) / 100
    is_call = dice.share("kind") < 0.25 + 0.5 * rising
    strike = strike_near(candle.close * (1 + away if is_call else 1 - away))
    return OptionContract(
        candle.symbol, expiry_after(dice.day, dice.below("weeks", 6)), is_call, strike
    )


def _alert(dice: _Dice, rising: float) -> FlowAlert | None:
    if dice.below("alert", _ALERTS_AMONG) or not dice.candle.volume:
        return None
    contract = _contract(dice, rising)
    volatility = 0.18 + 0.3 * dice.share("volatility")
    price = worth(contract, dice.candle.close, dice.day, volatility)
    size = 50 + dice.below("size", 40) ** 2
    rule = RULES[dice.below("rule", len(RULES))]
    created_at = dice.moment("created", 59, 60)
    first = dice.below("venue", len(_EXCHANGES))
    return FlowAlert(
        id=seeded_uuid(dice.key, "alert", dice.minute),
        rule_id=seeded_uuid("rule", rule),
        rule=rule,
        contract=contract,
        created_at=created_at,
        started_at=created_at - timedelta(milliseconds=50 + dice.below("spell", 30_000)),
        price=price,
        underlying_price=dice.candle.close,
        size=size,
        at_ask=size * (0, 1, 3, 4)[dice.below("at ask", 4)] // 4,
        trade_count=3 + dice.below("trades", 20),
        volume=size + dice.below("volume", 3_000),
        open_interest=100 + dice.below("interest", 20_000),
        volatility=volatility,
        has_sweep=rule in _SWEEPING or dice.below("sweep", 3) == 0,
        has_floor="Floor" in rule,
        has_multileg=dice.below("legs", 16) == 0,
        exchanges=(_EXCHANGES[first], _EXCHANGES[first - 1]),
    )


def _dark_print(dice: _Dice) -> DarkPrint | None:
    candle = dice.candle
    size = candle.volume // (4 + dice.below("part", 12))
    if dice.below("dark", _PRINTS_AMONG) or size == 0:
        return None
    middle = (candle.high + candle.low) / 2
    bid = max(CENT, middle.quantize(CENT) - CENT)
    return DarkPrint(
        tracking_id=dice.minute * 100_000 + dice.whole("tracking"),
        ticker=candle.symbol,
        executed_at=dice.moment("executed", 1, 59).replace(microsecond=0),
        price=min(max(middle.quantize(Decimal("0.0001")), candle.low), candle.high),
        size=size,
        bid=bid,
        ask=bid + 2 * CENT,
        market_center=_MARKET_CENTERS[dice.below("center", len(_MARKET_CENTERS))],
        canceled=dice.below("canceled", _CANCELED_AMONG) == 0,
    )


def minute_end(minute: FlowMinute) -> datetime:
    """Return when the minute was over, from when on all of it may be told."""
    return minute.candle.start + _ONE_MINUTE
