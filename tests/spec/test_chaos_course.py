"""The course of a drill, what people were told meanwhile, and the run without a fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.catalogue import CATALOGUE, CONTROL
from chaos.course import strayed
from chaos.evidence import AlertSaid, Books, Moments, PageSaid, Sample
from chaos.judge import Verdict, judge_control
from chaos.summary import summary_lines, summary_of
from chaos.telling import PAGE_DUE_S, WARN_DUE_S, better_pages, untold
from tests.support.chaos_history import good, sample

pytestmark = pytest.mark.unit

MOMENTS = Moments(0.0, 1.0, 1.0, 20.0, 21.0)
SLOW, UW, SILENT = (CATALOGUE[name] for name in ("slow_broker", "uw_down", "stream_silent"))


def seen(*turns: tuple[float, str]) -> tuple[Sample, ...]:
    """Samples of these verdicts, each from that second on."""
    return tuple(sample(at_s, overall=word, code=word) for at_s, word in turns)


def alert(at_s: float, kind: str = "failure", title: str = "[SIM] FAILED system") -> AlertSaid:
    """A message."""
    return AlertSaid(at_s, title, f"It began {at_s}.", kind)


def test_course_when_shown_until_the_end_then_nothing_is_said() -> None:
    """DEGRADED from its begin to its end, then OK."""
    whole = seen((0, "OK"), (1.5, "DEGRADED"), (20.5, "OK"))

    assert strayed(SLOW, whole, MOMENTS) == []


def test_course_when_it_flickers_then_it_is_told_unless_the_row_heals_meanwhile() -> None:
    """OK in between is a verdict that nobody can trust, where nothing has healed yet."""
    flicker = seen((0, "OK"), (1.5, "DEGRADED"), (12, "OK"), (14, "DEGRADED"), (20.5, "OK"))
    first = seen((0, "OK"), (1.5, "DEGRADED"), (4, "OK"), (6, "DEGRADED"), (20.5, "OK"))
    told = replace(flicker[1], reason="the trade stream does not listen")

    assert strayed(SLOW, flicker, MOMENTS) == ["OK 8.0 s before the fault was over"]
    assert strayed(SLOW, first, MOMENTS) == []
    assert strayed(SILENT, (told, *flicker), MOMENTS) == []
    late = (*flicker, replace(told, at_s=MOMENTS.over_s or 0.0))
    assert strayed(SILENT, late, MOMENTS) == strayed(SILENT, flicker, MOMENTS)
    assert strayed(SILENT, flicker, MOMENTS) == [
        "no reason ever said: the trade stream does not listen"
    ]


def test_course_when_worse_than_the_row_says_then_it_is_told() -> None:
    """A passing trouble that pages somebody is judged wrongly; a moment of it is not."""
    worse = seen((0, "OK"), (1, "FAILED"), (6, "DEGRADED"), (20.5, "OK"))
    moment = seen((0, "OK"), (1, "FAILED"), (2.5, "DEGRADED"), (20.5, "OK"))

    assert strayed(SLOW, worse, MOMENTS) == ["shown as FAILED for 5.0 s: worse than DEGRADED"]
    assert strayed(SLOW, moment, MOMENTS) == []
    assert strayed(CATALOGUE["invalid_creds"], worse, replace(MOMENTS, over_s=3.0)) == []


def test_course_when_trading_must_go_on_and_is_held_then_it_is_told() -> None:
    """What only data of a second kind needs must not hold back the rest."""
    shown = [replace(one, trading="REDUCING") for one in seen((1, "DEGRADED"), (9, "DEGRADED"))]
    held = (*shown, *seen((9, "DEGRADED"), (20.5, "OK")))

    assert strayed(UW, held, MOMENTS) == ["trading was held for 8.0 s"]
    assert strayed(SLOW, held, MOMENTS) == []


def test_course_when_it_is_well_too_soon_and_stays_so_then_it_is_told() -> None:
    """The last look closes what was seen: a green that came too soon and stays is one, too."""
    early = seen((0, "OK"), (1.5, "DEGRADED"), (12, "OK"), (24, "OK"))

    assert strayed(SLOW, early, MOMENTS) == ["OK 8.0 s before the fault was over"]


def test_course_when_refused_keys_lead_to_a_restart_then_it_is_told() -> None:
    """Parked at once, zero restarts; the new process after the operator's hand is none."""
    creds = CATALOGUE["invalid_creds"]
    parked = {"services": {"trading-bot": ("FAILED", "parked")}, "overall": "FAILED"}
    gone, again = {"trading-bot": None}, {"trading-bot": 777}
    at_once = (sample(0.0), sample(2.0, pids=gone, **parked), sample(21.0, pids=again))
    restarted = (sample(0.0), sample(1.0, pids=again), sample(2.0, pids=gone, **parked))

    assert strayed(creds, at_once, MOMENTS) == []
    assert strayed(creds, restarted, MOMENTS) == [
        "trading-bot was started again 1 times before it was parked"
    ]


def test_page_when_it_was_never_heard_then_nothing_is_proven() -> None:
    """A dashboard that answers nobody cannot have told the truth."""
    assert better_pages(()) == ["it never answered"]


@pytest.mark.parametrize(
    ("overall", "file", "lies"),
    [
        ("OK", {"FAILED"}, True),
        ("OK", {"DEGRADED", "FAILED"}, True),
        ("DEGRADED", {"FAILED"}, True),
        ("OK", {"OK", "FAILED"}, False),
        ("FAILED", {"OK"}, False),
        ("OK", set(), False),
    ],
)
def test_page_when_it_says_better_than_the_file_then_it_lies(
    overall: str, file: set[str], lies: bool
) -> None:
    """It may be late by a moment, and it may be more careful; never better."""
    assert bool(better_pages([PageSaid(1.0, overall, frozenset(file))])) == lies


