"""The record of the vendors' shapes on a real disk: one file per day, damaged ones cost nothing."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from shared.contracts.shapes import Shape, shape_of
from shared.errors import SchemaFault, TransientFault
from shared.persistence.contract_record import DAYS_KEPT, ContractRecord
from tests.support import alpaca_payloads as raw

pytestmark = pytest.mark.integration

MONDAY = date(2026, 11, 16)
TUESDAY = MONDAY + timedelta(days=1)


@pytest.fixture
def record(tmp_path: Path) -> ContractRecord:
    return ContractRecord(tmp_path / "contracts", "paper", "trading")


def account(**changes: object) -> dict[str, Shape]:
    """Return the shape of an account, by its reply."""
    return {"account": shape_of("account", raw.raw_account(**changes))}


def test_record_when_written_then_read_back_with_version_and_fingerprint(
    record: ContractRecord, tmp_path: Path
) -> None:
    """The file is small, for its owner alone, and holds no value of the account."""
    record.add(MONDAY, account())

    (path,) = (tmp_path / "contracts").iterdir()
    document = json.loads(path.read_text("utf-8"))
    assert path.name == "paper.trading.2026-11-16.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert document["replies"]["account"]["contract_version"] == 1
    assert (
        document["replies"]["account"]["fingerprint"] == record.load(MONDAY)["account"].fingerprint
    )
    assert record.load(MONDAY)["account"].shape == account()["account"]
    assert "100000" not in path.read_text("utf-8")


def test_record_when_seen_twice_a_day_then_the_day_knows_the_newest(
    record: ContractRecord,
) -> None:
    """A second look forgets what left and keeps what it could not see."""
    empty = {"positions": shape_of("positions", [])}
    record.add(MONDAY, account() | {"positions": shape_of("positions", [raw.raw_position()])})
    record.add(MONDAY, account(equity=5) | empty)

    day = record.load(MONDAY)
    assert day["account"].shape["account.equity"] == {"number"}
    assert "positions[].qty" in day["positions"].shape


def test_record_when_areas_and_modes_share_the_folder_then_they_never_mix(
    record: ContractRecord, tmp_path: Path
) -> None:
    """Each mode and area has days of its own; foreign files are nobody's day."""
    record.add(MONDAY, account())
    (tmp_path / "contracts" / "paper.trading.notes.json").write_text("{}", encoding="utf-8")

    assert ContractRecord(tmp_path / "contracts", "live", "trading").days() == []
    assert ContractRecord(tmp_path / "contracts", "paper", "data").days() == []
    assert record.days() == [MONDAY]
    assert record.latest_before(MONDAY) is None
    assert record.latest_before(TUESDAY) == (MONDAY, record.load(MONDAY))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"replies": 3}', '{"replies": {"account": 3}}', "[" * 100_000,
     '{"replies": {"account": {"shape": 7}}}', "x" * 2_000_000],
)  # fmt: skip
def test_record_when_a_day_is_damaged_then_it_is_empty_and_written_anew(
    record: ContractRecord, tmp_path: Path, text: str
) -> None:
    """The record informs; a damaged one never stops a check."""
    record.add(MONDAY, account())
    (path,) = (tmp_path / "contracts").iterdir()
    path.write_text(text, encoding="utf-8")

    assert record.load(MONDAY) == {}
    record.add(MONDAY, account())
    assert record.load(MONDAY)["account"].shape == account()["account"]


def test_record_when_a_day_is_of_a_newer_version_then_untouched(
    record: ContractRecord, tmp_path: Path
) -> None:
    """A file of tomorrow's program is neither read nor replaced."""
    record.add(MONDAY, account())
    (path,) = (tmp_path / "contracts").iterdir()
    path.write_text('{"schema_version": 99, "replies": {}}', encoding="utf-8")

    with pytest.raises(SchemaFault, match="newer"):
        record.add(MONDAY, account())
    assert "99" in path.read_text("utf-8")


def test_record_when_days_pile_up_then_the_oldest_go(record: ContractRecord) -> None:
    """The folder is bounded."""
    for number in range(DAYS_KEPT + 3):
        record.add(MONDAY + timedelta(days=number), account())

    assert len(record.days()) == DAYS_KEPT
    assert record.days()[0] == MONDAY + timedelta(days=3)


def test_record_when_the_folder_cannot_be_made_then_transient(tmp_path: Path) -> None:
    """A file in its place is said; the check goes on without."""
    (tmp_path / "contracts").write_text("no folder", encoding="utf-8")

    with pytest.raises(TransientFault):
        ContractRecord(tmp_path / "contracts", "paper", "data").add(MONDAY, account())
