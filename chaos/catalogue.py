"""The catalogue of faults: drills, injection, judgement and docs/CHAOS.md come from this table.

The owner's four come first; the order is the order of `drill --all`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from chaos.row import (
    GATEWAY_DOWN,
    GATEWAY_REFUSES,
    Blow,
    Bounds,
    Expected,
    Injection,
    Place,
    Row,
    WireFault,
)

BOT, DATA, EXCHANGE = "trading-bot", "data-daemon", "exchange-sim"
DASHBOARD, HEARTBEAT = "dashboard", "heartbeat"
SUPERVISOR, GUARDIAN = "supervisor", "guardian"
ALPACA = ("trading", "data", "trading_stream", "data_stream")
"""The dialects of Alpaca that the embedded exchange speaks."""
SERVICES = (EXCHANGE, DATA, BOT, DASHBOARD, HEARTBEAT)

_OWNERS = (
    Row(
        "alpaca_down",
        Place.WIRE,
        "every Alpaca call and stream of every process",
        (BOT, DATA),
        "TRANSIENT",
        Injection(wire=(WireFault("refuse_connection"),), gateway=GATEWAY_DOWN),
        Expected(("DEGRADED",), ("REDUCING", "HALTED"), same_process=SERVICES),
        Bounds(detect_s=6, respond_s=10, recover_s=30, lease_s=12),
    ),
    Row(
        "invalid_creds",
        Place.WIRE,
        "the broker refuses the keys",
        (BOT, DATA),
        "CONFIG",
        Injection(
            wire=tuple(WireFault("refused_keys", {"dialect": dialect}) for dialect in ALPACA),
            gateway=GATEWAY_REFUSES,
        ),
        Expected(
            ("FAILED_CONFIG",),
            ("HALTED",),
            same_process=(DASHBOARD, HEARTBEAT),
            parked=(BOT,),
            by_hand=(BOT, DATA),
        ),
        Bounds(detect_s=10, respond_s=10, recover_s=45, lease_s=12),
    ),
    Row(
        "supervisor_crash",
        Place.PROCESS,
        "the supervisor dies by SIGKILL",
        (SUPERVISOR,),
        "UNCLASSIFIED",
        Injection(blow=Blow.KILL, victim=SUPERVISOR),
        Expected(same_process=SERVICES, new_process=(SUPERVISOR,)),
        Bounds(detect_s=10, respond_s=10, recover_s=20, lease_s=1),
    ),
    Row(
        "state_corrupt",
        Place.FILE,
        "trading_state.json is truncated, bit-flipped, not JSON or of a wrong shape",
        (BOT,),
        "UNCLASSIFIED",
        Injection(blow=Blow.KILL_OVER_DAMAGE, victim=BOT),
        Expected(new_process=(BOT,), quarantined=True),
        Bounds(detect_s=5, respond_s=30, recover_s=180, lease_s=1),
    ),
)

_WIRE = (
    Row(
        "reply_lost",
        Place.WIRE,
        "the broker takes an order, its reply never comes",
        (BOT,),
        "TRANSIENT",
        Injection(
            wire=(WireFault("reply_lost", {"method": "POST", "endpoint": "/v2/orders"}, times=1),)
        ),
        Expected(same_process=(BOT, DATA), ambiguous=True),
        Bounds(detect_s=90, respond_s=90, recover_s=180, lease_s=90),
    ),
    Row(
        "rate_limited",
        Place.WIRE,
        "every trading call is answered with 429",
        (BOT, DATA),
        "TRANSIENT",
        Injection(wire=(WireFault("rate_limited", {"dialect": "trading"}),)),
        Expected(("DEGRADED",), ("REDUCING", "HALTED"), same_process=SERVICES),
        Bounds(detect_s=10, respond_s=25, recover_s=45, lease_s=25),
    ),
    Row(
        "slow_broker",
        Place.WIRE,
        "every trading reply comes 4 s late",
        (BOT, DATA),
        "TRANSIENT",
        Injection(wire=(WireFault("slow_reply", {"dialect": "trading"}, {"delay_s": 4.0}),)),
        Expected(("DEGRADED",), same_process=SERVICES),
        Bounds(detect_s=10, respond_s=20, recover_s=60, lease_s=20),
    ),
    Row(
        "schema_drift",
        Place.WIRE,
        "the account lacks its equity",
        (BOT,),
        "SCHEMA",
        Injection(
            wire=(WireFault("field_removed", {"endpoint": "/v2/account"}, {"path": "equity"}),)
        ),
        Expected(("FAILED_API_SCHEMA",), ("REDUCING", "HALTED"), same_process=SERVICES),
        Bounds(detect_s=15, respond_s=20, recover_s=60, lease_s=20),
    ),
    Row(
        "stream_silent",
        Place.WIRE,
        "both streams stand open and nothing passes, pings neither",
        (BOT, DATA),
        "TRANSIENT",
        Injection(
            wire=tuple(
                WireFault("half_open", {"dialect": name})
                for name in ("trading_stream", "data_stream")
            )
        ),
        Expected(
            ("DEGRADED",),
            same_process=SERVICES,
            heals_meanwhile=True,
            told=("the trade stream does not listen",),
        ),
        # Pings find the trade stream after 20 to 30 s.
        Bounds(detect_s=15, respond_s=40, recover_s=60, lease_s=45),
    ),
    Row(
        "stale_data",
        Place.WIRE,
        "quotes are ten minutes old",
        (DATA, BOT),
        "TRANSIENT",
        Injection(wire=(WireFault("stale_quotes", {}, {"age_s": 600.0}),)),
        Expected(("DEGRADED",), ("REDUCING", "HALTED"), same_process=SERVICES),
        Bounds(detect_s=15, respond_s=20, recover_s=45, lease_s=25),
    ),
    Row(
        "uw_down",
        Place.WIRE,
        "every Unusual Whales call fails",
        (DATA,),
        "TRANSIENT",
        Injection(
            wire=(
                WireFault("server_error", {"dialect": "uw"}, {"status": 503}),
                WireFault("handshake_refused", {"dialect": "uw_stream"}, {"status": 503}),
            )
        ),
        Expected(("DEGRADED",), ("ACTIVE",), same_process=SERVICES),
        Bounds(detect_s=20, respond_s=30, recover_s=45, lease_s=30),
    ),
)

_PROCESS = (
    Row(
        "bot_hang",
        Place.PROCESS,
        "the bot is stopped and neither beats nor answers",
        (BOT,),
        "UNCLASSIFIED",
        Injection(blow=Blow.HANG, victim=BOT),
        Expected(new_process=(BOT,)),
        Bounds(detect_s=6, respond_s=35, recover_s=180, lease_s=40),
    ),
    Row(
        "data_daemon_kill",
        Place.PROCESS,
        "the data-daemon dies by SIGKILL",
        (DATA,),
        "UNCLASSIFIED",
        Injection(blow=Blow.KILL, victim=DATA),
        Expected(same_process=(BOT,), new_process=(DATA,)),
        Bounds(detect_s=5, respond_s=20, recover_s=45, lease_s=1),
    ),
    Row(
        "dashboard_kill",
        Place.PROCESS,
        "the dashboard dies by SIGKILL",
        (DASHBOARD,),
        "UNCLASSIFIED",
        Injection(blow=Blow.KILL, victim=DASHBOARD),
        Expected(same_process=(BOT, DATA), new_process=(DASHBOARD,)),
        Bounds(detect_s=5, respond_s=20, recover_s=30, lease_s=1),
    ),
    Row(
        "disk_full",
        Place.DISK,
        "no file of the bot's can grow any more",
        (BOT,),
        "TRANSIENT",
        Injection(blow=Blow.NO_FILE_GROWS, victim=BOT),
        Expected(("DEGRADED", "FAILED"), ("REDUCING", "HALTED")),
        Bounds(detect_s=30, respond_s=30, recover_s=180, lease_s=30),
    ),
    Row(
        "clock_jump",
        Place.CLOCK,
        "the broker's clock jumps an hour ahead",
        (BOT, DATA),
        "TRANSIENT",
        Injection(wire=(WireFault("clock_skew", {}, {"seconds": 3600.0}),)),
        Expected(("DEGRADED",), ("REDUCING", "HALTED"), same_process=SERVICES),
        Bounds(detect_s=15, respond_s=20, recover_s=30, lease_s=15),
    ),
    Row(
        "bot_crash_loop",
        Place.PROCESS,
        "the bot dies by SIGKILL whenever it is back",
        (BOT,),
        "UNCLASSIFIED",
        Injection(blow=Blow.KILL_AGAIN, victim=BOT),
        Expected(
            ("DEGRADED", "FAILED"), ("HALTED",), same_process=(DATA,), parked=(BOT,), by_hand=(BOT,)
        ),
        Bounds(detect_s=5, respond_s=90, recover_s=180, lease_s=90),
    ),
    Row(
        "guardian_kill",
        Place.PROCESS,
        "the guardian dies by SIGKILL, under supervisord",
        (GUARDIAN,),
        "UNCLASSIFIED",
        Injection(blow=Blow.KILL, victim=GUARDIAN),
        Expected(same_process=SERVICES, new_process=(GUARDIAN,)),
        Bounds(detect_s=10, respond_s=15, recover_s=30, lease_s=1),
    ),
)

CATALOGUE: Mapping[str, Row] = MappingProxyType(
    {row.name: row for row in (*_OWNERS, *_WIRE, *_PROCESS)}
)
"""Every fault by its name."""
CONTROL = Row(
    "control",
    Place.PROCESS,
    "nothing: whatever is shown meanwhile is a false alarm",
    (),
    "none",
    Injection(),
    Expected(),
    Bounds(detect_s=20, respond_s=20, recover_s=20, lease_s=20),
)
"""The run without a fault beside which all others are read. Not a fault, so no CHAOS_MODE."""
OWNERS_FOUR = tuple(row.name for row in _OWNERS)


def rows_of(names: Iterable[str]) -> tuple[Row, ...]:
    """Return the rows of these names; KeyError for an unknown one."""
    return tuple(CATALOGUE[name] for name in names)
