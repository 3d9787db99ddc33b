"""The watcher: what did not change has its length, and one odd line ends no drill."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.tree import Tree
from chaos.watcher import Watcher
from shared.config.paths import LogPaths, StatePaths
from tests.support.clock import ManualClock
from tests.support.documents import health_bytes

pytestmark = pytest.mark.integration


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves when it is told to."""
    return ManualClock()


@pytest.fixture
def watcher(tmp_path: Path, clock: ManualClock) -> Watcher:
    """A watcher of a state folder with a health.json."""
    state, logs = StatePaths(tmp_path / "state"), LogPaths(tmp_path / "logs")
    state.run.mkdir(parents=True, mode=0o700)
    logs.root.mkdir()
    stamp = {"boot_id": clock.boot_id(), "boottime_s": clock.boottime_s()}
    state.health.write_bytes(health_bytes(**stamp))
    return Watcher(Tree(state, clock), logs, clock)


def test_samples_when_nothing_changes_any_more_then_the_last_look_closes_them(
    watcher: Watcher, clock: ManualClock
) -> None:
    """A state that lasts to the end of a drill lasts so long; forgotten, nothing is left."""
    assert not watcher.samples
    first = watcher.look()
    assert list(watcher.samples) == [first]
    for _ in range(3):
        clock.advance(1.0)
        last = watcher.look()

    assert list(watcher.samples) == [first, last]
    assert last.at_s - first.at_s == 3.0
    watcher.forget()
    assert not watcher.samples


def test_orders_when_a_line_is_torn_or_odd_then_the_others_are_read(
    watcher: Watcher, tmp_path: Path
) -> None:
    """A disk that was full once must not end every drill after it."""
    path = tmp_path / "logs" / "orders.jsonl"
    path.write_bytes(b'{"event": "ambiguous"}\n{"ev\n5\n\n\xff\n{"event": "fill"}\n{"event": "amb')
    assert watcher.look().ambiguous == 1
    with path.open("ab") as file:
        file.write(b'iguous"}\n')

    assert watcher.look().ambiguous == 2
    assert [line["event"] for line in watcher.lines] == ["ambiguous", "fill", "ambiguous"]
