"""The command core behind every door: what must work alone, what is handed over, audit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.commands.audit import AuditLine, AuditLog
from shared.commands.core import CommandCore
from shared.commands.spool import Claim, CommandSpool
from shared.models.commands import (
    Answer,
    Command,
    CommandOutcome,
)
from tests.support.clock import ManualClock
from tests.support.operator_desk import OperatorDesk

pytestmark = pytest.mark.integration


@pytest.fixture
def desk(tmp_path: Path) -> OperatorDesk:
    """A fresh state folder."""
    return OperatorDesk(tmp_path)


def test_emergency_stop_when_given_then_the_file_stands_before_the_command(
    desk: OperatorDesk,
) -> None:
    """The file first: the holder already finds it when it takes the command up."""
    found: list[bool] = []

    def holder(command: Command) -> Answer:
        found.append(desk.stop.is_set())
        return desk.spool.answer(command.id, CommandOutcome.DONE, "All entries cancelled.")

    answer = desk.answering(holder).emergency_stop("smoke", "cli:ann", flatten=True)
    note = desk.stop.read()
    assert found == [True]
    assert answer.outcome is CommandOutcome.DONE
    assert note is not None
    assert (note.reason, note.by, note.flatten) == ("smoke", "cli:ann", True)
    line = desk.audit()[0]
    assert (line["who"], line["command"], line["why"]) == ("cli:ann", "emergency-stop", "smoke")
    assert (line["outcome"], line["id"], line["args"]) == ("done", answer.id, {"flatten": True})


def test_emergency_stop_when_nobody_answers_then_failed_but_in_place(desk: OperatorDesk) -> None:
    """75 for the caller, the stop stands, the command stays for whoever comes."""
    answer = desk.core.emergency_stop("smoke", "cli:ann")
    assert answer.exit_code == os.EX_TEMPFAIL
    assert answer.detail.startswith("The emergency stop is in place.")
    assert desk.stop.is_set()
    assert desk.spool.unclaimed_age_s() is not None


@pytest.mark.parametrize(("reason", "kept"), [("", "not said"), ("x" * 5_000, "x" * 500)])
def test_emergency_stop_when_reason_is_odd_then_stops_all_the_same(
    desk: OperatorDesk, reason: str, kept: str
) -> None:
    """Stopping is always safe, and never refused over words."""
    answer = desk.doing().emergency_stop(reason, "")
    note = desk.stop.read()
    assert answer.outcome is CommandOutcome.DONE
    assert note is not None
    assert (note.reason, note.by) == (kept, "unknown")


def test_emergency_stop_when_spool_is_blocked_then_in_place_and_says_so(desk: OperatorDesk) -> None:
    """A file where the folder belongs: the stop works, the hand-over is reported as failed."""
    desk.state.root.mkdir()
    desk.state.commands.write_text("in the way")
    answer = desk.core.emergency_stop("smoke", "cli:ann")
    assert desk.stop.is_set()
    assert answer.outcome is CommandOutcome.FAILED
    assert "in place" in answer.detail
    assert "could not be handed over" in answer.detail
    assert desk.audit()[0]["outcome"] == "failed"


def test_emergency_stop_when_state_folder_is_a_file_then_says_that_nothing_stopped(
    desk: OperatorDesk,
) -> None:
    """No stop file, no spool: the answer must not claim a stop that is not there."""
    desk.state.root.write_text("in the way")
    answer = desk.core.emergency_stop("smoke", "cli:ann")
    assert answer.outcome is CommandOutcome.FAILED
    assert "could not be made" in answer.detail
    assert "in place" not in answer.detail


def test_core_when_nobody_takes_it_up_then_withdrawn_and_never_done_later(
    desk: OperatorDesk,
) -> None:
    """Who was told "failed" must not find the position closed a minute later."""
    answer = desk.core.close_position("aapl", "too hot", "cli:ann")
    assert answer.outcome is CommandOutcome.FAILED
    assert "withdrawn" in answer.detail
    assert desk.spool.claim() is None


def test_core_when_taken_but_not_answered_then_says_that_it_may_still_happen(
    desk: OperatorDesk,
) -> None:
    """The taker died or is slow: the truth is that nobody knows yet."""
    core = CommandCore(desk.state, desk.logs, desk.clock, lambda: _claimed(desk.spool))
    answer = core.pause("cli:ann")
    assert answer.outcome is CommandOutcome.FAILED
    assert "may still be carried out" in answer.detail


def _claimed(spool: CommandSpool) -> None:
    claim: Claim | None = spool.claim()
    assert isinstance(claim, Command)


@pytest.mark.parametrize("outcome", list(CommandOutcome))
def test_core_when_holder_answers_then_the_answer_is_passed_on_and_audited(
    desk: OperatorDesk, outcome: CommandOutcome
) -> None:
    """Every outcome reaches the door and the audit log."""
    answer = desk.doing(outcome).close_position(" aapl ", "too hot", "page:ann")
    assert answer.outcome is outcome
    assert answer.result == {"symbol": "AAPL"}
    assert desk.audit()[0]["outcome"] == outcome.value


def test_core_when_each_command_is_given_then_the_holder_sees_its_arguments(
    desk: OperatorDesk,
) -> None:
    """One method per command."""
    core = desk.doing()
    assert core.clear_stop("ann", "drawdown").result == {"what": "drawdown", "approver": "ann"}
    assert core.pause("chat:ann", "news").outcome is CommandOutcome.DONE
    assert core.resume("chat:ann").outcome is CommandOutcome.DONE
    commands = [(line["command"], line["who"]) for line in desk.audit()]
    assert commands == [("clear-stop", "ann"), ("pause", "chat:ann"), ("resume", "chat:ann")]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda core: core.clear_stop(" "),
        lambda core: core.clear_stop("ann", "everything"),
        lambda core: core.close_position("../x", "why", "ann"),
        lambda core: core.close_position("AAPL", " ", "ann"),
        lambda core: core.pause("ann", "x" * 501),
    ],
)
def test_core_when_words_are_wrong_then_refused_audited_and_never_spooled(
    desk: OperatorDesk, wrong: Callable[[CommandCore], Answer]
) -> None:
    """Exit 1, a sentence that says what is wrong, and a line in the audit log."""
    answer = wrong(desk.core)
    assert (answer.outcome, answer.exit_code) == (CommandOutcome.REFUSED, 1)
    assert desk.spool.unclaimed_age_s() is None
    assert desk.audit()[0]["outcome"] == "refused"


def test_audit_when_the_log_cannot_be_written_then_the_action_goes_on(tmp_path: Path) -> None:
    """The log never stands in the way of a stop, and says that it failed."""
    (tmp_path / "logs").write_text("in the way")
    log = AuditLog(tmp_path / "logs" / "audit.jsonl", ManualClock())
    assert log.append(AuditLine("ann", "pause", "", "done")) is False
