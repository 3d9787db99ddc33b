"""How faults bend documents, and what they send in place of the exchange: decisions."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.faults.bodies import canned
from services.exchange_sim.faults.fault import Fault
from services.exchange_sim.faults.reading import read_fault
from services.exchange_sim.faults.shapes import bend

pytestmark = pytest.mark.unit


def fault(kind: str = "silence", **fields: Any) -> Fault:
    """Return a fault that runs from second 100 to second 200 since boot."""
    values: dict[str, Any] = {"id": kind, "kind": kind, "begins_s": 100.0, "ends_s": 200.0}
    return Fault(**(values | fields))


def shaped(document: Any, kind: str, **parameters: Any) -> Any:
    """Return a document as a fault bends it; the original must stay as it is."""
    before = copy.deepcopy(document)
    bent, changed = bend(fault(kind, parameters=parameters), document)
    assert document == before
    assert changed is (json.dumps(bent) != json.dumps(document))
    return bent


@pytest.mark.parametrize(
    ("path", "kind", "parameters", "expected"),
    [
        ("status", "field_removed", {}, {"qty": "1", "legs": [{"status": "held"}]}),
        ("legs.*.status", "field_removed", {}, {"status": "new", "qty": "1", "legs": [{}]}),
        ("legs.0", "field_removed", {}, {"status": "new", "qty": "1", "legs": []}),
        (
            "qty",
            "field_retyped",
            {"to": "number"},
            {"status": "new", "qty": 1.0, "legs": [{"status": "held"}]},
        ),
        (
            "legs",
            "field_retyped",
            {"to": "null"},
            {"status": "new", "qty": "1", "legs": None},
        ),
        (
            "qty",
            "field_renamed",
            {"to": "quantity"},
            {"status": "new", "quantity": "1", "legs": [{"status": "held"}]},
        ),
        (
            "legs.0.status",
            "unknown_word",
            {"word": "napping"},
            {"status": "new", "qty": "1", "legs": [{"status": "napping"}]},
        ),
        ("legs.3.status", "field_removed", {}, None),
        ("qty.deeper", "field_removed", {}, None),
        ("nothing", "unknown_word", {"word": "x"}, None),
    ],
)
def test_document_when_bent_at_a_path_then_only_that_changes(
    path: str, kind: str, parameters: dict[str, Any], expected: Any
) -> None:
    """A path may lead nowhere: then nothing changes and nothing is counted."""
    order = {"status": "new", "qty": "1", "legs": [{"status": "held"}]}

    bent = shaped(order, kind, path=path, **parameters)

    assert bent == (order if expected is None else expected)


def test_list_when_one_element_is_bent_then_its_neighbours_stay() -> None:
    """One unknown word in a list of orders, as it is met in the wild."""
    rows = [{"status": "new"}, {"status": "new"}]

    assert shaped(rows, "unknown_word", path="1.status", word="x") == [rows[0], {"status": "x"}]
    assert shaped(rows, "unknown_word", path="*.status", word="x") == [{"status": "x"}] * 2


def test_quotes_when_zero_or_stale_then_wherever_they_stand() -> None:
    """Latest quotes, snapshots and stream messages; prices of bars stay."""
    quote = {"t": "2026-01-05T17:00:00.5Z", "bp": 1.5, "ap": 1.6, "bs": 2, "as": 3}
    document = {"quotes": {"SPY": quote}, "bar": {"t": "2026-01-05T17:00:00Z", "c": 1}}

    zero = shaped(document, "zero_quotes")
    stale = shaped(document, "stale_quotes", age_s=60.0)

    assert zero["quotes"]["SPY"] == quote | {"bp": 0, "ap": 0, "bs": 0, "as": 0}
    assert stale["quotes"]["SPY"] == quote | {"t": "2026-01-05T16:59:00.500000Z"}
    assert (zero["bar"], stale["bar"]) == (document["bar"], document["bar"])


def test_clock_when_skewed_then_the_offset_stays() -> None:
    """A clock of New York stays one of New York."""
    clock = {"timestamp": "2026-01-05T12:00:00.000000000-05:00", "is_open": True}

    bent = shaped(clock, "clock_skew", seconds=90.0)

    assert bent == {"timestamp": "2026-01-05T12:01:30-05:00", "is_open": True}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


_BENDING: dict[str, dict[str, Any]] = {
    "field_removed": {},
    "field_retyped": {"to": "number"},
    "field_renamed": {"to": "other"},
    "unknown_word": {"word": "x"},
    "clock_skew": {"seconds": 60.0},
    "stale_quotes": {"age_s": 60.0},
    "zero_quotes": {},
}


@given(
    st.dictionaries(st.sampled_from(["a", "t", "bp", "ap", "timestamp"]), _JSON) | _JSON,
    st.sampled_from(["a", "*", "*.*", "0", "a.b", "*.0.t", ""]),
    st.sampled_from(sorted(_BENDING)),
)
def test_document_when_of_any_shape_then_bending_never_breaks_nor_touches_the_original(
    document: Any, path: str, kind: str
) -> None:
    """Whatever stands in a reply, the fault leaves valid JSON and tells whether it acted."""
    shaped(document, kind, **({"path": path} | _BENDING[kind]))


@pytest.mark.parametrize("kind", ["moved", "rate_limited", "refused_keys", "server_error"])
def test_canned_replies_when_written_then_they_are_no_success(kind: str) -> None:
    """What a gateway sends is never taken for the exchange's own word."""
    asked = read_fault({"kind": kind, "lease_s": 1})

    reply = canned(fault(kind, parameters=asked.parameters))

    assert reply is not None
    assert reply.status >= 300
    assert b'"code":' not in reply.body or kind == "rate_limited"
