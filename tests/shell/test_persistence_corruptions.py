"""Damaged state files, by a seed, met by the real loader: none believed, none lost.

The two generations are those of a rich state. Each round damages one of them, or both, in one of
the ways in which disks and hands damage files, and starts anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.trading_bot.account_state import judge_payload
from shared.config.paths import StatePaths
from shared.events.apply import apply_all
from shared.models.state_codec import state_to_payload
from shared.persistence.document import DOCUMENT_BYTES_MAX, Header, Malformed, seal, unseal
from shared.persistence.state_store import LoadedState, StateOutcome, StateStore
from tests.spec.test_state_codec import EVENTS
from tests.support.builders import a_state
from tests.support.clock import ManualClock
from tests.support.files import in_child
from tests.support.stores import names_in

pytestmark = pytest.mark.integration

STATE, BACKUP = "trading_state.json", "trading_state.json.bak"
SEED = 20_261
ROUNDS = int(os.environ.get("CORRUPTIONS", "500"))
"""`make corruption-test` makes thousands of them."""
MEMORY_BYTES_MAX = 96 << 20
"""Beyond what the process has: for a file of the usual size, whatever stands in it."""
SECONDS_EACH_MAX = 2.0
SURVIVED = 7

Damage = Callable[[random.Random, bytes, bytes], bytes]
"""(chance, the bytes, those of the other generation) → damaged bytes."""


def _flip(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _cut(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def _zero_block(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    at, size = chance.randrange(len(data)), chance.choice((1, 512, 4096))
    return data[:at] + b"\0" * min(size, len(data) - at) + data[at + size :]


def _splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    at = chance.randrange(512, min(len(data), len(other)))
    return data[:at] + other[at:]


def _stale_sector(chance: random.Random, data: bytes, other: bytes) -> bytes:
    at = 512 * chance.randrange(len(data) // 512)
    return data[:at] + other[at : at + 512] + data[at + 512 :]


def _older_tail(chance: random.Random, data: bytes, other: bytes) -> bytes:
    return data + other[-chance.randrange(1, 2_000) :]


def _insert(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    new = chance.choice(
        (
            b'"mode":"live",', b"NaN", b"-Infinity", b"1e999", b"9" * 6_000, b"[" * 50_000,
            b'{"a":' * 50_000, b"\xef\xbb\xbf", b"\xff\xfe", b'"', b"\\", b" ", b"\n",
        )
    )  # fmt: skip
    at = chance.randrange(len(data))
    return data[:at] + new + data[at:]


def _number(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    digits = [at for at, byte in enumerate(data) if byte in b"0123456789"]
    at = chance.choice(digits)
    return data[:at] + bytes([chance.choice(b"0123456789")]) + data[at + 1 :]


def _other_file(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return chance.choice((b"", b"null", b"[]", b"{}", data * 2, json.dumps([1] * 9_000).encode()))


_HOSTILE: tuple[bytes, ...] = (
    b'"mode":"live",', b'"x":NaN,', b'"x":-Infinity,', b'"x":1e999,',
    b'"x":' + b"9" * 6_000 + b",",
    b'"x":' + b"[" * 40 + b"]" * 40 + b",",
    b'"x":' + b'{"a":' * 90_000 + b"1" + b"}" * 90_000 + b",",
    b'"x":"\\ud800",', b'"x":"\xff",', b'"x":01,', b'"x":,', b"\xef\xbb\xbf",
)  # fmt: skip


def _resealed(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    """A hand that knows the envelope: hostile JSON under a checksum that fits."""
    found = unseal(data)
    start = data.index(b', "payload": ') + len(b', "payload": ')
    body = data[start:-1]
    at = body.index(b'},"') + 2 if chance.random() < 0.5 else 1
    body = body[:at] + chance.choice(_HOSTILE) + body[at:]
    members = {
        **found.header.as_members(),
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return b"".join((b'{"envelope": ', json.dumps(members).encode(), b', "payload": ', body, b"}"))


DAMAGES: tuple[Damage, ...] = (
    _flip, _cut, _zero_block, _splice, _stale_sector, _older_tail, _insert, _number, _other_file,
    _resealed,
)  # fmt: skip


def generations(folder: Path) -> tuple[bytes, bytes]:
    """Commit two generations of a rich state; return the newest one's bytes and the backup's."""
    payload = state_to_payload(apply_all(a_state(day=None), EVENTS))
    store = StateStore(StatePaths(folder), ManualClock(), judge=judge_payload)
    store.load()
    store.commit({**payload, "journal_seq": 1})
    store.commit({**payload, "journal_seq": 2, "trade_history": []})
    return (folder / STATE).read_bytes(), (folder / BACKUP).read_bytes()


def started(folder: Path) -> LoadedState:
    """Load within the time that a start may take."""
    began = time.monotonic()
    loaded = StateStore(StatePaths(folder), ManualClock(), judge=judge_payload).load()
    assert time.monotonic() - began < SECONDS_EACH_MAX
    return loaded


def take_kept(folder: Path) -> set[bytes]:
    """Return the bytes of what was moved aside, and clear it away."""
    paths = [folder / name for name in names_in(folder) if ".corrupt." in name]
    found = {path.read_bytes() for path in paths}
    for path in paths:
        path.unlink()
    return found


@pytest.mark.parametrize("damage", DAMAGES)
def test_start_when_generations_are_damaged_then_only_whole_ones_are_believed(
    tmp_path: Path, damage: Damage
) -> None:
    """The newest whole generation, or none; every damaged byte is still there afterwards."""
    chance = random.Random(f"{SEED} {damage.__name__}")
    newest, backup = generations(tmp_path)
    for _ in range(ROUNDS // len(DAMAGES)):
        which = chance.choice(("main", "both", "main", "backup"))
        main = newest if which == "backup" else damage(chance, newest, backup)
        older = backup if which == "main" else damage(chance, backup, newest)
        (tmp_path / STATE).write_bytes(main)
        (tmp_path / BACKUP).write_bytes(older)

        loaded = started(tmp_path)

        whole = [data for data in (main, older) if data in (newest, backup)]
        best = newest if newest in whole else (whole[0] if whole else None)
        assert loaded.payload == (None if best is None else unseal(best).payload)
        if best is None:
            assert loaded.outcome is StateOutcome.REBUILD
        assert take_kept(tmp_path) == {data for data in (main, older) if data not in whole}


def test_start_when_generations_are_swapped_then_the_newer_one_is_believed(tmp_path: Path) -> None:
    """An old file under the current name is found out by the number in its backup."""
    newest, backup = generations(tmp_path)
    (tmp_path / STATE).write_bytes(backup)
    (tmp_path / BACKUP).write_bytes(newest)

    assert started(tmp_path).payload == unseal(newest).payload
    assert take_kept(tmp_path) == {backup}


def test_start_when_a_file_is_hostile_then_its_memory_is_bounded(tmp_path: Path) -> None:
    """Each sort of damage is met under a ceiling of memory, in a process of its own."""
    chance = random.Random(SEED)
    newest, backup = generations(tmp_path)

    def meet() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY_BYTES_MAX
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for damage in DAMAGES * 3:
            (tmp_path / STATE).write_bytes(damage(chance, newest, backup))
            (tmp_path / BACKUP).write_bytes(backup)
            started(tmp_path)
        os._exit(SURVIVED)

    assert in_child(meet) == SURVIVED


def test_start_when_numbers_of_the_envelope_are_at_their_ends_then_no_start_is_lost(
    tmp_path: Path,
) -> None:
    """A generation whose next number could not be read again is not believed at all."""
    newest, _ = generations(tmp_path)
    payload = unseal(newest).payload
    for seq, epoch in ((2**63 - 1, 5), (5, 2**63 - 1), (2**62, 5), (5, 2**62)):
        (tmp_path / STATE).write_bytes(seal(payload, Header(seq, epoch, "boot", "now")))
        (tmp_path / BACKUP).unlink(missing_ok=True)

        store = StateStore(StatePaths(tmp_path), ManualClock(), judge=judge_payload)
        store.load()
        store.commit({**payload, "journal_seq": 9})

        found = started(tmp_path).payload
        assert found is not None
        assert found["journal_seq"] == 9
        take_kept(tmp_path)


WRONG_TYPES: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("mode", (7, True, None, [1], {"x": 1})),
    ("account_id", (7, True, None, [1], {"x": 1})),
    ("id_epoch", (7, True, None, [1], {"x": 1})),
    ("positions", (7, True, None, "text", [1], {"x": 1}, {"x": {}})),
    ("orders", (7, True, None, "text", [1], {"x": 1}, {"x": {}})),
    ("plans", (7, True, None, "text", [1], {"x": 1})),
    ("pnl", (7, True, None, "text", [1], {"trades": 10**30}, {"realized": 0.5})),
    ("operator", (7, True, None, "text", [1], {"paused": "no"})),
    ("journal_seq", (True, None, "7", [1], -1, 0.5, 10**30)),
)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG_TYPES for value in values]
)
def test_start_when_a_whole_file_holds_the_wrong_type_then_the_backup_is_taken(
    tmp_path: Path, name: str, value: object
) -> None:
    """Even with every checksum right."""
    newest, backup = generations(tmp_path)
    found = unseal(newest)
    broken = seal({**found.payload, name: value}, found.header)
    (tmp_path / STATE).write_bytes(broken)

    loaded = started(tmp_path)

    assert loaded.payload == unseal(backup).payload
    assert take_kept(tmp_path) == {broken}


def test_unseal_when_it_is_as_large_as_allowed_then_it_ends_soon() -> None:
    """Thirty-two hostile megabytes whose checksum fits: bounded by their size."""
    body = b'{"mode":"' + b'\\"[{' * ((DOCUMENT_BYTES_MAX - 1_000) // 4)
    members = {
        **Header(1, 1, "b", "t").as_members(),
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    envelope = json.dumps(members).encode()
    data = b'{"envelope": ' + envelope + b', "payload": ' + body + b"}"
    began = time.monotonic()

    with pytest.raises(Malformed, match=r"not JSON|brackets"):
        unseal(data)

    assert time.monotonic() - began < 10
