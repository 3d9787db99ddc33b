"""Files whose checksums fit and whose content is no state: moved aside, no crash at each start.

A program of another make, a tool, a hand with patience: the envelope is whole, what stands in it
is not ours. The bot starts from the backup, or rebuilds from the broker under a hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.events.types import EquitySeen, OperatorPaused
from shared.models.trading_state import HoldKind
from shared.persistence.document import seal, unseal
from shared.persistence.journal_lines import RECORD, make_line
from tests.support.bot_house import BEFORE, BotHouse, enter, seeing_a_breakout
from tests.support.stores import names_in

pytestmark = pytest.mark.integration

STATE, BACKUP = "trading_state.json", "trading_state.json.bak"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that holds AAPL, with two generations on the disk."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    enter(house)
    house.turn()
    house.parts.memory.commit(now=True)
    house.turn()
    house.parts.memory.commit(now=True)
    yield house
    house.loop.finish()


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Change the payload and seal it again: every checksum fits. Return the bytes."""
    found = unseal(path.read_bytes())
    change(found.payload)
    data = seal(found.payload, found.header)
    path.write_bytes(data)
    return data


def kept_of(house: BotHouse, name: str) -> list[bytes]:
    """The bytes of every copy of that file that was moved aside."""
    root = house.settings.state.root
    return [
        (root / one).read_bytes() for one in names_in(root) if one.startswith(f"{name}.corrupt")
    ]


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "no positions": lambda payload: payload.pop("positions"),
    "orders is a list": lambda payload: payload.update(orders=[]),
    "a number where a text belongs": lambda payload: payload.update(id_epoch=7),
    "a position without its quantity": lambda payload: payload["positions"]["AAPL"].pop("qty"),
    "a quantity of NaN": lambda payload: payload["positions"]["AAPL"].update(qty="NaN"),
    "journal_seq is a text": lambda payload: payload.update(journal_seq="soon"),
    "journal_seq is negative": lambda payload: payload.update(journal_seq=-1),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_start_when_the_state_has_another_shape_then_the_backup_is_taken(
    house: BotHouse, change: Callable[[dict[str, Any]], object]
) -> None:
    """The odd file is kept, the position is known, and nobody has to approve anything."""
    broken = rewrite(house.settings.state.trading_state, change)

    house.born()

    assert set(house.parts.memory.state.positions) == {"AAPL"}
    assert house.parts.memory.state.holds == {}
    assert kept_of(house, STATE) == [broken]


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_start_when_both_generations_have_another_shape_then_a_rebuild_is_held(
    house: BotHouse, change: Callable[[dict[str, Any]], object]
) -> None:
    """Nothing is believed, nothing deleted, and no entry before an approver says so."""
    root = house.settings.state.root
    broken = rewrite(root / STATE, change), rewrite(root / BACKUP, change)

    house.born()

    assert HoldKind.REBUILD.value in house.parts.memory.state.holds
    assert kept_of(house, STATE) == [broken[0]]
    assert kept_of(house, BACKUP) == [broken[1]]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"events": 7},
        {"events": [{"event": "Teleported"}]},
        {"events": [{"event": "EquitySeen"}]},
    ],
)
def test_start_when_a_journal_record_means_nothing_then_it_is_damage(
    house: BotHouse, record: dict[str, Any]
) -> None:
    """Its CRC fits, so somebody meant something: the rest is used, the whole is kept, a hold says
    so, and the next start is quiet.
    """
    journal = house.settings.state.journal
    last = json.loads(journal.read_bytes().splitlines()[-1])["seq"]
    rotten = journal.read_bytes() + make_line(last + 1, RECORD, record)
    journal.write_bytes(rotten)

    house.born()

    state = house.parts.memory.state
    assert set(state.positions) == {"AAPL"}
    assert "journal" in state.holds[HoldKind.REBUILD.value].reason
    assert kept_of(house, "journal.jsonl") == [rotten]
    house.born()
    assert len(kept_of(house, "journal.jsonl")) == 1


def test_start_when_the_journal_was_deleted_then_its_numbers_go_on(house: BotHouse) -> None:
    """A number that a saved state knows is not given again: the backup would take the new record
    for one that it holds.
    """
    known = unseal(house.settings.state.trading_state.read_bytes()).payload["journal_seq"]
    house.settings.state.journal.unlink()

    house.born()
    house.parts.memory.book((OperatorPaused("tester", "lunch", house.now),))

    last = json.loads(house.settings.state.journal.read_bytes().splitlines()[-1])
    assert known > 0
    assert last["seq"] > known
    house.settings.state.trading_state.unlink()
    house.born()
    assert house.parts.memory.state.operator.paused
    assert house.parts.memory.state.holds == {}


def test_start_when_a_journal_number_is_beyond_all_reason_then_it_is_damage(
    house: BotHouse,
) -> None:
    """The number after it could not be read again: every later intent would be lost."""
    journal = house.settings.state.journal
    huge = make_line(10**18 - 1, RECORD, {"events": []})
    journal.write_bytes(journal.read_bytes() + huge)

    house.born()
    house.parts.memory.book((OperatorPaused("tester", "lunch", house.now),))
    house.born()

    assert house.parts.memory.state.operator.paused


def test_memory_when_the_disk_is_free_again_then_it_is_saved_within_a_second(
    house: BotHouse,
) -> None:
    """A quiet market has little to save; that must not keep the fault, and DEGRADED, standing."""
    memory, root = house.parts.memory, house.settings.state.root
    house.pass_time(20)
    hidden = root.rename(root.with_name("hidden"))
    memory.book((EquitySeen(Decimal(99_000), house.now),))
    memory.commit()
    assert memory.fault is not None
    hidden.rename(root)
    house.pass_time(1.5)

    memory.commit()

    assert memory.fault is None
