"""What a drill has seen: samples of health.json, and the books at its end. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.catalogue import BOT, SUPERVISOR

PAGE = "failure"
"""As apprise calls the kind of a page."""
OK, FAILED, ACTIVE, RUNNING, PARKED = "OK", "FAILED", "ACTIVE", "running", "parked"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look; `at_s` is the monotonic clock."""

    at_s: float
    overall: str
    code: str
    reason: str
    trading: str
    chaos_mode: str
    services: Mapping[str, tuple[str, str]]
    """Status and phase."""
    pids: Mapping[str, int | None]
    """Of the services, the supervisor and the guardian."""
    incidents: frozenset[tuple[str, str]]
    """Service and moment of every incident that health.json tells."""
    quarantined: int
    """How many state files stand set aside as corrupt."""
    ambiguous: int
    """Lines `ambiguous` of orders.jsonl: the bot knows that it does not know."""
    bot_works: bool
    """Whether the process that health.json calls the bot lives and is not stopped."""

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything but the moment."""
        plain = (self.overall, self.code, self.reason, self.trading, self.chaos_mode)
        more = (sorted(self.services.items()), sorted(self.pids.items(), key=str), self.incidents)
        return (*plain, *more, self.quarantined, self.ambiguous, self.bot_works)

    @property
    def is_steady(self) -> bool:
        """Whether everything is well, and trading."""
        well = all(found == (OK, RUNNING) for found in self.services.values())
        return self.overall == OK and self.trading == ACTIVE and BOT in self.services and well

    @property
    def supervisor_pid(self) -> int | None:
        """Who wrote it."""
        return self.pids.get(SUPERVISOR)


def sample_of(
    document: Mapping[str, Any] | None,
    judged: tuple[str, str, str],
    seen: Mapping[str, Any],
) -> Sample:
    """Return a sample of a judged document (overall, code, reason) and what was seen besides."""
    told = document or {}
    services: Mapping[str, Any] = told.get("services") or {}
    writer = told.get("supervisor") or {}
    pids = {name: one.get("pid") for name, one in services.items()}
    incidents = told.get("incidents") or ()
    return Sample(
        at_s=seen["at_s"],
        overall=judged[0],
        code=judged[1],
        reason=judged[2],
        trading=str(told.get("trading_state")),
        chaos_mode=str(told.get("chaos_mode")),
        services={name: (one["status"], one["phase"]) for name, one in services.items()},
        pids={**pids, SUPERVISOR: writer.get("pid"), **seen["pids"]},
        incidents=frozenset((str(one["service"]), str(one["at"])) for one in incidents),
        quarantined=seen["quarantined"],
        ambiguous=seen["ambiguous"],
        bot_works=seen["bot_works"],
    )


def spans(
    samples: Sequence[Sample], holds: Callable[[Sample], bool]
) -> Iterator[tuple[float, float]]:
    """Yield the times through which it held, by samples that were taken when anything changed."""
    since: float | None = None
    for sample in samples:
        if holds(sample):
            since = sample.at_s if since is None else since
        elif since is not None:
            yield since, sample.at_s
            since = None
    if since is not None and samples:
        yield since, samples[-1].at_s


@dataclass(frozen=True, slots=True)
class Moments:
    """When what happened, on the monotonic clock; None: it did not."""

    injected_s: float
    detected_s: float | None = None
    responded_s: float | None = None
    over_s: float | None = None
    """The fault ended, and where the row says so the operator's hand had moved."""
    recovered_s: float | None = None


@dataclass(frozen=True, slots=True)
class PageSaid:
    """One answer of the dashboard's API."""

    asked_s: float
    overall: str
    file: frozenset[str]
    """Every verdict of health.json from a little before the question until the answer."""


@dataclass(frozen=True, slots=True)
class AlertSaid:
    """One message that reached the receiver of alerts."""

    at_s: float
    title: str
    body: str
    kind: str
    """As apprise names it: info, warning or failure."""

    @property
    def titles(self) -> tuple[str, ...]:
        """What it tells of: one thing, or each of the several that were told together."""
        several = tuple(line[2:].partition(": ")[0] for line in self.body.splitlines())
        return several if self.title.endswith(" more)") else (self.title,)

    @property
    def is_page(self) -> bool:
        """Whether it gets somebody out of bed for what is not over."""
        return self.kind == PAGE and not self.is_end

    @property
    def is_end(self) -> bool:
        """Whether it tells of nothing but what is over."""
        return all("] RECOVERED " in title for title in self.titles)


@dataclass(frozen=True, slots=True)
class Books:
    """The exchange's own books, our own log, and what people were told, at the end of a drill."""

    orders: Sequence[Mapping[str, Any]] = ()
    """Every order of the account, flat."""
    window: tuple[str, str] = ("", "")
    """Market time from which to which the drill ran."""
    lines: Sequence[Mapping[str, Any]] = ()
    """orders.jsonl as a whole; those that were seen to come have `at_s`, the monotonic second."""
    recorded: frozenset[str] = frozenset()
    """Every order id of ours that stands in the bot's state, journal or ledger: where no log can
    grow, these still know."""
    positions: Sequence[Mapping[str, Any]] = ()
    equity: str = "0"
    audit: Mapping[str, Any] = field(default_factory=dict)
    leaks: Sequence[str] = ()
    """Files in which a secret stands."""
    astray: Sequence[str] = ()
    """Where trading_state.json and the exchange's positions lastingly differ, in words."""
    pages: Sequence[PageSaid] = ()
    alerts: Sequence[AlertSaid] = ()
    earlier: Sequence[AlertSaid] = ()
    """What the same system had told before the drill: its end may still be to come."""
    is_quiet: bool = False
    """Whether the quiet hours held back what is not urgent."""
