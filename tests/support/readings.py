"""Readings of the dashboard made of the sample documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.dashboard import pages
from services.dashboard.documents import Reading
from services.dashboard.views import PageView, page_view
from services.dashboard.views_log import USUAL, log_view
from shared.health.judge import Judgement, judge_document
from tests.support import documents as sample


def reading(**changed: Any) -> Reading:
    """A reading in the middle of a good day."""
    whole = Reading(
        at=sample.NOW,
        boottime_s=sample.BOOTTIME_S + 0.3,
        boot_id=sample.BOOT_ID,
        health=sample.health_bytes(),
        bot_status=sample.bot_status(),
        equity=tuple(sample.equity_points()),
        denials=(sample.denial(1), sample.denial(2)),
        trades=(sample.trade(1), sample.trade(2, pnl="-4.00")),
    )
    return replace(whole, **changed)


def judged(of: Reading) -> Judgement:
    """The judgement of its health document at its moment."""
    return judge_document(of.health, boot_id=of.boot_id, boottime_s=of.boottime_s)


def viewed(of: Reading) -> PageView:
    """The page of a reading."""
    return page_view(of, judged(of), "paper")


def page_text(view: PageView, *, signed_in: bool) -> str:
    """The whole page in HTML, with an empty log."""
    log = log_view(USUAL, [], (), sample.NOW, 10)
    return pages.render_page(view, log, signed_in=signed_in)


def later(seconds: float) -> Reading:
    """The same documents, looked at so many seconds later."""
    return reading(
        at=sample.NOW + timedelta(seconds=seconds), boottime_s=sample.BOOTTIME_S + seconds
    )
