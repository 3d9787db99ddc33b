"""Made histories of drills: samples, orders and log lines, whole unless a test breaks one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.catalogue import SERVICES
from chaos.evidence import Books, Moments, PageSaid, Sample
from chaos.judge import Seen
from chaos.row import Row

OWN_ID = "sht-h5salyam-momentum-ec121d0406e3"
OTHER_ID = "sht-h5salyam-momentum-ec121d0406e4"
WINDOW = ("2026-01-05T14:00:00Z", "2026-01-05T16:00:00Z")
WHOLE = {"is_whole": True, "differences": []}


def sample(at_s: float = 0.0, **changed: Any) -> Sample:
    """A look at a system that is well; every service has a pid of its own."""
    pids: dict[str, int | None] = {name: 100 + place for place, name in enumerate(SERVICES)}
    pids |= {"supervisor": 90, "guardian": 80, **changed.pop("pids", {})}
    well = Sample(
        at_s=at_s,
        overall="OK",
        code="OK",
        reason="All critical services are OK.",
        trading="ACTIVE",
        chaos_mode="off",
        services=dict.fromkeys(SERVICES, ("OK", "running")) | changed.pop("services", {}),
        pids=pids,
        incidents=frozenset(),
        quarantined=0,
        ambiguous=0,
        bot_works=True,
    )
    return replace(well, **changed)


def shown(row: Row, at_s: float) -> Sample:
    """The sample in which the row's fault is shown and answered, as the row asks for it."""
    wanted = row.expected
    code = wanted.codes[0] if wanted.codes else "DEGRADED"
    victim = row.injection.victim or row.radius[0]
    return sample(
        at_s,
        overall=code.partition("_")[0],
        code=code,
        reason="; ".join(wanted.told) or f"{victim} is broken",
        trading=wanted.trading[-1],
        services={victim: (code.partition("_")[0], "running")}
        | dict.fromkeys(wanted.parked, ("FAILED", "parked")),
        pids=dict.fromkeys(wanted.new_process, 200),
        incidents=frozenset({(victim, "2026-01-05T15:00:00Z")}),
        quarantined=int(wanted.quarantined),
        ambiguous=int(wanted.ambiguous),
    )


def healed(row: Row, at_s: float) -> Sample:
    """The sample in which all is well again, the new processes there."""
    return sample(at_s, pids=dict.fromkeys(row.expected.new_process, 200))


def answered(row: Row, at_s: float) -> Sample:
    """The sample in which the system has done what the row asks of it."""
    return sample(at_s) if row.expected.heals_meanwhile else shown(row, at_s)


def good(row: Row) -> Seen:
    """A drill that passes: shown and answered after a second, over at two, healed at three."""
    samples = (sample(0.0), shown(row, 1.0), healed(row, 3.0))
    return Seen(
        before=sample(0.0),
        samples=samples,
        moments=Moments(0.0, 1.0, 1.0, 2.0, 3.0),
        acted=1,
        books=books(),
    )


def order(**fields: Any) -> dict[str, Any]:
    """One order of the exchange's list: a filled entry unless told otherwise."""
    return {
        "id": fields.get("client_order_id", OWN_ID),
        "client_order_id": OWN_ID,
        "symbol": "SPY",
        "side": "buy",
        "type": "limit",
        "qty": "8",
        "filled_qty": "8",
        "filled_avg_price": "616.4",
        "submitted_at": "2026-01-05T14:51:18.525198Z",
        "filled_at": "2026-01-05T14:51:19.989525Z",
        "canceled_at": None,
        "expired_at": None,
        "replaced_at": None,
        "failed_at": None,
    } | fields


def stop(**fields: Any) -> dict[str, Any]:
    """The stop of that entry, live to the end."""
    return (
        order(client_order_id="leg", side="sell", type="stop", filled_qty="0", filled_at=None)
        | fields
    )


def books(**changed: Any) -> Books:
    """One position, entered once, noted, covered, small."""
    whole = Books(
        orders=(order(), stop()),
        window=WINDOW,
        lines=({"event": "intent", "client_order_id": OWN_ID, "role": "entry", "at_s": 0.1},),
        positions=({"symbol": "SPY", "cost_basis": "4931.5"},),
        equity="100000",
        audit=WHOLE,
        leaks=(),
        pages=(PageSaid(0.5, "OK", frozenset({"OK"})),),
    )
    return replace(whole, **changed)
