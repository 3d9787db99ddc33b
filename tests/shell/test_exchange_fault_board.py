"""The board of faults on a real file, with time in the test's hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.exchange_sim.faults.board import HISTORY, FaultBoard, board_path
from services.exchange_sim.faults.fault import Occasion
from services.exchange_sim.faults.kinds import Stage
from services.exchange_sim.faults.reading import FaultRequest, read_fault
from shared.errors import TransientFault
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration
HERE = Occasion(dialect="trading", endpoint="/v2/clock", method="GET")


def asked(**words: object) -> FaultRequest:
    """Return a request for ten seconds of silence."""
    return read_fault({"kind": "silence", "lease_s": 10} | words)


def acts(board: FaultBoard) -> bool:
    """Whether a request of now would suffer, and count it."""
    acting = board.choose(Stage.INSTEAD, HERE)
    for fault in acting:
        board.acted(fault)
    return bool(acting)


def test_lease_when_the_process_is_new_then_it_ends_at_the_same_second(tmp_path: Path) -> None:
    """The lease is kept in seconds since boot: a restart neither ends nor renews it."""
    path, clock = board_path(tmp_path / "books.db"), ManualClock()
    first = FaultBoard(path, clock)
    fault = first.switch_on(asked())
    assert acts(first)
    first.tick()
    clock.advance(9.5)

    second = FaultBoard(path, clock)

    assert second.active
    assert acts(second)
    assert second.document(fault)["acted"] == 2
    clock.advance(0.5)
    assert not acts(second)
    second.tick()
    assert not second.active
    assert second.document(fault)["state"] == "ended"


def test_lease_when_the_machine_was_booted_then_nothing_is_left_of_it(tmp_path: Path) -> None:
    """Seconds since boot mean nothing in another boot."""
    path, clock = tmp_path / "x.faults.json", ManualClock()
    FaultBoard(path, clock).switch_on(asked())
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"boot_id": "another"}))

    assert FaultBoard(path, clock).documents() == []


def test_fault_when_it_starts_later_then_it_waits(tmp_path: Path) -> None:
    """`starts_in_s` lets an injector die before its fault begins."""
    clock = ManualClock()
    board = FaultBoard(tmp_path / "x.faults.json", clock)
    fault = board.switch_on(asked(starts_in_s=5))

    states = []
    for _ in range(4):
        states.append((board.document(fault)["state"], acts(board)))
        clock.advance(5)

    assert states == [("waiting", False), ("running", True), ("running", True), ("ended", False)]


@pytest.mark.parametrize(("renew", "active"), [(True, True), (False, False)])
def test_fault_of_the_start_when_started_again_then_only_a_person_renews_it(
    tmp_path: Path, renew: bool, active: bool
) -> None:
    """A supervisor repeats the same words after each death: the lease must still end."""
    path, clock, requests = tmp_path / "x.faults.json", ManualClock(), [asked()]
    first = FaultBoard(path, clock)
    first.switch_on_asked(requests, renew=renew)
    assert first.active
    clock.advance(11)

    second = FaultBoard(path, clock)
    second.switch_on_asked(requests, renew=renew)

    assert second.active is active
    assert len(second.documents()) == 1


def test_fault_when_the_disk_refuses_then_it_is_not_switched(tmp_path: Path) -> None:
    """A lease that would not survive is not begun."""
    folder = tmp_path / "gone"
    folder.mkdir()
    board = FaultBoard(folder / "x.faults.json", ManualClock())
    folder.rmdir()

    with pytest.raises(TransientFault):
        board.switch_on(asked())

    assert not board.active
    assert board.documents() == []


def test_board_when_used_for_long_then_it_keeps_the_newest_and_every_running_one(
    tmp_path: Path,
) -> None:
    """The history is bounded; what runs is never forgotten."""
    clock = ManualClock()
    path = tmp_path / "x.faults.json"
    board = FaultBoard(path, clock)
    lasting = board.switch_on(asked(lease_s=80_000))
    for _ in range(HISTORY + 20):
        board.switch_on(asked(lease_s=1))
        clock.advance(2)
    board.tick()

    kept = board.documents()

    assert len(kept) <= HISTORY + 1
    assert kept[0]["id"] == lasting.id
    assert board.active
    assert path.stat().st_mode & 0o777 == 0o600
