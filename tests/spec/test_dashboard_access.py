"""Who may ask what: the permission table, sessions, and bodies, without a server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dashboard import bodies
from services.dashboard.access import Access, Bound, Facts, refusal
from services.dashboard.app import ROUTES
from services.dashboard.auth import ATTEMPTS_MAX, ATTEMPTS_WINDOW_S, SESSION_S, Keeper
from services.dashboard.listen import candidate_ports
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

LOCAL = Bound("127.0.0.1")
WIDE = Bound("0.0.0.0", frozenset({"trader-one"}))
PLAIN = Facts(
    method="POST",
    host="127.0.0.1:8000",
    origin=None,
    fetch_site=None,
    peer_is_local=True,
    has_bearer=False,
    has_session=False,
)
FOLLOWED = {"method": "GET", "fetch_site": "cross-site", "fetch_mode": "navigate"}
"""A person follows a link of another site."""
SAME = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("access", "bound", "changed", "status"),
    [
        (Access.PUBLIC, LOCAL, {"method": "GET"}, None),
        (Access.PUBLIC, WIDE, {"method": "GET"}, None),
        (Access.MONEY, LOCAL, {"method": "GET"}, None),
        (Access.MONEY, WIDE, {"method": "GET"}, 401),
        (Access.MONEY, WIDE, {"method": "GET", "has_session": True}, None),
        (Access.MONEY, WIDE, {"method": "GET", "has_bearer": True}, None),
        (Access.ACTION, LOCAL, {}, 401),
        (Access.ACTION, LOCAL, {"has_bearer": True}, None),
        (Access.ACTION, LOCAL, {"has_session": True}, 403),
        (Access.ACTION, LOCAL, {"has_session": True, "origin": SAME}, None),
        (Access.ACTION, LOCAL, {"has_session": True, "fetch_site": "same-origin"}, None),
        (Access.ACTION, LOCAL, {"has_bearer": True, "origin": "http://evil"}, 403),
        (Access.STOP, LOCAL, {}, None),
        (Access.STOP, WIDE, {}, None),
        (Access.STOP, WIDE, {"peer_is_local": False}, 401),
        (Access.STOP, WIDE, {"peer_is_local": False, "has_bearer": True}, None),
        (Access.STOP, LOCAL, {"origin": "http://evil"}, 403),
        (Access.STOP, LOCAL, {"fetch_site": "cross-site"}, 403),
        (Access.STOP, LOCAL, {"host": "evil.example"}, 400),
        (Access.PUBLIC, LOCAL, {"method": "GET", "host": "10.1.2.3:8000"}, 400),
        (Access.PUBLIC, WIDE, {"method": "GET", "host": "10.1.2.3:8000"}, None),
        (Access.PUBLIC, WIDE, {"method": "GET", "host": "trader-one:8000"}, None),
        (Access.PUBLIC, WIDE, {"method": "GET", "host": "evil.example"}, 400),
        (Access.PUBLIC, LOCAL, {"method": "GET", "origin": "http://evil"}, 403),
        (Access.MONEY, WIDE, {"method": "GET", "origin": "null", "has_bearer": True}, 403),
        (Access.MONEY, LOCAL, {"method": "GET", "origin": SAME}, None),
        (Access.MONEY, LOCAL, {"method": "GET", "fetch_site": "cross-site"}, None),
        (Access.MONEY, LOCAL, FOLLOWED, None),
        (Access.MONEY, LOCAL, {**FOLLOWED, "fetch_mode": "no-cors"}, 403),
        (Access.MONEY, LOCAL, {**FOLLOWED, "fetch_mode": "cors"}, 403),
        (Access.STOP, LOCAL, {**FOLLOWED, "method": "POST"}, 403),
    ],
)
def test_refusal_follows_the_table(
    access: Access, bound: Bound, changed: dict[str, object], status: int | None
) -> None:
    """Host before origin before token; the plain stop of this machine is free."""
    refused = refusal(access, replace(PLAIN, **changed), bound)  # type: ignore[arg-type]  # table
    assert (refused.status if refused is not None else None) == status


@given(host=st.text(max_size=40), origin=st.none() | st.text(max_size=40))
def test_refusal_for_any_headers_never_fails_and_never_lets_names_through(
    host: str, origin: str | None
) -> None:
    """Whatever stands in the headers there is an answer, and no foreign name is served."""
    refused = refusal(Access.ACTION, replace(PLAIN, host=host, origin=origin), LOCAL)
    assert refused is not None


@pytest.mark.parametrize(
    "host",
    [
        "[::1]evil.com",
        "[::1]:80evil",
        "[::1",
        "::1",
        "[127.0.0.1]",
        "[::1%25lo]",
        "localhost:99@evil",
        "localhost:",
        "localhost:65536",
        "localhost:+80",
        "localhost:\u0661",
        "user@localhost",
        "localhost,evil.example",
        "localhost/evil",
        "localhost#",
        "localhost\t",
        " localhost",
        "127.999.1.1",
        "127.1",
        "0x7f.1",
        "localho\u017ft",
    ],
)
@pytest.mark.parametrize("bound", [LOCAL, WIDE])
def test_host_when_it_is_not_wholly_one_name_is_refused(host: str, bound: Bound) -> None:
    """What another program could read as another name is nobody's name here."""
    refused = refusal(Access.PUBLIC, replace(PLAIN, method="GET", host=host), bound)
    assert refused is not None
    assert refused.status == 400


