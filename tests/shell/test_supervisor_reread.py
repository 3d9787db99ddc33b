"""SIGHUP: what changed in the service table is applied, a bad table changes nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.supervised import Actor, Supervised, row_of, supervised
from tests.support.system import log_lines
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ONE = {"web": Actor()}
SLOW_TO_END = Actor("signal.signal(signal.SIGTERM, lambda *_: None); serve()", "stop_s = 3.0")


def reread(system: Supervised) -> None:
    """Ask for a look at the table, and wait until it was taken."""
    before = looks(system)
    system.process.send_signal(signal.SIGHUP)
    wait_until(lambda: looks(system) > before, 10, "a look at the table")


def looks(system: Supervised) -> int:
    """Return how often the table was looked at again."""
    lines = log_lines(system.logs / "supervisor.jsonl")
    return sum(line["event"] in ("table_reread", "table_refused") for line in lines)


def broken(table: Path) -> None:
    """No TOML at all."""
    table.write_text("[service", "utf-8")


def missing(table: Path) -> None:
    """Nothing where the table was."""
    table.unlink()


def folder(table: Path) -> None:
    """A folder where the table was."""
    table.unlink()
    table.mkdir()


@pytest.mark.parametrize("spoil", [broken, missing, folder])
def test_table_when_spoilt_then_sighup_changes_nothing(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """The refusal is logged, and the services keep their pids."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        web = system.pid("web")
        spoil(tmp_path / "services.toml")

        reread(system)

        assert log_lines(system.logs / "supervisor.jsonl")[-1]["event"] == "table_refused"
        assert system.pid("web") == web
        assert system.health()["overall"] == "OK"


def test_row_when_put_back_while_its_service_still_ends_then_it_runs_again(
    tmp_path: Path,
) -> None:
    """Whoever changes his mind quickly does not lose a service."""
    with supervised(tmp_path, {**ONE, "slow": SLOW_TO_END}) as system:
        system.wait_ok()
        system.wait_for("slow", status="OK")
        former = system.pid("slow")
        table = tmp_path / "services.toml"
        whole = table.read_text("utf-8")
        table.write_text(row_of("web", ONE["web"]), "utf-8")
        reread(system)
        assert system.wait_for("slow", phase="stopping")["pid"] == former
        table.write_text(whole, "utf-8")
        reread(system)

        assert system.wait_for("slow", status="OK")["pid"] != former


def test_table_when_spoilt_after_a_change_then_a_new_supervisor_keeps_the_change(
    tmp_path: Path,
) -> None:
    """The last good table rules, not the one of the first start."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        table = tmp_path / "services.toml"
        table.write_text(table.read_text("utf-8") + row_of("page", Actor()), "utf-8")
        reread(system)
        page = system.wait_for("page", status="OK")["pid"]
        broken(table)

        os.kill(system.supervisor_pid(), signal.SIGKILL)

        system.wait_for("page", status="OK", adopted=True, pid=page)


def test_dependant_when_its_need_is_taken_from_the_row_then_it_starts(tmp_path: Path) -> None:
    """A blocked service is looked at again when the table frees it."""
    actors = {"base": Actor("sys.exit(78)"), "page": Actor(row='needs = ["base"]')}
    with supervised(tmp_path, actors) as system:
        system.wait_for("base", phase="parked")
        wait_until(lambda: "blocked" in str(system.service("page").get("reason")), 10, "blocked")
        table = tmp_path / "services.toml"
        table.write_text(table.read_text("utf-8").replace('needs = ["base"]', ""), "utf-8")

        reread(system)

        system.wait_for("page", status="OK", restarts=0)


def test_rows_when_added_together_then_the_dependant_waits_whatever_their_order(
    tmp_path: Path,
) -> None:
    """A need that stands further down in the file is a need all the same."""
    slow = f"time.sleep(0.5); open({str(tmp_path / 'ready')!r}, 'w').close(); serve()"
    early = f"assert os.path.exists({str(tmp_path / 'ready')!r}); serve()"
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        table = tmp_path / "services.toml"
        added = row_of("page", Actor(early, 'needs = ["base"]')) + row_of("base", Actor(slow))
        table.write_text(table.read_text("utf-8") + added, "utf-8")

        reread(system)

        system.wait_for("page", status="OK", restarts=0, failures_in_window=0)


def test_parked_row_when_taken_out_and_put_back_then_it_is_parked_still(tmp_path: Path) -> None:
    """Only `release` and `restart` free it; its deaths are not forgotten either."""
    with supervised(tmp_path, {**ONE, "page": Actor("sys.exit(78)")}) as system:
        system.wait_for("page", phase="parked")
        table = tmp_path / "services.toml"
        whole = table.read_text("utf-8")
        table.write_text(row_of("web", ONE["web"]), "utf-8")
        reread(system)
        wait_until(lambda: not system.service("page"), 10, "no page")
        table.write_text(whole, "utf-8")

        reread(system)

        again = system.wait_for("page", phase="parked")
        assert (again["failures_in_window"], again["pid"]) == (1, None)
        assert system.health()["code"] == "FAILED_CONFIG"
