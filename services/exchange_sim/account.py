"""Money, pure: what a fill does to cash and position, what orders reserve, what is left to buy.

A position carries its cost to the last digit, so that cash + cost - realized gains is always
what came in: rounding moves between cost and gain, never out of the account. Buying power is
multiplier x free equity less what open orders reserve; the multiplier is 4 from 2,000 dollars
of equity on, else 1 (FINRA's rule of June 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.exchange_sim.margin import Holding, holding
from services.exchange_sim.order_rules import buy_stop_cap
from services.exchange_sim.records import ZERO, SimOrder, SimPosition
from shared.models.orders import OrderType, Side

MARGIN_EQUITY_MIN = Decimal(2_000)
GROSS_EQUITY_RATIO_MAX = 6
"""From more than six times the equity on, positions may only be closed."""
SHORT_PRICE_FACTOR = Decimal("1.03")
COST_DIGITS = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class FillEffect:
    """What one fill changes."""

    position: SimPosition | None
    """None is flat."""
    cash: Decimal
    """Signed change of cash."""
    realized: Decimal = ZERO
    """Gain or loss, in dollars, of the shares that were closed."""


def apply_fill(
    position: SimPosition | None, symbol: str, signed_qty: Decimal, price: Decimal
) -> FillEffect:
    """Return position and cash change of buying (+) or selling (-) shares at a price.

    More shares than are there close the position and open one on the other side.
    """
    cash = -signed_qty * price
    if position is None:
        return FillEffect(SimPosition(symbol, signed_qty, -cash, signed_qty, -cash), cash)
    if (position.qty > 0) == (signed_qty > 0):
        added = (position.today_qty + signed_qty, position.today_cost - cash)
        grown = SimPosition(symbol, position.qty + signed_qty, position.cost - cash, *added)
        return FillEffect(grown, cash)
    rest = position.qty + signed_qty
    if rest == 0 or (rest > 0) != (position.qty > 0):
        cost = rest * price
        opened = SimPosition(symbol, rest, cost, rest, cost) if rest else None
        return FillEffect(opened, cash, position.qty * price - position.cost)
    kept = (position.cost * rest / position.qty).quantize(COST_DIGITS)
    realized = cash - (position.cost - kept)
    return FillEffect(SimPosition(symbol, rest, kept, *of_today(position, rest)), cash, realized)


def of_today(position: SimPosition, rest: Decimal) -> tuple[Decimal, Decimal]:
    """Return how many of the shares that are left are today's, and their cost: those held over
    night go first.
    """
    if abs(position.today_qty) <= abs(rest):
        return position.today_qty, position.today_cost
    return rest, (position.today_cost * rest / position.today_qty).quantize(COST_DIGITS)


def available_qty(position: SimPosition, held: Decimal) -> Decimal:
    """Return the shares of the position that no closing order holds; signed as the position."""
    free = max(ZERO, abs(position.qty) - held)
    return free if position.qty > 0 else -free


def tradable_qty(order: SimOrder, position: SimPosition | None, *, no_shorting: bool) -> Decimal:
    """Return how many of the order's open shares may trade now: where shorting is forbidden a
    sell trades no more than is held, whatever was faster.
    """
    if not no_shorting or order.side is Side.BUY:
        return order.remaining
    return min(order.remaining, max(ZERO, position.qty if position is not None else ZERO))


def working_limit(order: SimOrder) -> Decimal | None:
    """Return the limit that binds a fill, None for any price: a buy stop has one too."""
    buy_stop = order.type is OrderType.STOP and order.side is Side.BUY
    if buy_stop and order.stop_price is not None:
        return buy_stop_cap(order.stop_price)
    return order.limit_price


def cost_price(order: SimOrder, bid_ask: tuple[Decimal, Decimal]) -> Decimal:
    """Return the price per share that an opening order is reserved at."""
    bid, ask = bid_ask
    known = working_limit(order)
    if order.side is Side.SELL:
        return max(bid if known is None else known, ask * SHORT_PRICE_FACTOR)
    return ask if known is None else known


def opening_qty(order: SimOrder, position: SimPosition | None) -> Decimal:
    """Return how many of the order's open shares would open exposure, not close it."""
    if position is None or (position.qty > 0) == (order.side is Side.BUY):
        return order.remaining
    return max(ZERO, order.remaining - abs(position.qty))


@dataclass(frozen=True, slots=True)
class Worth:
    """The account's numbers at one moment, in dollars."""

    cash: Decimal
    holdings: tuple[Holding, ...]
    reserved: Decimal
    """What open orders that would open exposure may cost."""
    multiplier: int
    """The account's own highest; equity may allow less."""

    @property
    def long_value(self) -> Decimal:
        """Value of the shares held."""
        return sum((one.value for one in self.holdings if one.value > 0), ZERO)

    @property
    def short_value(self) -> Decimal:
        """Value of the shares owed: negative or zero."""
        return sum((one.value for one in self.holdings if one.value < 0), ZERO)

    @property
    def equity(self) -> Decimal:
        """Cash and all positions."""
        return self.cash + self.long_value + self.short_value

    @property
    def gross(self) -> Decimal:
        """Exposure of both sides."""
        return self.long_value - self.short_value

    @property
    def maintenance_margin(self) -> Decimal:
        """What must stay behind the positions."""
        return sum((one.maintenance for one in self.holdings), ZERO)

    @property
    def initial_margin(self) -> Decimal:
        """What Regulation T asks for behind the positions."""
        return sum((one.initial for one in self.holdings), ZERO)

    @property
    def margin_multiplier(self) -> int:
        """1 below the margin minimum, else the account's own."""
        return self.multiplier if self.equity >= MARGIN_EQUITY_MIN else 1

    @property
    def may_short(self) -> bool:
        """Whether equity and margin allow selling what is not held."""
        return self.margin_multiplier > 1

    @property
    def is_closing_only(self) -> bool:
        """Whether the positions are so large that only closing orders are taken."""
        return self.gross > max(ZERO, self.equity) * GROSS_EQUITY_RATIO_MAX

    def buying_power(self, multiplier: int | None = None) -> Decimal:
        """What may still be bought, at that multiplier or the account's own."""
        factor = self.margin_multiplier if multiplier is None else multiplier
        bound = sum((one.bound(factor) for one in self.holdings), ZERO)
        return max(ZERO, (self.equity - bound) * factor - self.reserved)


def worth_of(
    cash: Decimal,
    positions: Iterable[SimPosition],
    prices: Mapping[str, Decimal],
    reserved: Decimal,
    multiplier: int,
) -> Worth:
    """Return the account's numbers; a position without a price counts at its entry."""
    holdings = tuple(
        holding(position.qty, prices.get(position.symbol, position.avg_entry_price))
        for position in positions
    )
    return Worth(cash, holdings, reserved, multiplier)
