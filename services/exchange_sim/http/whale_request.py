"""Reading requests to Unusual Whales; what makes no sense is 422 with msg, path and query."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from starlette.requests import Request

from services.exchange_sim.records import Refusal
from services.exchange_sim.unusual_whales.feed import Stretch
from services.exchange_sim.unusual_whales.flow import FlowAlert
from shared.clock import parse_utc

_UNPROCESSABLE = 422
_NUMBER_CHARACTERS_MAX = 15
_MILLISECONDS_FROM = 10**11
"""A larger unix time is in milliseconds."""
_LATEST_S = 253_370_764_800
_YES, _NO = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no", ""})
_SHOWN_MAX = 80
_PAGES_MAX = 10_000
_TIMEFRAME = re.compile(r"([1-9][0-9]{0,2})([DWMY])")
_DAYS_OF_UNIT = {"D": 1, "W": 7, "M": 30, "Y": 365}
_DAYS_MAX = 3_650
_FIRST_DAY = date(1900, 1, 1)
"""No option traded earlier, and ten years can be taken off."""
Value = TypeVar("Value")
Word = TypeVar("Word", bound=StrEnum)
_BOUNDLESS = Decimal("Infinity")


class WhaleRefusal(Refusal):
    """No, in the vendor's words."""

    def __init__(self, request: Request, message: str, status: int = _UNPROCESSABLE) -> None:
        super().__init__(status, 0, message)
        self._path = request.url.path
        self._query = request.url.query

    def document(self) -> dict[str, object]:
        """Return the JSON body."""
        return {"msg": self.message, "path": self._path, "query": self._query}


def _wrong(request: Request, name: str, text: str, wanted: str) -> WhaleRefusal:
    return WhaleRefusal(request, f"{name}: {text[:_SHOWN_MAX]!r} is not {wanted}")


def flag(request: Request, name: str) -> bool | None:
    """Return a yes or no of the query in any spelling, None when it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    word = text.lower()
    if word not in _YES | _NO:
        raise _wrong(request, name, text, "true or false")
    return word in _YES


def amount(request: Request, name: str) -> Decimal | None:
    """Return a number of the query, None when it is not given."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        value = Decimal(text[: _NUMBER_CHARACTERS_MAX + 1])
    except InvalidOperation:
        raise _wrong(request, name, text, "a number") from None
    if not value.is_finite() or len(text) > _NUMBER_CHARACTERS_MAX:
        raise _wrong(request, name, text, "a number")
    return value


def limit_of(request: Request, default: int, most: int) -> int:
    """Return how many rows are wanted, 1 to `most`."""
    value = amount(request, "limit")
    if value is None:
        return default
    if not 1 <= value <= most or value != int(value):
        raise _wrong(request, "limit", str(value), f"a whole number from 1 to {most}")
    return int(value)


def page_of(request: Request) -> int:
    """Return the number of the page, the first one being 0."""
    value = amount(request, "page")
    if value is None:
        return 0
    if not 0 <= value <= _PAGES_MAX or value != int(value):
        raise _wrong(request, "page", str(value), "a whole number from 0 on")
    return int(value)


def day_of(request: Request, name: str = "date") -> date | None:
    """Return a New York day of the query, None when it is not given."""
    text = request.query_params.get(name)
    return day_in(request, name, text) if text else None


def day_in(request: Request, name: str, text: str) -> date:
    """Return the day that a text of the request says."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _wrong(request, name, text, "a day YYYY-MM-DD") from None
    if day < _FIRST_DAY:
        raise _wrong(request, name, text, f"a day since {_FIRST_DAY}")
    return day


def days_of(request: Request, name: str) -> frozenset[date] | None:
    """Return the days of a list `NAME[]`, None when it is not given; a wanted one must be."""
    texts = _listed(request, name)
    return frozenset(day_in(request, name, text) for text in texts) if texts else None


def required(request: Request, name: str, value: Value | None) -> Value:
    """Return a value that must be given."""
    if value is None:
        raise WhaleRefusal(request, f"{name}: is required")
    return value


def words_of(request: Request, name: str, kinds: type[Word], default: Iterable[Word]) -> list[Word]:
    """Return the words of a list, `NAME` or `NAME[]`, each once, in their order."""
    texts = _listed(request, name)
    known = {word.value: word for word in kinds}
    for text in texts:
        if text.lower() not in known:
            raise _wrong(request, name, text, f"one of {', '.join(known)}")
    return list(dict.fromkeys(known[text.lower()] for text in texts)) or list(default)


def _listed(request: Request, name: str) -> list[str]:
    words = request.query_params
    texts = [*words.getlist(name), *words.getlist(f"{name}[]")]
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def first_day_of(request: Request, last: date) -> date:
    """Return the first day of the query's timeframe: YTD, or a number of D, W, M or Y."""
    text = (request.query_params.get("timeframe") or "1Y").upper()
    if text == "YTD":
        return last.replace(month=1, day=1)
    found = _TIMEFRAME.fullmatch(text)
    if found is None:
        raise _wrong(request, "timeframe", text, "a timeframe such as YTD, 5D, 2W, 3M or 1Y")
    days = int(found[1]) * _DAYS_OF_UNIT[found[2]]
    return last - timedelta(days=min(days, _DAYS_MAX) - 1)


