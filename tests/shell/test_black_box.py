"""Strategies that end the process itself: found after the death, switched off, the others go on.

Each bot is a process of its own, forked, so that a real kernel tells how it ended.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from services.trading_bot.brain.black_box import (
    NAME_BYTES,
    BlackBox,
    close_black_box,
    open_black_box,
)
from services.trading_bot.brain.deaths import Exit
from services.trading_bot.brain.roster import make_strategies
from services.trading_bot.brain.trial_market import Moment
from services.trading_bot.brain.ward import Ward, rows_of
from services.trading_bot.supervision import Supervision
from shared.models.limits import Limits
from tests.support.clock import ManualClock
from tests.support.documents import health_bytes
from tests.support.wicked_strategies import HONEST, write_strategy

pytestmark = pytest.mark.integration

WARM = Moment(60)
AT_WORK = "        if len(snapshot.buffers) == 4:\n            return [signal(snapshot)]\n"
"""It stands the trial, where it is shown four symbols, and shows its face at work."""
DEADLY = {
    "leaves": ("__import__('os')._exit(3)", "exit code 3"),
    "leaves_well": ("__import__('os')._exit(0)", "exit code 0"),
    "aborts": ("__import__('os').abort()", "SIGABRT"),
    "crashes": ("__import__('ctypes').string_at(1)", "SIGSEGV"),
    "recurses_in_c": (
        "__import__('sys').setrecursionlimit(10**9)\n"
        "        class Deep:\n            __repr__ = lambda self: repr(self)\n"
        "        repr(Deep())",
        "SIGSEGV",
    ),
}
KILLS = "        __import__('signal').raise_signal(9)"


def bot(folder: Path, clock: ManualClock, former: Exit, work: Callable[[BlackBox], None]) -> Exit:
    """Be a bot in a process of its own that opens its box and works; return how it ended."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            box = open_black_box(folder / "run" / "box", clock, lambda: former)
            work(box)
            code = 42
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Exit(signal=-status) if status < 0 else Exit(code=status)


def ask_all(folder: Path) -> Callable[[BlackBox], None]:
    """Return the work: load the folder's strategies, ask each at work, show the rows."""

    def work(box: BlackBox) -> None:
        made = make_strategies((f"folder:{folder}",), Limits(), box)
        shown = WARM.snapshot()
        less = {k: v for k, v in shown.buffers.items() if k != "STILL"}
        signals = [
            each.decide(type(shown)(shown.now, less, shown.quotes), WARM.portfolio())
            for each in made
        ]
        rows = [[row.name, row.is_on, row.reason] for row in rows_of(made)]
        said = [signal.strategy for each in signals for signal in each]
        (folder / "seen.json").write_text(json.dumps({"rows": rows, "said": said}))

    return work


def deaths_until_whole(folder: Path, clock: ManualClock) -> list[str]:
    """Start one bot after the other until one works to its end; return how the others ended."""
    former, ways = Exit(), list[str]()
    for _ in range(6):
        former = bot(folder, clock, former, ask_all(folder / "mine"))
        if former == Exit(code=42):
            return ways
        ways.append(former.name)
        clock.advance(20)
    raise AssertionError(f"no bot lived: {ways}")


@pytest.mark.parametrize("name", sorted(DEADLY))
@pytest.mark.parametrize("when", ["at_work", "at_its_trial", "when_loaded"])
def test_bot_when_a_strategy_ends_the_process_then_it_is_off_after_the_second_death(
    tmp_path: Path, name: str, when: str
) -> None:
    """Whatever ends the process, and whenever: two bots die, the third lives without it."""
    (deed, way), clock = DEADLY[name], ManualClock()
    path = write_strategy(tmp_path / "mine", name, f"        {deed}")
    write_strategy(tmp_path / "mine", "honest", HONEST)
    if when == "at_work":
        write_strategy(tmp_path / "mine", name, f"{AT_WORK}        {deed}")
    elif when == "when_loaded":
        path.write_text(deed.replace("\n        ", "\n"), encoding="utf-8")

    assert deaths_until_whole(tmp_path, clock) == [way, way]

    seen = json.loads((tmp_path / "mine" / "seen.json").read_text())
    why = f"the bot died 2 times while it spoke ({way}, {way})"
    assert seen["rows"] == sorted([["honest", True, ""], [name, False, why]])
    assert seen["said"] == ["honest"]


def test_bot_when_a_strategy_kills_by_a_signal_then_it_takes_a_row_of_three(
    tmp_path: Path,
) -> None:
    """SIGKILL may come from outside: only bot after bot killed while the same one spoke counts."""
    write_strategy(tmp_path / "mine", "kills", AT_WORK + KILLS)

    assert deaths_until_whole(tmp_path, ManualClock()) == ["signal 9"] * 3

    seen = json.loads((tmp_path / "mine" / "seen.json").read_text())
    assert [row[:2] for row in seen["rows"]] == [["kills", False]]


