"""The envelope and strict JSON: only bytes that are exactly as written are believed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.persistence.document import (
    DEPTH_MAX,
    VERSION,
    Header,
    Malformed,
    NewerVersion,
    parse_object,
    render,
    seal,
    unseal,
)
from shared.persistence.journal_lines import BASE, RECORD, make_line, scan
from tests.support.stores import state_of

pytestmark = pytest.mark.unit

HEADER = Header(seq=12, epoch=3, boot_id="b0", written_at="2026-11-20T18:00:00.000Z")
STATE = seal(state_of(7), HEADER)
OLDER = seal({**state_of(6), "trade_history": ["x" * 50]}, Header(11, 3, "b0", "then"))
JOURNAL = make_line(4, BASE, {"version": 1, "mode": "sim", "account_id": "A1"}) + b"".join(
    make_line(seq, RECORD, {"n": seq, "text": 'a "quoted" line\n'}) for seq in range(5, 11)
)

positions = st.integers(0, len(STATE) - 1)


def _flip(position: int, bit: int) -> bytes:
    return STATE[:position] + bytes([STATE[position] ^ (1 << bit)]) + STATE[position + 1 :]


corruptions = st.one_of(
    st.builds(_flip, positions, st.integers(0, 7)),
    st.builds(lambda cut: STATE[:cut], positions),
    st.builds(lambda cut: STATE[:cut] + b"\0" * (len(STATE) - cut), positions),
    st.builds(lambda cut: STATE[cut:], st.integers(1, len(STATE) - 1)),
    st.builds(lambda cut: STATE[:cut] + OLDER[cut:], positions),
    st.builds(lambda cut: OLDER[:cut] + STATE[cut:], positions),
    st.builds(lambda tail: STATE + tail, st.binary(min_size=1, max_size=40)),
    st.builds(lambda head: head + STATE, st.binary(min_size=1, max_size=40)),
    st.builds(
        lambda a, b: STATE[: min(a, b)] + STATE[max(a, b) :], positions, st.integers(0, len(STATE))
    ),
    st.builds(
        lambda at, new: STATE[:at] + new + STATE[at + len(new) :],
        positions,
        st.binary(min_size=1, max_size=64),
    ),
    st.just(STATE + OLDER),
    st.just(STATE.decode().encode("utf-16")),
    st.just(b"\xef\xbb\xbf" + STATE),
    st.just(STATE.replace(b'"', b"'")),
    st.binary(max_size=300),
)


@settings(max_examples=2000, deadline=None)
@given(corruptions)
def test_state_file_when_corrupted_then_it_is_not_believed(data: bytes) -> None:
    """Flips, cuts, zeros, mixtures of two generations: malformed, or untouched; nothing else."""
    if data in (STATE, OLDER):
        return
    with pytest.raises(Malformed):
        unseal(data)


def test_state_file_when_any_single_byte_changes_then_it_is_not_believed() -> None:
    """Each byte of the file in turn, the envelope's own numbers included."""
    for position, byte in enumerate(STATE):
        for other in {byte ^ 1, byte ^ 0x80, 0, ord("9"), ord(" ")} - {byte}:
            with pytest.raises(Malformed):
                unseal(STATE[:position] + bytes([other]) + STATE[position + 1 :])


def test_seal_when_opened_again_then_payload_and_header_come_back() -> None:
    """The round trip, and the layout that CONTRACTS.md promises."""
    sealed = unseal(STATE)

    assert sealed.payload == state_of(7)
    assert sealed.header == HEADER
    document = json.loads(STATE)
    assert list(document) == ["envelope", "payload"]
    assert list(document["envelope"]) == [
        "version", "seq", "epoch", "boot_id", "written_at", "length", "sha256",
    ]  # fmt: skip


