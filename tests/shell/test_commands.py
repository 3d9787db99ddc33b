"""The spool of commands, on real files: one taker, honest answers, nothing lost."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.commands.spool import ANSWERS_KEPT, CommandSpool, Expired, Unreadable
from shared.errors import TransientFault
from shared.models.commands import (
    Answer,
    Command,
    CommandOutcome,
    answer_from_document,
    command_from_document,
)
from tests.support.operator_desk import OperatorDesk

pytestmark = pytest.mark.integration


@pytest.fixture
def desk(tmp_path: Path) -> OperatorDesk:
    """A fresh state folder."""
    return OperatorDesk(tmp_path)


def test_command_when_submitted_then_claimed_once_and_whole(desk: OperatorDesk) -> None:
    """What was laid down is what is taken up, by one taker only."""
    command = desk.command()
    desk.spool.submit(command)
    assert desk.spool.claim() == command
    assert desk.spool.claim() is None
    assert desk.spool.taken() == (command,)


def test_command_file_when_written_then_holds_the_contracts_fields(desk: OperatorDesk) -> None:
    """Names of CONTRACTS.md section 4, private mode, no temporary file left."""
    desk.spool.submit(desk.command())
    files = [path for path in desk.state.commands.iterdir() if path.is_file()]
    document = json.loads(files[0].read_text())
    assert [path.name for path in files] == ["2026-0001.json"]
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert {"id", "command", "args", "by", "reason", "expires_at"} <= set(document)
    assert document["command"] == "pause"


def test_commands_when_several_wait_then_the_oldest_comes_first(desk: OperatorDesk) -> None:
    """Ids rise with time."""
    for number in (3, 1, 2):
        desk.spool.submit(desk.command(number))
    claimed = [desk.spool.claim() for _ in range(3)]
    assert [one.id for one in claimed if isinstance(one, Command)] == [
        "2026-0001", "2026-0002", "2026-0003",
    ]  # fmt: skip


def test_command_when_two_claim_at_once_then_each_is_taken_by_one(desk: OperatorDesk) -> None:
    """Eight takers, forty commands: nobody gets one that another has."""
    for number in range(40):
        desk.spool.submit(desk.command(number))
    got: list[str] = []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait(10)
        while isinstance(claimed := desk.spool.claim(), Command):
            got.append(claimed.id)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(got) == [f"2026-{number:04d}" for number in range(40)]


@pytest.mark.parametrize("how", ["late", "other boot"])
def test_command_when_expired_then_answered_and_told(desk: OperatorDesk, how: str) -> None:
    """Sixty seconds, or a reboot in between: refused, answered, and handed out for the log."""
    desk.spool.submit(desk.command())
    if how == "late":
        desk.clock.advance(60)
    else:
        desk.clock.boot = "00000000-0000-0000-0000-000000000002"
    claimed = desk.spool.claim()
    assert isinstance(claimed, Expired)
    assert claimed.command.id == "2026-0001"
    answer = desk.spool.read_answer("2026-0001")
    assert answer is not None
    assert answer.outcome is CommandOutcome.EXPIRED
    assert desk.spool.taken() == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"id": "bad"}', b'{"id": "other"}', b"x" * 100_000],
)
def test_file_when_it_is_no_command_then_moved_aside_and_answered(
    desk: OperatorDesk, content: bytes
) -> None:
    """Never deleted, never in the way of the next one."""
    desk.spool.submit(desk.command(2))
    (desk.state.commands / "0bad.json").write_bytes(content)
    claimed = desk.spool.claim()
    assert isinstance(claimed, Unreadable)
    assert claimed.answer.outcome is CommandOutcome.REFUSED
    kept = list((desk.state.commands / "done").glob("0bad.json.corrupt.*"))
    assert [path.read_bytes() for path in kept] == [content]
    assert isinstance(desk.spool.claim(), Command)


def test_file_when_its_id_is_another_than_its_name_then_unreadable(desk: OperatorDesk) -> None:
    """An answer would go astray."""
    document = json.dumps(desk.command().as_document())
    desk.spool.submit(desk.command(2))
    (desk.state.commands / "0001.json").write_text(document)
    assert isinstance(desk.spool.claim(), Unreadable)


def test_link_when_laid_in_the_spool_then_never_followed(
    desk: OperatorDesk, tmp_path: Path
) -> None:
    """A symbolic link is no command, and its target stays untouched."""
    target = tmp_path / "target.json"
    target.write_text(json.dumps(desk.command(1).as_document()))
    desk.spool.submit(desk.command(2))
    (desk.state.commands / "2026-0001.json").symlink_to(target)
    assert isinstance(desk.spool.claim(), Unreadable)
    assert target.exists()


def test_unclaimed_age_when_commands_wait_then_is_the_oldest_ones(desk: OperatorDesk) -> None:
    """What makes the supervisor act; foreign files do not count."""
    assert desk.spool.unclaimed_age_s() is None
    desk.spool.submit(desk.command(1))
    (desk.state.commands / "0bad.json").write_text("{")
    desk.clock.advance(1.5)
    desk.spool.submit(desk.command(2))
    assert desk.spool.unclaimed_age_s() == pytest.approx(1.5)
    desk.spool.claim()
    desk.spool.claim()
    assert desk.spool.unclaimed_age_s() == pytest.approx(0)
    desk.spool.claim()
    assert desk.spool.unclaimed_age_s() is None


def test_command_when_its_taker_died_then_the_next_holder_finds_it(desk: OperatorDesk) -> None:
    """A claim without an answer is left over work, in time or expired."""
    desk.spool.submit(desk.command(1))
    assert isinstance(desk.spool.claim(), Command)
    next_holder = CommandSpool(desk.state, desk.clock)
    assert next_holder.taken() == (desk.command(1),)
    desk.clock.advance(61)
    assert isinstance(next_holder.taken()[0], Expired)
    assert next_holder.taken() == ()


def test_answer_when_given_twice_then_the_last_one_stands(desk: OperatorDesk) -> None:
    """Answering again after a refused disk is harmless."""
    desk.spool.submit(desk.command())
    desk.spool.claim()
    desk.spool.answer("2026-0001", CommandOutcome.FAILED, "The broker is away.")
    desk.spool.answer("2026-0001", CommandOutcome.DONE, "Done.", {"qty": "3"})
    answer = desk.spool.read_answer("2026-0001")
    assert answer is not None
    assert (answer.outcome, answer.result) == (CommandOutcome.DONE, {"qty": "3"})
    assert answer.exit_code == os.EX_OK


def test_answers_when_many_then_the_oldest_are_forgotten(desk: OperatorDesk) -> None:
    """The folder stays small for ever."""
    for number in range(ANSWERS_KEPT + 5):
        desk.spool.answer(f"2026-{number:04d}", CommandOutcome.DONE, "Done.")
    done = sorted(path.name for path in (desk.state.commands / "done").iterdir())
    assert len(done) == ANSWERS_KEPT
    assert done[0] == "2026-0005.json"


def test_wait_when_nobody_answers_then_none_after_the_timeout(desk: OperatorDesk) -> None:
    """Bounded, on the monotonic clock."""
    before = desk.clock.monotonic_s()
    assert desk.spool.wait_answer("2026-0001", 3.0) is None
    assert desk.clock.monotonic_s() - before == pytest.approx(3.0, abs=0.1)
    assert desk.spool.wait_answer("../../etc/passwd", 0.0) is None


def test_wait_when_another_thread_answers_then_the_answer(desk: OperatorDesk) -> None:
    """With the real clock, as the CLI waits for the bot."""
    spool = CommandSpool(desk.state, SystemClock())
    desk.spool.submit(desk.command())
    answering = threading.Timer(
        0.02, lambda: spool.answer("2026-0001", CommandOutcome.REFUSED, "No.")
    )
    answering.start()
    answer = spool.wait_answer("2026-0001", 10.0)
    answering.join(10)
    assert answer is not None
    assert (answer.outcome, answer.exit_code) == (CommandOutcome.REFUSED, 1)


@pytest.mark.parametrize("field", ["id", "command", "by", "reason", "expires_at", "boot_id"])
@pytest.mark.parametrize("value", [None, 5, [], "\x00"])
def test_command_when_a_field_is_wrong_then_value_error(
    desk: OperatorDesk, field: str, value: object
) -> None:
    """Each field is checked; only free text may hold anything."""
    document = {**desk.command().as_document(), field: value}
    if value == "\x00" and field in ("by", "reason", "boot_id"):
        assert command_from_document(document)
        return
    with pytest.raises(ValueError, match=r"."):
        command_from_document(document)


def test_documents_when_read_back_then_are_the_same(desk: OperatorDesk) -> None:
    """Command and answer survive the file."""
    command = desk.command()
    answer = Answer("a1", CommandOutcome.DONE, "Ok.", desk.clock.utc_now(), {"n": 1})
    assert command_from_document(json.loads(json.dumps(command.as_document()))) == command
    assert answer_from_document(json.loads(json.dumps(answer.as_document()))) == answer
    assert command.text("symbol") == "AAPL"
    assert command.switch("flatten")
    assert not command.switch("symbol")
    assert command.text("flatten") == ""


def test_claim_when_the_folder_cannot_be_listed_then_transient_fault(desk: OperatorDesk) -> None:
    """A failed read is never "no command"."""
    desk.state.root.mkdir()
    desk.state.commands.write_text("in the way")
    with pytest.raises(TransientFault, match="commands"):
        desk.spool.claim()
    with pytest.raises(TransientFault):
        desk.spool.submit(desk.command())


@pytest.mark.parametrize("name", ["not an id.json", "ä.json", "x" * 250 + ".json", "\udcff.json"])
def test_file_when_its_name_is_no_id_then_moved_aside(desk: OperatorDesk, name: str) -> None:
    """Whatever lies there would keep the supervisor alarmed; nobody waits for its answer."""
    desk.spool.submit(desk.command(2))
    (desk.state.commands / name).write_text("{}")
    claims = [desk.spool.claim(), desk.spool.claim(), desk.spool.claim()]
    assert sorted(type(claim).__name__ for claim in claims) == ["Command", "NoneType", "Unreadable"]
    assert len(list((desk.state.commands / "done").glob("*.corrupt.*"))) == 1
    assert desk.spool.unclaimed_age_s() is None


def test_folder_when_laid_in_the_spool_then_moved_aside(desk: OperatorDesk) -> None:
    """A folder with a command's name is no command."""
    desk.spool.submit(desk.command(2))
    (desk.state.commands / "1.json").mkdir()
    assert isinstance(desk.spool.claim(), Unreadable)
    assert isinstance(desk.spool.claim(), Command)
