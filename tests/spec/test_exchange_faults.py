"""Which fault acts, and what a request for one may say: decisions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.faults.fault import Fault, Occasion, Scope, Tally
from services.exchange_sim.faults.kinds import KINDS, Stage
from services.exchange_sim.faults.options import faults_asked
from services.exchange_sim.faults.plan import choose, concerns, dialect_of, symbols_of
from services.exchange_sim.faults.reading import BadFault, read_fault
from shared.errors import ConfigFault

pytestmark = pytest.mark.unit


ORDER = Occasion(
    dialect="trading",
    endpoint="/v2/orders",
    method="POST",
    symbols=frozenset({"AAPL"}),
    process=frozenset({"trading-bot", "4711"}),
)


def fault(kind: str = "silence", **fields: Any) -> Fault:
    """Return a fault that runs from second 100 to second 200 since boot."""
    values: dict[str, Any] = {"id": kind, "kind": kind, "begins_s": 100.0, "ends_s": 200.0}
    return Fault(**(values | fields))


@pytest.mark.parametrize(
    ("now_s", "tally", "acts"),
    [
        (99.999, Tally(), False),
        (100.0, Tally(), True),
        (199.999, Tally(), True),
        (200.0, Tally(), False),
        (150.0, Tally(seen=9, acted=1), True),
        (150.0, Tally(seen=9, acted=2), False),
    ],
)
def test_fault_when_its_lease_or_count_is_over_then_it_acts_no_more(
    now_s: float, tally: Tally, acts: bool
) -> None:
    """A lease covers begin to end; a fault that may act twice acts twice."""
    one = fault(times=2)

    choice = choose([one], {one.id: tally}, ORDER, now_s, Stage.INSTEAD)

    assert choice.acting == ((one,) if acts else ())


@pytest.mark.parametrize(
    ("scope", "meets"),
    [
        (Scope(), True),
        (Scope(process="trading-bot"), True),
        (Scope(process="4711"), True),
        (Scope(process="data-daemon"), False),
        (Scope(dialect="trading", method="POST"), True),
        (Scope(dialect="data"), False),
        (Scope(method="GET"), False),
        (Scope(endpoint="/v2/orders"), True),
        (Scope(endpoint="/v2/*"), True),
        (Scope(endpoint="/v2/orders/*"), False),
        (Scope(symbol="AAPL"), True),
        (Scope(symbol="MSFT"), False),
        (Scope(symbol="AAPL", method="DELETE"), False),
    ],
)
def test_scope_when_one_word_does_not_fit_then_the_fault_lets_the_request_be(
    scope: Scope, meets: bool
) -> None:
    """Every word of a scope that is said must fit."""
    assert concerns(scope, ORDER) is meets


def test_choice_when_made_then_only_faults_of_the_stage_count_it() -> None:
    """What another stage or scope would do has not met the occasion."""
    silent, slow = fault(), fault("dribble")
    other = replace(fault(), id="other", scope=Scope(symbol="MSFT"))

    choice = choose([silent, slow, other], {}, ORDER, 150.0, Stage.INSTEAD)

    assert choice.acting == (silent,)
    assert choice.tallies == {silent.id: Tally(seen=1)}


@given(st.integers(0, 2**40), st.floats(0, 1))
def test_chance_when_drawn_with_the_same_seed_then_the_same_requests_suffer(
    seed: int, probability: float
) -> None:
    """A drill can be repeated; certain faults act always, impossible ones never."""
    one = fault(seed=seed, probability=probability)

    def run() -> list[bool]:
        tallies: dict[str, Tally] = {}
        found = []
        for _ in range(20):
            choice = choose([one], tallies, ORDER, 150.0, Stage.INSTEAD)
            tallies.update(choice.tallies)
            found.append(bool(choice.acting))
        assert tallies[one.id].seen == 20
        return found

    first = run()

    assert first == run()
    if probability in (0.0, 1.0):
        assert first == [probability == 1.0] * 20


def test_chance_when_it_is_a_third_then_about_a_third_suffers() -> None:
    """The seeded draw is fair."""
    one = fault(seed=7, probability=1 / 3)
    turns = range(3_000)

    acting = sum(
        bool(choose([one], {one.id: Tally(seen=turn)}, ORDER, 150.0, Stage.INSTEAD).acting)
        for turn in turns
    )

    assert 900 < acting < 1_100


@pytest.mark.parametrize(
    ("path", "is_stream", "dialect"),
    [
        ("/v2/orders", False, "trading"),
        ("/v2/stocks/bars", False, "data"),
        ("/v1beta1/news", False, "data"),
        ("/api/darkpool/recent", False, "uw"),
        ("/stream", True, "trading_stream"),
        ("/stream/", True, "trading_stream"),
        ("/v2/iex", True, "data_stream"),
        ("/api/socket", True, "uw_stream"),
        ("/socket", True, "uw_stream"),
    ],
)
def test_dialect_when_a_path_is_read_then_it_is_its_vendors_surface(
    path: str, is_stream: bool, dialect: str
) -> None:
    """Trading, data and flow, over HTTP and as streams."""
    assert dialect_of(path, is_stream=is_stream) == dialect


def test_symbols_when_a_request_names_them_anywhere_then_all_are_found() -> None:
    """In the path, a comma list, the body, or behind the id of an order."""
    found = symbols_of(
        "/v2/positions/aapl/id-1",
        "symbols=msft,%20spy&symbol=qqq",
        b'{"symbol": "bac"}',
        lambda order_id: "XOM" if order_id == "id-1" else None,
    )

    assert {"AAPL", "MSFT", "SPY", "QQQ", "BAC", "XOM"} <= found
    assert symbols_of("/v2/orders", "", b"[" * 100_000, lambda _: None) == {"V2", "ORDERS"}


@pytest.mark.parametrize(
    ("document", "field", "mend"),
    [
        ({}, "kind", "choose one of"),
        ({"kind": "earthquake", "lease_s": 1}, "kind", "choose one of"),
        ({"kind": ["silence"], "lease_s": 1}, "kind", "choose one of"),
        ({"kind": "silence"}, "lease_s", "write a number from"),
        ({"kind": "silence", "lease_s": 0}, "lease_s", "write a number from"),
        ({"kind": "silence", "lease_s": 1e9}, "lease_s", "write a number from"),
        ({"kind": "silence", "lease_s": float("nan")}, "lease_s", "write a number from"),
        ({"kind": "silence", "lease_s": 10**400}, "lease_s", "write a number from"),
        ({"kind": "silence", "lease_s": True}, "lease_s", "write a number from"),
        ({"kind": "silence", "lease_s": 1, "laese": 2}, "laese", "is not known"),
        ({"kind": "silence", "lease_s": 1, "probability": 2}, "probability", "from 0 to 1"),
        ({"kind": "silence", "lease_s": 1, "times": 0}, "times", "write a whole number"),
        ({"kind": "half_open", "lease_s": 1, "times": 2}, "times", "leave it out"),
        ({"kind": "stream_mute", "lease_s": 1, "probability": 0}, "probability", "leave it out"),
        ({"kind": "silence", "lease_s": 1, "seed": 1.5}, "seed", "write a whole number"),
        ({"kind": "silence", "lease_s": 1, "scope": []}, "scope", "write an object"),
        (
            {"kind": "silence", "lease_s": 1, "scope": {"dialect": "fix"}},
            "scope.dialect",
            "choose one of",
        ),
        ({"kind": "silence", "lease_s": 1, "scope": {"who": "x"}}, "scope.who", "is not known"),
        (
            {"kind": "refuse_connection", "lease_s": 1, "scope": {"process": "x"}},
            "scope.process",
            "is not known",
        ),
        ({"kind": "halt", "lease_s": 1}, "scope.symbol", "must be told"),
        (
            {"kind": "server_error", "lease_s": 1, "parameters": {"status": 418}},
            "parameters.status",
            "choose one of 500, 502, 503, 504",
        ),
        ({"kind": "field_removed", "lease_s": 1}, "parameters.path", "write a word"),
        (
            {"kind": "silence", "lease_s": 1, "parameters": {"status": 500}},
            "parameters.status",
            "is not known",
        ),
    ],
)
def test_request_when_it_makes_no_sense_then_field_value_and_mend_are_told(
    document: dict[str, Any], field: str, mend: str
) -> None:
    """Whoever writes a drill reads what to write instead."""
    with pytest.raises(BadFault) as caught:
        read_fault(document)

    rows = [row for row in caught.value.problems if row["field"] == field]
    assert rows, caught.value.problems
    assert mend in rows[0]["mend"]
    assert rows[0]["value"]


def test_request_when_several_things_are_wrong_then_all_are_told() -> None:
    """One look mends everything."""
    with pytest.raises(BadFault) as caught:
        read_fault({"kind": "server_error", "times": -1, "parameters": {"form": "pdf"}})

    fields = {row["field"] for row in caught.value.problems}
    assert fields == {"lease_s", "times", "parameters.form"}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_request_when_any_value_stands_anywhere_then_it_is_read_or_told(value: object) -> None:
    """No value of any type breaks the reader."""
    names = ("kind", "lease_s", "starts_in_s", "scope", "parameters", "probability", "seed")
    for name in names:
        with suppress(BadFault):
            read_fault({"kind": "server_error", "lease_s": 1} | {name: value})


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_catalogue_when_a_kind_is_asked_for_with_its_musts_then_it_is_read(kind: str) -> None:
    """Every row can be switched on, with defaults for what has one."""
    row = KINDS[kind]
    musts = {
        name: parameter.least if parameter.is_number else "x"
        for name, parameter in row.parameters.items()
        if parameter.default is None and not parameter.optional
    }
    scope = dict.fromkeys(row.needs, "aapl")

    asked = read_fault({"kind": kind, "lease_s": 5, "parameters": musts, "scope": scope})

    assert (asked.kind, asked.lease_s, asked.probability) == (kind, 5.0, 1.0)
    assert asked.scope.symbol == ("AAPL" if row.needs else None)
    assert set(asked.parameters) >= set(musts)


@pytest.mark.parametrize(
    "text",
    [
        "server_error lease_s=30 status=504 form=empty method=POST endpoint=/v2/orders* seed=3",
        '{"kind":"server_error","lease_s":30,"parameters":{"status":504,"form":"empty"},'
        '"scope":{"method":"POST","endpoint":"/v2/orders*"},"seed":3}',
    ],
)
def test_option_when_written_short_or_as_json_then_it_is_the_same_fault(text: str) -> None:
    """The command line and the environment speak alike."""
    (asked,) = faults_asked([text], {})

    assert asked == faults_asked([], {"SHT_EXCHANGE_FAULTS": f"\n{text}\n"})[0]
    assert asked.scope == Scope(method="POST", endpoint="/v2/orders*")
    assert asked.parameters == {"status": 504, "form": "empty"}
    assert asked.seed == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("silence", "lease_s missing"),
        ("silence lease_s", "write NAME=VALUE"),
        ("{", "no JSON"),
        ("[]", "choose one of"),
        ("silence lease_s=x", "lease_s 'x'"),
    ],
)
def test_option_when_it_makes_no_sense_then_it_is_a_fault_of_the_settings(
    text: str, words: str
) -> None:
    """The start ends with 78 and what to write instead."""
    with pytest.raises(ConfigFault, match=words):
        faults_asked([text], {})
