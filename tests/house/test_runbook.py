"""RUNBOOK.md has a section for everything that health, exits, holds and alerts may name."""

from __future__ import annotations

import re

import pytest

from services.dashboard.runbook import parts
from services.heartbeat.subjects import ALERT_ANCHORS
from services.supervisor.cli import build_parser
from services.supervisor.failed_start import NEXT_ACTION as FAILED_START
from shared.errors import EXIT_ALREADY_RUNNING, EXIT_CANNOT_WRITE, EXIT_CODES
from shared.health.codes import CLEAR_STOP, NEXT_ACTION
from shared.health.judge import Standing, judge_document
from shared.models.health import HealthCode
from shared.models.trading_state import Cause, HoldKind
from tests.house.source_tree import ROOT

pytestmark = pytest.mark.unit

TEXT = (ROOT / "RUNBOOK.md").read_text(encoding="utf-8")
ASPECTS = ("**What happens:**", "**Heals by itself:**", "**You do:**")
NAMED = re.compile(r"RUNBOOK\.md#([\w-]+)")


def anchor_of(heading: str) -> str:
    """The anchor that a heading gets where the file is shown."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def sections() -> dict[str, str]:
    """Anchor of each third-level section to its text, up to the next heading."""
    parts = re.split(r"^### (.+)$", TEXT, flags=re.M)[1:]
    bodies = (re.split(r"^## ", body, flags=re.M)[0] for body in parts[1::2])
    return dict(zip(map(anchor_of, parts[::2]), bodies, strict=True))


def wanted() -> set[str]:
    """The anchor of everything that must have a section."""
    codes = {str(code).lower() for code in HealthCode}
    standings = {str(standing) for standing in Standing if standing is not Standing.FRESH}
    exits = {*EXIT_CODES.values(), EXIT_ALREADY_RUNNING, EXIT_CANNOT_WRITE, 0, 1, 2, 3, 4}
    causes = {f"cause-{cause}" for cause in Cause}
    holds = {f"hold-{kind}" for kind in HoldKind}
    rest = {"emergency-stop", "exit-by-a-signal", "failed-start"}
    numbers = {f"exit-{number}" for number in exits}
    return codes | standings | numbers | causes | holds | rest | set(ALERT_ANCHORS)


def test_runbook_when_compared_with_the_code_then_each_thing_has_one_section() -> None:
    """Nothing that may be shown is left unexplained, and nothing is explained that is not."""
    assert set(sections()) == wanted()


@pytest.mark.parametrize("anchor", sorted(wanted()))
def test_section_when_read_then_it_says_what_happens_what_heals_and_what_to_do(anchor: str) -> None:
    """Each of the three stands there once, in this order, with words behind it."""
    body = sections()[anchor]
    places = [body.find(aspect) for aspect in ASPECTS]

    assert -1 not in places
    assert places == sorted(places)
    for aspect in ASPECTS:
        assert body.count(aspect) == 1
        assert re.search(re.escape(aspect) + r" \S+", body)


def test_next_action_when_shown_then_it_points_to_the_section_of_its_code() -> None:
    """Every sentence of health.json ends at the section of its own code."""
    assert set(NEXT_ACTION) == set(HealthCode)
    for code, sentence in NEXT_ACTION.items():
        assert NAMED.findall(sentence) == [str(code).lower()]
    assert NAMED.findall(CLEAR_STOP) == ["emergency-stop"]
    assert NAMED.findall(FAILED_START) == ["failed-start"]


@pytest.mark.parametrize(
    ("raw", "standing"), [(None, Standing.MISSING), (b"", Standing.UNREADABLE)]
)
def test_next_action_when_nothing_can_be_believed_then_it_points_to_how_the_file_stands(
    raw: bytes | None, standing: Standing
) -> None:
    """A file that is old, missing or unreadable has its own section too."""
    judgement = judge_document(raw, boot_id="b", boottime_s=1.0)

    assert judgement.standing is standing
    assert NAMED.findall(judgement.next_action) == [str(standing)]


def test_page_when_it_shows_the_runbook_then_every_section_is_a_place_to_go() -> None:
    """The page's own anchors are those that a next action names."""
    shown = {part.anchor for part in parts(TEXT) if part.kind == "h3"}

    assert shown == wanted()


def test_links_when_followed_inside_the_runbook_then_they_lead_somewhere() -> None:
    """Every link to an anchor has its heading."""
    headings = {anchor_of(line) for line in re.findall(r"^#+ (.+)$", TEXT, re.M)}

    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) - headings == set()


def test_commands_when_the_runbook_types_them_then_the_command_line_knows_them() -> None:
    """At three in the morning nobody may find that a command of the book does not exist."""
    typed = re.findall(r"`\.\.\. ((?:--)?[a-z-]+)([^`]*)`", TEXT)
    parser = build_parser()
    known = set(re.findall(r"^    ([a-z-]+)", parser.format_help(), re.M))

    assert typed
    for command, words in typed:
        if command == "--help":
            continue
        assert command in known
        parser.parse_args([command, *words.split()])
