"""Every member of a rich state, and of every event, holds every absurd value in turn.

What comes out is a value or a ValueError that names the place in a few words; never another
error, and never a state that could not be written again in reasonable size.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.events.apply import apply_all
from shared.events.codec import event_from_json, event_to_json
from shared.events.replay import replay
from shared.models.state_codec import state_from_payload, state_to_payload
from shared.persistence.document import parse_object, render
from tests.spec.test_state_codec import EVENTS
from tests.support.builders import a_state
from tests.support.nested import parent_of, places

pytestmark = pytest.mark.unit

VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 10**400, 1.5, 1e308, "", "x", " ", "NaN", "Infinity", "1e999999",
    "1E-999999", "0E+999999", "9" * 5_000, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "2026-13-01", "x" * 100_000, [], [[]], [None], {}, {"x": {}}, {"": 1},
)  # fmt: skip


def broken(value: Any) -> Iterator[Any]:
    """Yield the same document with one member absent or absurd; the next one is mended first."""
    whole = copy.deepcopy(value)
    for path in tuple(places(whole)):
        parent, last = parent_of(whole, path), path[-1]
        kept = parent[last]
        for new in VALUES:
            parent[last] = new
            yield whole
        del parent[last]
        yield whole
        if isinstance(parent, list):
            parent.insert(last, kept)
        else:
            parent[last] = kept
    assert sorted(places(whole), key=str) == sorted(places(value), key=str)


def _tried(payload: object) -> tuple[str, int]:
    """Return the refusal, or how many bytes the state that was read takes."""
    try:
        state = state_from_payload(payload)
    except ValueError as failure:
        return str(failure), 0
    return "", len(render(state_to_payload(state)))


@pytest.mark.no_cover
def test_state_when_any_member_is_absurd_then_a_state_or_a_value_error() -> None:
    """Thousands of broken payloads whose checksum would fit."""
    payload = json.loads(json.dumps(state_to_payload(apply_all(a_state(day=None), EVENTS))))
    whole = len(render(payload))
    refused = tried = 0
    for document in broken(payload):
        tried += 1
        told, size = _tried(document)
        refused += told != ""
        assert len(told) < 500
        assert size < whole + 200_000
    assert tried > 10_000
    assert refused > tried / 2


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_when_any_member_is_absurd_then_an_event_or_a_value_error(event: Any) -> None:
    """A record of the journal whose CRC would fit."""
    record = json.loads(json.dumps(event_to_json(event)))
    for document in broken(record):
        told = ""
        try:
            event_from_json(document)
        except ValueError as failure:
            told = str(failure)
        assert len(told) < 500


@pytest.mark.parametrize("name", ["positions", "orders"])
def test_state_when_a_member_stands_under_another_name_then_it_is_refused(name: str) -> None:
    """A position of MSFT under the name of AAPL is nobody's."""
    payload = state_to_payload(apply_all(a_state(day=None), EVENTS))
    payload[name]["other"] = payload[name].pop(next(iter(payload[name])))

    with pytest.raises(ValueError, match=r"other"):
        state_from_payload(payload)


def test_journal_when_a_huge_record_holds_no_events_then_the_error_is_short() -> None:
    """A message goes to the log; the record does not."""
    with pytest.raises(ValueError, match="events") as caught:
        replay(a_state(), [{"x": "y" * 1_000_000}])
    assert len(str(caught.value)) < 500


def test_render_when_a_text_holds_half_a_character_then_it_can_be_read_again() -> None:
    """JSON lets half of a surrogate pair in; what we write we must be able to read."""
    record = {"reason": "refused \ud83d", "plain": "\U0001f600 \\ud83d"}

    found = parse_object(render(record))

    assert found == {"reason": "refused ?", "plain": "\U0001f600 \\ud83d"}
