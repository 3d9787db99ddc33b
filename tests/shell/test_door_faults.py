"""Every fault of the exchange on every call of our doors, as docs/DOORS.md shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.exchange_sim.faults.kinds import KINDS
from tests.support.door_calls import CALLS, Call
from tests.support.door_table import (
    FAULTS,
    NO_CALL,
    STREAMS_ONLY,
    broken_rules,
    cell_of,
    pairs,
    record,
    try_all,
)
from tests.support.door_trials import Fault, Trials

pytestmark = pytest.mark.integration

QUICK_CALLS = ("account", "submit entry", "cancel", "latest_quotes")
QUICK_FAULTS = (
    Fault("rate_limited", {"retry_after_s": 60}),
    Fault("refused_keys", {"status": 403}),
    Fault("odd_reply", {"form": "html"}),
    Fault("moved"),
    Fault("reply_lost", {"how": "504"}),
    Fault("field_retyped", {"to": "object"}),
)
RECORD = record()


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    with Trials(tmp_path_factory.mktemp("faults")) as running:
        yield running


def test_catalogue_when_it_grows_then_the_table_tries_the_new_fault() -> None:
    """Every fault that the exchange can show is tried on the calls, or said why not; every call
    has its line.
    """
    assert {fault.kind for fault in FAULTS} | STREAMS_ONLY | NO_CALL == set(KINDS)
    tried = {(fault, call) for fault, row in RECORD.items() for call in row}
    assert tried == {(fault.name, call.name) for fault, call in pairs()}


@pytest.mark.parametrize("fault", QUICK_FAULTS, ids=lambda fault: fault.name)
def test_calls_when_a_fault_meets_them_then_as_the_table_says(trials: Trials, fault: Fault) -> None:
    """A few faults on one call of each kind: class, requests at the server, time, health, log; an
    entry is never posted twice.
    """
    calls: list[Call] = [call for _, call in pairs((fault,)) if call.name in QUICK_CALLS]
    for call in calls:
        finding = trials.attempt(fault, call)
        assert broken_rules(fault.name, call, finding) == [], (call.name, finding)
        assert cell_of(finding) == RECORD[fault.name][call.name], call.name


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_table_when_everything_is_tried_again_then_it_holds(tmp_path: Path) -> None:
    """The whole table: every fault on every call, against real exchanges."""
    calls = {call.name: call for call in CALLS}
    found = try_all(tmp_path)
    broken = {
        (fault, name, rule)
        for (fault, name), finding in found.items()
        for rule in broken_rules(fault, calls[name], finding)
    }
    assert broken == set()
    other = {key: cell_of(one) for key, one in found.items() if cell_of(one) != _recorded(key)}
    assert other == {}


def _recorded(key: tuple[str, str]) -> tuple[str, int, str, str]:
    return RECORD[key[0]][key[1]]
