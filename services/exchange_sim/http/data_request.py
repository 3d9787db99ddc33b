"""Reading requests for market data, strictly, in the words of Alpaca's data service.

Its refusals are a message without a code, unlike the trading side's. Texts as recorded from the
real service by several projects: "Invalid format for parameter start: error parsing ...", "end
should not be before start", "subscription does not permit querying recent SIP data".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from starlette.requests import Request

from services.exchange_sim.data_plan import DataPlan
from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.market.port import Timeframe
from services.exchange_sim.market.timeframe import parse_timeframe
from services.exchange_sim.records import Refusal
from services.exchange_sim.stamps import rest_of
from shared.clock import parse_utc

LIMIT_DEFAULT = 1_000
LIMIT_MAX = 10_000
RECENT = timedelta(minutes=15)
_BAD_REQUEST = 400
_FORBIDDEN = 403
_NUMBER_CHARACTERS_MAX = 9
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_SYMBOL = re.compile(r"^[A-Z][A-Z0-9./-]{0,20}$")
_FEEDS = frozenset({"iex", "sip", "otc", "boats", "overnight", "delayed_sip"})
_ADJUSTMENTS = frozenset({"raw", "split", "dividend", "spin-off", "all"})
_SORTS = frozenset({"asc", "desc"})
_SHOWN_MAX = 80
NANOSECONDS_MAX = 999
"""Beyond a microsecond."""
_INSTANT = timedelta(microseconds=1)


class DataRefusal(Refusal):
    """No, without a code."""

    def __init__(self, message: str, status: int = _BAD_REQUEST) -> None:
        super().__init__(status, 0, message)

    def document(self) -> dict[str, object]:
        """Return the JSON body."""
        return {"message": self.message}


@dataclass(frozen=True, slots=True)
class Range:
    """Which stretch of history, `start` and `end` included, and in which order."""

    start: datetime
    end: datetime
    now: datetime
    newest_first: bool
    start_rest: int = 0
    """Nanoseconds that the first moment lies beyond `start`."""
    end_rest: int = NANOSECONDS_MAX
    """Nanoseconds beyond `end` that still belong to the stretch."""

    def exact(self, rest: Callable[[datetime], int]) -> Range:
        """Return the stretch in whole microseconds, for points whose stamps have `rest` more
        nanoseconds.
        """
        if self.start_rest == 0 and self.end_rest == NANOSECONDS_MAX:
            return self  # whole microseconds already
        start, end = self.start, self.end
        if rest(start) < self.start_rest:
            start += _INSTANT
        if rest(end) > self.end_rest:
            end -= _INSTANT
        return Range(start, end, self.now, self.newest_first)


def symbols_of(request: Request) -> list[str]:
    """Return the symbols of the query or the path, upper case, sorted, without doubles."""
    text = request.path_params.get("symbol") or request.query_params.get("symbols") or ""
    symbols = sorted({word.strip().upper() for word in text.split(",") if word.strip()})
    if not symbols:
        reason = "query parameter 'symbols' is required"
        raise DataRefusal(f"Invalid format for parameter symbols: {reason}")
    for symbol in symbols:
        if not _SYMBOL.match(symbol):
            raise DataRefusal(f"invalid symbol: {symbol[:_SHOWN_MAX]}")
    return symbols


def limit_of(request: Request) -> int:
    """Return how many points the page may hold, over all symbols."""
    text = request.query_params.get("limit")
    if not text:
        return LIMIT_DEFAULT
    is_number = text.isdecimal() and len(text) <= _NUMBER_CHARACTERS_MAX
    if not is_number or not 1 <= int(text) <= LIMIT_MAX:
        raise DataRefusal(f"invalid limit: limit must be between 1 and {LIMIT_MAX}")
    return int(text)


def timeframe_of(request: Request) -> Timeframe:
    """Return the length of the bars; a day when nothing is said."""
    try:
        return parse_timeframe(request.query_params.get("timeframe") or "1Day")
    except ValueError as wrong:
        raise DataRefusal(str(wrong)[:_SHOWN_MAX]) from None


def range_of(request: Request, now: datetime, plan: DataPlan) -> Range:
    """Return the range of a historical request.

    Without `start` it begins at New York midnight, without `end` it reaches as far as the plan
    allows.
    """
    words = request.query_params
    feed = feed_of(request)
    newest_allowed = now if plan.recent_sip or feed != "sip" else now - RECENT
    midnight = datetime.combine(now.astimezone(NEW_YORK).date(), time(0), NEW_YORK)
    start, end = moment_of(request, "start"), moment_of(request, "end")
    start_rest, end_rest = rest_of(words.get("start") or ""), rest_of(words.get("end") or "")
    if start and end and (end, end_rest) < (start, start_rest):
        raise DataRefusal("end should not be before start")
    if (end or newest_allowed) > newest_allowed and feed == "sip" and not plan.recent_sip:
        raise _recent_sip()
    _check_words(request)
    return Range(
        start=start or midnight.astimezone(UTC),
        end=end or newest_allowed,
        now=now,
        newest_first=words.get("sort") == "desc",
        start_rest=start_rest,
        end_rest=end_rest if end else NANOSECONDS_MAX,
    )


def _check_words(request: Request) -> None:
    words = request.query_params
    sort = words.get("sort") or "asc"
    if sort not in _SORTS:
        raise DataRefusal(f"invalid sort: {sort[:_SHOWN_MAX]}")
    if words.get("asof") not in (None, "", "-"):
        moment_of(request, "asof")


def adjusts_for_splits(request: Request) -> bool:
    """Whether bars from before a split are wanted in today's shares; no dividend is ever paid."""
    words = (request.query_params.get("adjustment") or "raw").split(",")
    for word in words:
        if word not in _ADJUSTMENTS:
            raise DataRefusal(f"invalid adjustment: {word[:_SHOWN_MAX]}")
    return not {"split", "all"}.isdisjoint(words)


def feed_of(request: Request) -> str:
    """Return the feed asked for; the best the plan has is `sip` or `iex`, so the caller judges."""
    feed = request.query_params.get("feed") or ""
    if feed and feed not in _FEEDS:
        raise DataRefusal(f"invalid feed: {feed[:_SHOWN_MAX]}")
    return feed


def check_latest(request: Request, plan: DataPlan) -> None:
    """Refuse the newest SIP data where the plan does not hold it."""
    if feed_of(request) == "sip" and not plan.recent_sip:
        raise _recent_sip()


def _recent_sip() -> DataRefusal:
    return DataRefusal("subscription does not permit querying recent SIP data", _FORBIDDEN)


def moment_of(request: Request, name: str) -> datetime | None:
    """Return a moment of the query, None when it is not given; a `+` that arrived as a blank is
    taken back. A day alone means its first moment, UTC.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        if len(text) == len("2026-11-20"):
            day = date.fromisoformat(text)
            return min(datetime(day.year, day.month, day.day, tzinfo=UTC), _LATEST)
        return min(parse_utc(text.replace(" ", "+")), _LATEST)
    except (ValueError, OverflowError):
        shown = text[:_SHOWN_MAX]
        raise DataRefusal(
            f"Invalid format for parameter {name}: error parsing '{shown}' as RFC3339 or "
            f'2006-01-02 time: parsing time "{shown}" as "2006-01-02": cannot parse "{shown}" '
            'as "2006"'
        ) from None