def test_bot_when_it_is_killed_from_outside_while_one_speaks_then_nobody_is_off(
    tmp_path: Path,
) -> None:
    """Two kills strike while an innocent speaks, and one while nobody does: it still speaks."""
    clock = ManualClock()

    def killed_while(name: str) -> Callable[[BlackBox], None]:
        def work(box: BlackBox) -> None:
            with box.speaking("loud"):
                pass
            if name:
                with box.speaking(name):
                    os.kill(os.getpid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

        return work

    former = Exit()
    for name in ("innocent", "innocent", "", "innocent", "innocent"):
        former = bot(tmp_path, clock, former, killed_while(name))
        assert former.name == "signal 9"

    assert open_black_box(tmp_path / "run" / "box", clock, lambda: former).off == {}


def test_box_when_its_strategy_is_off_then_it_stays_so_until_an_end_that_was_asked_for(
    tmp_path: Path,
) -> None:
    """Other crashes change nothing; an asked end, or another boot, gives everybody a chance."""
    clock, path = ManualClock(), tmp_path / "run" / "box"

    def dead(name: str) -> dict[str, str]:
        box = open_black_box(path, clock, lambda: Exit(code=1))
        os.pwrite(os.open(path, os.O_WRONLY), name.encode().ljust(NAME_BYTES, b"\0"), 0)
        clock.advance(60)
        return box.off

    for name in ("mine", "mine", *[""] * 30):
        off = dead(name)

    assert list(off) == ["mine"]
    assert path.stat().st_mode & 0o777 == 0o600
    clock.boot = "another"
    assert dead("") == {}
    for _ in range(2):
        dead("mine")
    assert list(dead("")) == ["mine"]
    close_black_box(path)
    close_black_box(path)
    assert dead("") == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 20,
        b"\xff" * 400,
        b"mine".ljust(NAME_BYTES, b"\0") + b"[]",
        b"mine".ljust(NAME_BYTES, b"\0") + b'{"boot_id": "B", "ends": [[1]], "off": {}}',
        b"mine".ljust(NAME_BYTES, b"\0") + b'{"boot_id": "B", "ends": 5, "off": []}',
        b"mine".ljust(NAME_BYTES, b"\0") + b"[" * 90_000,
        b"x" * 1_000_000,
    ],
)
def test_box_when_its_file_means_nothing_then_a_new_one_is_begun(
    tmp_path: Path, content: bytes
) -> None:
    """Damage costs what was remembered, and nothing else."""
    clock, path = ManualClock(), tmp_path / "run" / "box"
    path.parent.mkdir()
    path.write_bytes(content.replace(b'"B"', json.dumps(clock.boot).encode()))

    box = open_black_box(path, clock, Exit)
    with box.speaking("mine"):
        assert path.read_bytes().startswith(b"mine\0")

    assert box.off == {}
    assert path.read_bytes()[:NAME_BYTES] == bytes(NAME_BYTES)
    assert list(path.parent.iterdir()) == [path]


def test_box_when_no_file_can_be_made_then_strategies_speak_without_a_note(tmp_path: Path) -> None:
    """A folder that refuses, or a link in the place of the file, costs the note alone."""
    (tmp_path / "run").write_text("no folder")
    box = open_black_box(tmp_path / "run" / "box", ManualClock(), Exit)
    (linked,) = make_strategies(("momentum",), Limits(), box)
    assert isinstance(linked, Ward)
    assert linked.decide(WARM.snapshot(), WARM.portfolio())

    (tmp_path / "target").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with open_black_box(tmp_path / "link", ManualClock(), Exit).speaking("mine"):
        assert (tmp_path / "target").read_text() == "kept"


OURS, CODED = -1, {"code": 3, "signal": None}


@pytest.mark.parametrize(
    ("pid", "last", "found"),
    [
        (OURS, CODED, Exit(code=3)),
        (OURS, {"code": None, "signal": 11}, Exit(signal=11)),
        (1, CODED, Exit()),
        (OURS, None, Exit()),
        (OURS, {"code": "3", "signal": True}, Exit()),
        (OURS, [3], Exit()),
    ],
)
def test_supervision_when_health_tells_of_this_process_then_the_end_before_it_is_known(
    tmp_path: Path, pid: int, last: object, found: Exit
) -> None:
    """Only a row that speaks of this very process tells of the one before."""
    path, supervised = tmp_path / "health.json", {"SHT_SERVICE": "trading-bot"}
    row = {"pid": os.getpid() if pid == OURS else pid, "last_exit": last}
    path.write_bytes(health_bytes(services={"trading-bot": row}))

    assert Supervision(path, supervised, ManualClock()).former_exit() == found
    assert Supervision(path, {}, ManualClock()).former_exit() == Exit()
    path.write_bytes(health_bytes().replace(b'"trading-bot": {', b'"nobody": {'))
    assert Supervision(path, supervised, ManualClock()).former_exit() == Exit()
    path.write_text("no document")
    assert Supervision(path, supervised, ManualClock()).former_exit() == Exit()