def test_unseal_when_a_document_was_made_by_the_contract_alone_then_it_is_read() -> None:
    """A file that another program made by section 4 needs no stamp of ours."""
    body = json.dumps({"mode": "sim"}).encode()
    members = {
        "version": 1,
        "seq": 1,
        "epoch": 1,
        "boot_id": "b",
        "written_at": "t",
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    data = json.dumps({"envelope": members, "payload": {"mode": "sim"}}).encode()

    assert unseal(data).payload == {"mode": "sim"}


def test_unseal_when_the_version_is_newer_then_it_says_so() -> None:
    """A whole file of the future is not damaged."""
    with pytest.raises(NewerVersion, match=f"version {VERSION + 1}"):
        unseal(seal({}, Header(1, 1, "b", "t", version=VERSION + 1)))


@pytest.mark.parametrize(
    "payload", [{"stamp": 1}, {"x": float("nan")}, {"x": float("inf")}, {"x": object()}]
)
def test_seal_when_the_payload_is_no_json_then_nothing_is_made(payload: dict[str, object]) -> None:
    """A mistake in our own program is found before it reaches the disk."""
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract, not the words
        seal(payload, HEADER)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"null", b"1", b'"x"', b"{", b'{"a":1', b'{"a":NaN}', b'{"a":Infinity}',
        b'{"a":-Infinity}', b'{"a":1e999}', b'{"a":1,"a":2}', b'{"a":{"b":1,"b":1}}',
        b"\xef\xbb\xbf{}", b'{"a":"\xff"}', b'{"a":"\\ud800"}', b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' * 40 + b"1" + b"}" * 40, b"[" * 100_000, b'{"a":' * 100_000, b"\0" * 64,
        '{"a":1}'.encode("utf-16"), b'{"a":1}{"b":2}', b"{'a':1}", b'{"a":1,}',
    ],
)  # fmt: skip
def test_parse_when_json_is_odd_then_it_is_refused(data: bytes) -> None:
    """Every trap of JSON is one typed refusal."""
    with pytest.raises(Malformed):
        parse_object(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: b'\\"' * n,
        lambda n: b'"' * n,
        lambda n: b"[" * n,
        lambda n: b"[]" * n,
        lambda n: b'{"":' * n,
        lambda n: b'"\\' * n,
    ],
)
def test_parse_when_megabytes_are_hostile_then_it_ends_soon(make: Callable[[int], bytes]) -> None:
    """A million bad characters cost linear time."""
    data = make(1_000_000)
    began = time.monotonic()

    with pytest.raises(Malformed):
        parse_object(data)

    assert time.monotonic() - began < 5


def test_parse_when_it_is_larger_than_allowed_then_it_is_not_even_read() -> None:
    """Size comes before everything."""
    with pytest.raises(Malformed, match="larger than 3"):
        parse_object(b"{  }", 3)


def test_parse_when_nested_to_the_limit_then_it_is_read() -> None:
    """The limit itself is allowed, brackets inside strings do not count."""
    deep = b'{"[[[":' * DEPTH_MAX + b"1" + b"}" * DEPTH_MAX

    assert "[[[" in parse_object(deep)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), json_values, max_size=5))
def test_render_when_parsed_again_then_it_is_the_same(value: dict[str, object]) -> None:
    """What we write is what we read."""
    assert parse_object(render(value)) == value


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, len(JOURNAL) - 1), st.binary(min_size=1, max_size=30), st.booleans())
def test_journal_when_corrupted_then_only_what_was_written_is_replayed(
    position: int, new: bytes, cut: bool
) -> None:
    """Whatever happens to the bytes, no record is invented, changed, doubled or reordered."""
    data = JOURNAL[:position] + (b"" if cut else new + JOURNAL[position + len(new) :])
    found = scan(data)

    records = [line.value for line in found.records]
    assert all(record == {"n": record["n"], "text": 'a "quoted" line\n'} for record in records)
    numbers = [record["n"] for record in records]
    assert numbers == sorted(set(numbers))
    lost = len(records) < 6 or found.base is None
    assert not lost or cut or found.bad or found.torn
    if found.bad == 0:
        assert numbers == list(range(5, 5 + len(numbers)))


@pytest.mark.parametrize(
    ("change", "bad", "torn", "left"),
    [
        (lambda lines: lines, 0, False, 6),
        (lambda lines: [*lines[:-1], lines[-1][:20]], 0, True, 5),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], 0, False, 6),
        (lambda lines: [*lines[:-1], b"\0" * 100 + b"\n"], 0, True, 5),
        (lambda lines: [*lines[:3], b"{}\n", *lines[4:]], 1, False, 5),
        (lambda lines: [*lines[:3], *lines[4:]], 1, False, 5),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 1, False, 6),
        (lambda lines: [*lines[:-1], b"{}\n"], 1, False, 5),
        (lambda lines: lines[1:], 1, False, 6),
        (lambda lines: [], 1, False, 0),
    ],
)
def test_scan_when_lines_are_lost_then_torn_and_corrupt_are_told_apart(
    change: Callable[[list[bytes]], list[bytes]], bad: int, torn: bool, left: int
) -> None:
    """A half written end is a death; a hole in the middle is corruption."""
    found = scan(b"".join(change(JOURNAL.splitlines(keepends=True))))

    assert (found.bad, found.torn, len(found.records)) == (bad, torn, left)


def test_scan_when_the_last_line_is_rotten_then_its_number_is_not_given_again() -> None:
    """Somebody may have acted on the lost record."""
    lines = JOURNAL.splitlines(keepends=True)

    assert scan(b"".join([*lines[:-1], b"{}\n"])).last_seq == 10
