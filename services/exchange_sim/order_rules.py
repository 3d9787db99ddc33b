"""The rules that an order's own fields must obey, whatever the books say. Pure."""

from __future__ import annotations

from decimal import Decimal

from services.exchange_sim.records import Refusal
from services.exchange_sim.ticket import Amendment, Ticket, bad_form, bad_order
from shared.models.numbers import CENT, round_to_tick
from shared.models.orders import OrderClass, OrderType, Side, TimeInForce

_LIMITS = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_ENTRY_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})
_LASTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_ONE_DOLLAR = Decimal(1)
_CENTS = 2
_AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})
_FRACTIONS_OF = frozenset(OrderType) - {OrderType.TRAILING_STOP}
_CAP_STOP_FROM = Decimal(50)
_CAP_BELOW, _CAP_FROM = Decimal("1.04"), Decimal("1.025")
_TRAIL_PERCENT_MAX = Decimal(100)


def buy_stop_cap(stop: Decimal) -> Decimal:
    """Return the highest price, in dollars, that a buy stop may fill at: Alpaca turns it into a
    stop-limit 4 % above a stop below 50 dollars, 2.5 % above a higher one.
    """
    return round_to_tick(stop * (_CAP_BELOW if stop < _CAP_STOP_FROM else _CAP_FROM))


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def check_tick(name: str, price: Decimal | None) -> None:
    """Refuse a price finer than the tick: two decimals from one dollar on, four below."""
    if price is None:
        return
    if _decimals(price) > (_CENTS if price >= _ONE_DOLLAR else 4):
        raise _too_fine(name, price)


def _too_fine(name: str, price: Decimal) -> Refusal:
    return bad_order(
        f"invalid {name} {price}. sub-penny increment does not fulfill minimum pricing criteria"
    )


def check_form(ticket: Ticket) -> None:
    """Refuse fields that do not belong together; raises Refusal."""
    _check_type(ticket)
    _check_time_in_force(ticket)
    _check_quantity(ticket)
    if ticket.order_class is not OrderClass.SIMPLE:
        _check_class(ticket)
    elif ticket.take_profit or ticket.stop_loss:
        raise bad_form("take_profit and stop_loss require a complex order_class")
    for name in ("limit_price", "stop_price"):
        check_tick(name, getattr(ticket, name))
    check_tick("take_profit.limit_price", ticket.take_profit)
    check_tick("stop_loss.stop_price", ticket.stop_loss)
    check_tick("stop_loss.limit_price", ticket.stop_loss_limit)


def _check_type(ticket: Ticket) -> None:
    kind = ticket.type
    _check_trail(ticket)
    if ticket.order_class is OrderClass.OCO:
        return  # its prices stand in the legs
    if kind in _LIMITS and ticket.limit_price is None:
        raise bad_form(f"{kind.value} orders require a limit price")
    if kind in _STOPS and ticket.stop_price is None:
        raise bad_form(f"{kind.value} orders require a stop price")
    if kind not in _LIMITS and ticket.limit_price is not None:
        raise bad_form(f"{kind.value} orders must not have a limit price")
    if kind not in _STOPS and ticket.stop_price is not None:
        raise bad_form(f"{kind.value} orders must not have a stop price")


def _check_trail(ticket: Ticket) -> None:
    trails = [one for one in (ticket.trail_price, ticket.trail_percent) if one is not None]
    if ticket.type is not OrderType.TRAILING_STOP:
        if trails:
            raise bad_form(f"{ticket.type.value} orders must not have a trail")
        return
    if len(trails) != 1:
        raise bad_form("trailing_stop orders require exactly one of trail_price and trail_percent")
    if ticket.time_in_force not in _LASTING:
        raise bad_order("trailing_stop orders must be DAY or GTC")
    if ticket.order_class is not OrderClass.SIMPLE:
        raise bad_order("trailing_stop orders must be simple orders")
    if ticket.trail_percent is not None and ticket.trail_percent >= _TRAIL_PERCENT_MAX:
        raise bad_order("trail_percent must be less than 100")
    if ticket.trail_price is not None and _decimals(ticket.trail_price) > _CENTS:
        raise _too_fine("trail_price", ticket.trail_price)


def _check_time_in_force(ticket: Ticket) -> None:
    tif = ticket.time_in_force
    if ticket.extended_hours and (ticket.type is not OrderType.LIMIT or tif not in _LASTING):
        raise bad_order("extended hours order must be DAY limit orders")
    if tif in _IMMEDIATE | _AUCTIONS and ticket.type not in _ENTRY_TYPES:
        raise bad_order(f"{tif.value} orders must be market or limit")
    if ticket.order_class is not OrderClass.SIMPLE and tif not in _LASTING:
        raise bad_order("complex orders only support day and gtc time in force")