@pytest.mark.parametrize("host", ["localhost", "LocalHost:9", "[::1]", "[::1]:65535", "127.8.9.1"])
def test_host_when_it_is_this_machine_is_served(host: str) -> None:
    """Any spelling and any port: a tunnel may have its own."""
    assert refusal(Access.PUBLIC, replace(PLAIN, method="GET", host=host), LOCAL) is None


def test_routes_every_post_under_api_is_an_action_or_the_stop() -> None:
    """No acting route is public by mistake."""
    acting = [row for row in ROUTES if row.method == "POST" and row.path.startswith("/api/")]
    assert len(acting) == 7
    assert {row.access for row in acting} == {Access.ACTION, Access.STOP}
    reading = [row for row in ROUTES if row.path.startswith("/api/unified") and row not in acting]
    assert {row.access for row in reading} == {Access.MONEY}


def test_session_ends_by_age_by_boot_and_by_a_new_token() -> None:
    """Twelve hours, one boot, one token."""
    clock = ManualClock()
    keeper = Keeper("token-one-0123456789", clock)
    cookie = keeper.make_session()
    clock.advance(SESSION_S - 1)
    assert keeper.is_session(cookie)
    assert not Keeper("token-two-0123456789", clock).is_session(cookie)
    clock.advance(2)
    assert not keeper.is_session(cookie)
    fresh = keeper.make_session()
    clock.boot = "another"
    assert not keeper.is_session(fresh)


@given(st.text(max_size=80))
def test_session_for_any_text_is_refused(text: str) -> None:
    """Nothing but our own mark is a session, and nothing makes the check fail."""
    assert not Keeper("token-one-0123456789", ManualClock()).is_session(text)


def test_brake_counts_per_peer_and_forgets_after_its_window() -> None:
    """One guesser does not lock out another peer."""
    clock = ManualClock()
    keeper = Keeper("token-one-0123456789", clock)
    for _ in range(ATTEMPTS_MAX):
        assert keeper.wait_s("10.0.0.1") == 0
        keeper.note_wrong("10.0.0.1")
    assert keeper.wait_s("10.0.0.1") > 0
    assert keeper.wait_s("10.0.0.2") == 0
    clock.advance(ATTEMPTS_WINDOW_S)
    assert keeper.wait_s("10.0.0.1") == 0


@given(st.binary(max_size=200))
def test_read_body_for_any_bytes_gives_fields_or_a_body_fault(raw: bytes) -> None:
    """Nothing a client sends is an internal error."""
    faults: tuple[bodies.FieldFault, ...] = ()
    fields = None
    try:
        fields = bodies.read_body(raw)
    except bodies.BodyFault as fault:
        faults = fault.faults
    assert isinstance(fields, dict) is not bool(faults)


@given(
    st.dictionaries(
        st.sampled_from(["reason", "flatten", "other"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_checked_for_any_json_names_only_fields_and_never_fails(body: dict[str, object]) -> None:
    """The answer names the field, whatever its value is."""
    fields = (
        bodies.Field("reason", bodies.reason),
        bodies.Field("flatten", bodies.flag, required=False, default=False),
    )
    faults: tuple[bodies.FieldFault, ...] = ()
    values: dict[str, Any] = {"reason": "none", "flatten": False}
    try:
        values = bodies.checked(bodies.read_body(json.dumps(body).encode()), fields)
    except bodies.BodyFault as fault:
        faults = fault.faults
    assert {entry.field for entry in faults} <= {"reason", "flatten", "other", "body"}
    assert values["reason"].strip() == values["reason"] != ""
    assert isinstance(values["flatten"], bool)


@pytest.mark.parametrize(
    ("configured", "previous", "may_move", "first"),
    [
        (8000, None, True, [8000, 8001]),
        (8000, 8003, True, [8003, 8000]),
        (8000, 9000, True, [8000, 8001]),
        (8000, 8003, False, [8000]),
        (0, 8003, True, [0]),
        (65_535, None, True, [65_535]),
    ],
)
def test_candidate_ports_begin_where_the_page_was_last_time(
    configured: int, previous: int | None, may_move: bool, first: list[int]
) -> None:
    """An open page finds the dashboard again after a restart; outside sim it never moves."""
    ports = list(candidate_ports(configured, previous, may_move=may_move))
    assert ports[: len(first)] == first
    assert len(ports) == len(set(ports))
    assert len(ports) <= 50


def test_templates_hold_no_inline_script_style_or_foreign_address() -> None:
    """The page obeys its own content security policy and fetches nothing from elsewhere."""
    folder = Path(__file__).resolve().parents[2] / "services" / "dashboard"
    for path in (*folder.glob("templates/**/*.html"), *folder.glob("static/*")):
        text = path.read_text()
        assert " style=" not in text, path
        assert " onclick=" not in text, path
        assert "https://" not in text, path
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), path