OVER = "[SIM] RECOVERED system after 8 s"
FAILURE = seen((0, "OK"), (10, "FAILED"), (11 + PAGE_DUE_S, "OK"))


def unheard(samples: tuple[Sample, ...], *alerts: AlertSaid, is_quiet: bool = False) -> list[str]:
    """What people were not told of, when these messages reached them."""
    return untold(samples, Books(alerts=alerts, is_quiet=is_quiet))


def test_failure_when_it_lasts_then_a_page_must_come_in_time() -> None:
    """Neither a warning nor a page that comes when all is over will do, at any hour."""
    last = 10 + PAGE_DUE_S

    for quiet in (True, False):
        assert unheard(FAILURE, alert(last), is_quiet=quiet) == []
        assert unheard(FAILURE, alert(last + 0.1), is_quiet=quiet)
        assert unheard(FAILURE, alert(12, kind="warning"), is_quiet=quiet)
        assert unheard(FAILURE, alert(12, title=OVER), is_quiet=quiet)
    assert unheard(FAILURE, alert(12), alert(12)) == ["told 2 times: [SIM] FAILED system"]


@pytest.mark.parametrize("end", [OVER, "[SIM] RECOVERED trading-bot after 3 s (and 1 more)"])
def test_failure_when_it_comes_back_before_its_end_was_told_then_it_is_known(end: str) -> None:
    """Whoever was told of it and of no end knows; after the end it must be told anew."""
    body = "- [SIM] RECOVERED trading-bot after 3 s: It was.\n- " + OVER + ": It was."
    over = AlertSaid(9.0, end, body, "failure")
    first = alert(1.0)

    assert untold(FAILURE, Books(earlier=(first,))) == []
    assert untold(FAILURE, Books(earlier=(replace(first, kind="warning"),)))
    assert untold(FAILURE, Books(earlier=(first, over)))
    assert untold(FAILURE, Books(earlier=(first, over), alerts=(alert(12),))) == []
    other = replace(over, title="[SIM] RECOVERED data-daemon after 2 min")
    assert untold(FAILURE, Books(earlier=(first, other))) == []


def test_alert_when_it_tells_of_several_things_then_it_is_an_end_only_if_all_are() -> None:
    """A storm is one message: its title names the worst alone."""
    title = "[SIM] RECOVERED dashboard after 3 s (and 1 more)"
    ends = AlertSaid(1.0, title, f"- {OVER}: It was.\n- {OVER}: It was.", "failure")
    mixed = replace(ends, body=f"- {OVER}: It was.\n- [SIM] FAILED system: It is.")

    assert (ends.is_end, ends.is_page) == (True, False)
    assert (mixed.is_end, mixed.is_page) == (False, True)
    assert not alert(1.0, kind="warning").is_page
    assert unheard(FAILURE, replace(mixed, at_s=12)) == []


def test_degraded_when_it_lasts_then_somebody_is_told_outside_of_the_quiet_hours() -> None:
    """What is not urgent waits for the morning."""
    lasting = seen((0, "OK"), (10, "DEGRADED"), (11 + WARN_DUE_S, "OK"))

    assert unheard(lasting, alert(20, kind="warning")) == []
    assert unheard(lasting)
    for kind in ("info", "warning"):
        assert unheard(lasting, alert(9, kind=kind, title="[SIM] LARGE TRADE 8 SPY"))
    assert unheard(lasting, is_quiet=True) == []


def test_control_when_nothing_is_shown_then_it_passed_and_every_alarm_is_a_false_one() -> None:
    """The dashboard must have been heard, and nobody told of anything."""
    calm = replace(good(SLOW), samples=(sample(0.0), sample(20.0, reason="end")), acted=15)
    shown = replace(calm, samples=(sample(0.0), *seen((5, "DEGRADED"), (6, "OK"))))
    told = replace(calm, books=replace(calm.books, alerts=(alert(3),)))

    assert judge_control(CONTROL, calm).grounds == ()
    assert judge_control(CONTROL, calm).verdict is Verdict.PASSED
    assert judge_control(CONTROL, shown).grounds == ("false alarm: not OK from 5.0 s to 6.0 s",)
    assert judge_control(CONTROL, told).grounds == ("false alarm: [SIM] FAILED system",)
    assert judge_control(CONTROL, replace(calm, acted=0)).verdict is Verdict.INCONCLUSIVE


def test_summary_when_drills_were_repeated_then_median_and_worst_are_told() -> None:
    """What did not happen is left out, and said when it never did."""
    times = {"respond_s": 2.0, "alert_s": None, "recover_s": 5.0}
    drills = [
        {"name": "bot_hang", "verdict": "PASSED", "detect_s": 1.0, **times},
        {"name": "bot_hang", "verdict": "FAILED", "detect_s": None, **times},
        {"name": "bot_hang", "verdict": "PASSED", "detect_s": 4.0, **times},
    ]

    found = summary_of(drills)

    assert (found["bot_hang"]["runs"], found["bot_hang"]["passed"]) == (3, 2)
    assert found["bot_hang"]["detect_s"] == {"median": 2.5, "worst": 4.0}
    assert found["bot_hang"]["alert_s"] is None
    (line,) = summary_lines(found)
    assert "2 of 3 passed" in line
    assert "2.5 / 4.0 s" in line
