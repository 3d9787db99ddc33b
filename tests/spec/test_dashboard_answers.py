"""Answers keep their published shape, whatever the other processes wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dashboard import answers, views_api
from services.dashboard.answer_fields import Shape, shaped
from tests.support import documents as sample
from tests.support.published import published
from tests.support.readings import judged, reading

pytestmark = pytest.mark.unit

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def odd(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The document with some of its fields replaced by anything."""
    fields = st.dictionaries(st.sampled_from(sorted(document)), ANYTHING, max_size=5)
    return fields.map(lambda changed: {**document, **changed})


def assert_kept(path: str, shape: type[Shape], document: dict[str, Any]) -> None:
    """What goes out is what is published for the route."""
    headers = {"content-type": "application/json"}
    body = shaped(shape, document)
    assert published().broken_promise("GET", path, 200, headers, body) == ""


@settings(max_examples=40, deadline=None)
@given(
    odd(sample.bot_status()),
    odd(sample.health_document()),
    odd(sample.service_entry("x")),
    odd(sample.position()),
    odd(sample.order(1)),
    odd(sample.denial()),
)
def test_answers_for_any_documents_keep_their_shape(
    status: dict[str, Any],
    health: dict[str, Any],
    service: dict[str, Any],
    position: dict[str, Any],
    order: dict[str, Any],
    denial: dict[str, Any],
) -> None:
    """One bad cell is null; no cell and no document makes an answer fail."""
    health["services"] = {"trading-bot": service}
    of = reading(health=json.dumps(health).encode(), bot_status=status)
    verdict = judged(of)
    base = "/api/unified"
    assert_kept("/api/system/health", answers.Health, views_api.health_document(verdict, of))
    assert_kept(
        f"{base}/status", answers.SystemStatus, views_api.status_document(of, verdict, "sim")
    )
    for name, shape, row in (
        ("positions", answers.Positions, position),
        ("orders", answers.Orders, order),
        ("rejections", answers.Rejections, denial),
        ("equity", answers.Equity, denial),
        ("incidents", answers.Incidents, order),
    ):
        assert_kept(f"{base}/{name}", shape, views_api.rows_document(name, (row,), of))


@pytest.mark.parametrize(
    ("told", "answered"),
    [
        ("260", "260"),
        ("2.6E+2", "260"),
        ("-1e-7", "-0.0000001"),
        ("1E+400", None),
        ("NaN", None),
        (7, None),
        ("12 shares", None),
    ],
)
def test_answer_when_an_amount_is_odd_is_plain_decimal_text_or_null(
    told: object, answered: str | None
) -> None:
    """Programs read one kind of number; what is none is unknown, never 0."""
    rows = ({"symbol": "AAPL", "stop_price": told, "more": {"kept": True}},)
    document = views_api.rows_document("positions", rows, reading())
    (row,) = json.loads(shaped(answers.Positions, document))["positions"]
    assert row == {"symbol": "AAPL", "stop_price": answered, "more": {"kept": True}}