def _check_quantity(ticket: Ticket) -> None:
    if not is_fractional(ticket):
        return
    if ticket.order_class is not OrderClass.SIMPLE:
        raise bad_order("fractional orders must be simple orders")
    if ticket.time_in_force is not TimeInForce.DAY:
        raise bad_order("fractional orders must be DAY orders")
    if ticket.type not in _FRACTIONS_OF:
        raise bad_order(f"fractional orders must not be {ticket.type.value} orders")
    if ticket.notional is not None and _decimals(ticket.notional) > _CENTS:
        raise bad_form("notional must have at most 2 decimals")


def is_fractional(ticket: Ticket) -> bool:
    """Whether the order may trade a part of a share."""
    return ticket.notional is not None or _decimals(ticket.qty) > 0


def _check_class(ticket: Ticket) -> None:
    name = ticket.order_class.value
    both = ticket.take_profit is not None and ticket.stop_loss is not None
    if ticket.extended_hours:
        raise bad_order("extended hours orders must be simple orders")
    if ticket.order_class is OrderClass.OTO:
        if (ticket.take_profit is None) == (ticket.stop_loss is None):
            raise bad_form("oto orders require exactly one of take_profit and stop_loss")
    elif ticket.take_profit is None:
        raise bad_form(f"{name} orders require take_profit.limit_price")
    elif ticket.stop_loss is None:
        raise bad_form(f"{name} orders require stop_loss.stop_price")
    if ticket.order_class is OrderClass.OCO:
        if ticket.type is not OrderType.LIMIT:
            raise bad_form("oco orders must be limit orders")
    elif ticket.type not in _ENTRY_TYPES:
        raise bad_form(f"{name} orders must be market or limit orders")
    if both:
        _check_leg_order(ticket)


def _check_leg_order(ticket: Ticket) -> None:
    target, stop = ticket.take_profit, ticket.stop_loss
    if target is None or stop is None:
        return
    exit_sells = (ticket.side is Side.BUY) is not (ticket.order_class is OrderClass.OCO)
    if exit_sells and target <= stop:
        raise bad_order("take_profit.limit_price must be > stop_loss.stop_price")
    if not exit_sells and target >= stop:
        raise bad_order("take_profit.limit_price must be < stop_loss.stop_price")


def check_stop_loss(ticket: Ticket, current: Decimal) -> None:
    """Refuse a protective leg closer than a cent to, or beyond, its base prices; a target on
    the wrong side of an entry likewise. Bases are the current price and the limit of the entry,
    or of an OCO's target.
    """
    exits_only = ticket.order_class is OrderClass.OCO
    own = ticket.take_profit if exits_only else ticket.limit_price
    base = own if own is not None else current
    exit_sells = (ticket.side is Side.BUY) is not exits_only
    stop, target = ticket.stop_loss, ticket.take_profit
    if stop is not None:
        nearest = min(base, current) if exit_sells else max(base, current)
        if exit_sells and stop > nearest - CENT:
            raise bad_order("stop_loss.stop_price must be <= base_price - 0.01", base_price=nearest)
        if not exit_sells and stop < nearest + CENT:
            raise bad_order("stop_loss.stop_price must be >= base_price + 0.01", base_price=nearest)
    if target is not None and not exits_only:
        if exit_sells and target < base + CENT:
            raise bad_order("take_profit.limit_price must be >= base_price + 0.01", base_price=base)
        if not exit_sells and target > base - CENT:
            raise bad_order("take_profit.limit_price must be <= base_price - 0.01", base_price=base)


def check_stop_side(side: Side, stop: Decimal, current: Decimal) -> None:
    """Refuse a stop that the market has passed already, or that is less than a cent away."""
    if side is Side.SELL and stop > current - CENT:
        relation = "less"
    elif side is Side.BUY and stop < current + CENT:
        relation = "greater"
    else:
        return
    raise bad_order(
        f"stop price must be {relation} than current price", market_price=current, stop_price=stop
    )


def check_amendment(amendment: Amendment) -> None:
    """Refuse a change whose prices are finer than the tick, or that changes nothing."""
    if amendment.is_empty:
        words = "qty, time_in_force, limit_price, stop_price, trail"
        raise bad_order(f"at least one of {words} is required")
    check_tick("limit_price", amendment.limit_price)
    check_tick("stop_price", amendment.stop_price)
    if amendment.time_in_force is not None and amendment.time_in_force not in _LASTING:
        raise bad_order("time_in_force must be day or gtc")
