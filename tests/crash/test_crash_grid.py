"""The plan of deaths names what is really there: each call of a commit, each step of the path."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from shared.config.paths import StatePaths
from shared.persistence.journal import Journal
from shared.persistence.state_store import StateStore
from tests.crash.deaths import TroubledFiles
from tests.crash.drawing import history_of
from tests.crash.grid import (
    COMMIT_CALLS_LATER,
    FILE_CALLS,
    LANDMARKS,
    POINTS,
    name_of,
    planned,
    seeds_at,
)
from tests.crash.history import Kill, KillKind, Strike, WireKind
from tests.crash.request_kinds import CANCEL, CLOSE, ENTRY, EXIT, LOOKUP, PROTECTION, kind_of
from tests.crash.table import Table, death
from tests.crash.venue import Request
from tests.crash.wire_faults import WireDice
from tests.support.clock import ManualClock
from tests.support.stores import ACCOUNT, MODE, state_of

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


class Counting(TroubledFiles):
    """Counts the calls within each run of one function, by the harness's own way of counting."""

    def __init__(self, name: str) -> None:
        super().__init__(Kill(KillKind.FILE_STEP, -1, name), None)
        self.by_run: Counter[int] = Counter()

    def _step(self) -> None:
        super()._step()
        if self._runs:
            self.by_run[self._runs] = self._steps


def runs_of(folder: Path, name: str) -> list[Counter[int]]:
    """Return, for a new account's life and the next one, how many calls each run made."""
    found = []
    for _ in range(2):
        files, paths = Counting(name), StatePaths(folder)
        store = StateStore(paths, ManualClock(), files)
        store.load()
        store.set_aside(MODE, ACCOUNT)
        journal = Journal(paths.journal, ManualClock(), files)
        journal.open(MODE, ACCOUNT)
        for number in range(3):
            journal.append({"n": number})
            store.commit(state_of(number))
        journal.compact(journal.last_seq)
        found.append(files.by_run)
    return found


@pytest.mark.parametrize("name", FILE_CALLS)
def test_file_calls_when_counted_again_then_the_plan_kills_at_each_of_them(
    tmp_path: Path, name: str
) -> None:
    """A call more in a commit, and the plan must kill at it, too."""
    runs = runs_of(tmp_path, name)

    assert max(max(run.values(), default=0) for run in runs) == FILE_CALLS[name]
    if name == "StateStore.commit":
        assert runs[0][1] == FILE_CALLS[name]
        assert {*runs[1].values(), runs[0][2]} == {COMMIT_CALLS_LATER}


def test_landmarks_when_looked_up_then_each_is_a_method_of_the_bot() -> None:
    """A renamed method would silently take its deaths out of the histories."""
    found = set()
    for base in ("services/trading_bot", "shared"):
        for path in (ROOT / base).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    members = [one for one in node.body if isinstance(one, ast.FunctionDef)]
                    found |= {f"{node.name}.{one.name}" for one in members}

    assert set(LANDMARKS) - found == set()


def test_histories_when_as_many_as_points_then_each_point_is_planned_once() -> None:
    """Enumerated, not only drawn: two histories per point bring every point."""
    kills = [history_of(seed).lives[0].kill for seed in range(0, 2 * len(POINTS), 2)]

    assert {death(kill) for kill in kills} == {death(point) for point in POINTS}
    assert all(death(planned(len(POINTS) + 3, Random(x))) == death(kills[3]) for x in range(9))


@pytest.mark.parametrize("place", [PROTECTION, EXIT, CANCEL, CLOSE, LOOKUP, "OrderDoor.close"])
def test_history_when_its_place_lies_off_the_common_path_then_it_has_a_scene(place: str) -> None:
    """One trade at rest and one trouble lead there; before it nothing else goes wrong."""
    history = history_of(next(seeds_at(place, 7)))
    life, wire = history.lives[0], history.wire

    assert place in name_of(life.kill)
    assert life.disk is None
    assert wire.quiet_s > 0
    assert all(start_s > wire.quiet_s for start_s, _ in (*wire.outages, *wire.stream_gaps))
    assert history_of(history.seed) == history


def test_strike_when_its_kind_and_time_come_then_it_befalls_so_many_requests() -> None:
    """What leads to a place is no matter of luck, and leaves every other request alone."""
    drawn = history_of(7)
    strike = Strike(CLOSE, WireKind.LOST_BEFORE, 5.0, 9.0, times=2)
    wire = replace(drawn.wire, read_rate=0.0, write_rate=0.0, strikes=(strike,))
    dice = WireDice(replace(drawn, wire=wire))
    request = Request("DELETE", "/v2/positions/AAPL", (), b"")

    found = [dice.kind(request, CLOSE, now_s) for now_s in (4.9, 5.0, 6.0, 7.0)]

    assert found == [None, WireKind.LOST_BEFORE, WireKind.LOST_BEFORE, None]
    assert dice.kind(request, EXIT, 6.0) is None


@pytest.mark.parametrize(
    ("method", "target", "body", "kind"),
    [
        ("POST", "/v2/orders", b'{"side":"buy","order_class":"bracket"}', ENTRY),
        ("POST", "/v2/orders", b'{"side":"sell","order_class":"oco"}', PROTECTION),
        ("POST", "/v2/orders", b'{"side":"sell","type":"trailing_stop"}', PROTECTION),
        ("POST", "/v2/orders", b'{"side":"sell","type":"market"}', EXIT),
        ("DELETE", "/v2/orders/x", b"", CANCEL),
        ("DELETE", "/v2/positions/AAPL", b"", CLOSE),
        ("GET", "/v2/orders:by_client_order_id?client_order_id=x", b"", LOOKUP),
    ],
)
def test_request_when_named_then_its_purpose_is_meant(
    method: str, target: str, body: bytes, kind: str
) -> None:
    """The table, and the deaths at requests, go by these names."""
    assert kind_of(Request(method, target, (), body)) == kind


def test_table_when_something_never_came_then_it_says_so() -> None:
    """Thin coverage is written out, line by line."""
    table, kill = Table(), Kill(KillKind.FILE_STEP, 3, "StateStore.commit")
    table.add(Counter({death(kill): 2, "wire: doubled": 1}))

    lines = "\n".join(table.lines())

    assert "file_step StateStore.commit: 1 of its 22 calls" in lines
    assert "NEVER MET death: file_step StateStore.commit call 04" in lines
    assert "NEVER MET death: file_step StateStore.commit call 03" not in lines
    assert "NEVER MET wire: doubled" not in lines