def moment_of(request: Request, name: str) -> datetime | None:
    """Return a moment given as unix seconds or milliseconds, as ISO 8601, or as a day."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return _iso_moment(request, name, text)
    seconds = number / 1_000 if number >= _MILLISECONDS_FROM else number
    if not 0 <= seconds <= _LATEST_S:
        raise _wrong(request, name, text, "a moment")
    return datetime.fromtimestamp(seconds, UTC)


def _iso_moment(request: Request, name: str, text: str) -> datetime:
    # A `+` of the zone may have arrived as a blank; the blank between day and time stays.
    words = text[:11] + text[11:].replace(" ", "+")
    try:
        if len(words) == len("2026-11-20"):
            day = date.fromisoformat(words)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        if datetime.fromisoformat(words).tzinfo is None:
            words += "+00:00"
        return parse_utc(words)
    except (ValueError, OverflowError):
        wanted = "a moment: unix seconds, ISO 8601 or a day"
        raise _wrong(request, name, text, wanted) from None


def stretch_of(request: Request, symbols: tuple[str, ...], limit: int) -> Stretch:
    """Return what to list."""
    return Stretch(
        symbols, limit, moment_of(request, "newer_than"), moment_of(request, "older_than")
    )


def alert_filter(request: Request) -> Callable[[FlowAlert], bool]:
    """Return what the query keeps of all alerts."""
    ranges = {name: bounds(request, name) for name in _MEASURES}
    rules = frozenset(request.query_params.getlist("rule_name[]"))
    rules |= frozenset(request.query_params.getlist("rule_name"))
    flags = {name: flag(request, name) for name in _FLAGS}
    wanted = [_FLAGS[name] for name, value in flags.items() if value]
    unwanted = [_FLAGS[name] for name in _EXCLUDING if flags[name] is False]

    def keep(alert: FlowAlert) -> bool:
        if rules and alert.rule not in rules:
            return False
        if not all(test(alert) for test in wanted) or any(test(alert) for test in unwanted):
            return False
        return all(
            least <= _MEASURES[name](alert) <= most for name, (least, most) in ranges.items()
        )

    return keep


def bounds(request: Request, name: str) -> tuple[Decimal, Decimal]:
    """Return the least and the most that `min_NAME` and `max_NAME` of the query allow."""
    least, most = amount(request, f"min_{name}"), amount(request, f"max_{name}")
    return -_BOUNDLESS if least is None else least, _BOUNDLESS if most is None else most


_MEASURES: dict[str, Callable[[FlowAlert], Decimal]] = {
    "premium": lambda alert: alert.premium,
    "size": lambda alert: Decimal(alert.size),
    "volume": lambda alert: Decimal(alert.volume),
    "open_interest": lambda alert: Decimal(alert.open_interest),
    "volume_oi_ratio": lambda alert: Decimal(alert.volume) / alert.open_interest,
    "dte": lambda alert: Decimal((alert.contract.expiry - alert.created_at.date()).days),
}
_FLAGS: dict[str, Callable[[FlowAlert], bool]] = {
    "is_sweep": lambda alert: alert.has_sweep,
    "is_floor": lambda alert: alert.has_floor,
    "is_call": lambda alert: alert.contract.is_call,
    "is_put": lambda alert: not alert.contract.is_call,
    "is_ask_side": lambda alert: 2 * alert.at_ask > alert.size,
    "is_bid_side": lambda alert: 2 * alert.at_ask < alert.size,
    "is_otm": lambda alert: alert.contract.is_out_of_the_money(alert.underlying_price),
    "all_opening": lambda alert: alert.volume > alert.open_interest,
}
_EXCLUDING = ("is_sweep", "is_floor", "is_call", "is_put", "is_ask_side", "is_bid_side", "is_otm")
"""Said `false`, these leave out what they name; the others then mean nothing."""
