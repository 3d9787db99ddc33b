"""What a user gets wrong: a clear message, the right exit code, nothing half-started, no secret."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.system import Finished, deploy, log_lines, read_json, running_system
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SECRET = "hush7hush7hush7hush7"
SIM = {"TRADING_MODE": "sim"}


def nothing_started(base: Path) -> bool:
    """Whether no service ever got as far as a log of its own."""
    logs = base / "logs"
    return not any((logs / f"{name}.out").exists() for name in ("trading-bot", "exchange-sim"))


def assert_refused(finished: Finished, base: Path, code: int, *words: str) -> None:
    """The run ended with the code, named the words, showed no secret and started nothing."""
    text = finished.out + finished.err
    assert finished.code == code, text
    for word in words:
        assert word in finished.err
    assert SECRET not in text
    assert "Traceback" not in text
    assert nothing_started(base)


def write_env(base: Path, text: str, mode: int = 0o600) -> None:
    """Write the .env of this run."""
    path = base / ".env"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_env_when_it_is_a_folder_then_78_names_it(tmp_path: Path) -> None:
    """An .env that cannot be read is a configuration fault."""
    (tmp_path / "odd.env").mkdir()

    finished = deploy(tmp_path, "run", "--env-file", str(tmp_path / "odd.env"), settings=SIM)

    assert_refused(finished, tmp_path, os.EX_CONFIG, "odd.env")


def test_env_when_it_is_no_text_then_78_names_it(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are a configuration fault, not a traceback."""
    path = tmp_path / "odd.env"
    path.write_bytes(b"TRADING_MODE=\xff\xfe\n")
    path.chmod(0o600)

    finished = deploy(tmp_path, "run", "--env-file", str(path))

    assert_refused(finished, tmp_path, os.EX_CONFIG, "odd.env")


def test_env_when_a_key_is_misspelt_then_78_names_the_key_but_no_value(tmp_path: Path) -> None:
    """A misspelt key is an error that does not print what stands behind it."""
    write_env(tmp_path, f"TRADING_MODE=sim\nAPCA_API_SECRET_KEI={SECRET}\n")

    finished = deploy(tmp_path, "check")

    assert_refused(finished, tmp_path, os.EX_CONFIG, "APCA_API_SECRET_KEI", "APCA_API_SECRET_KEY")


def test_env_when_others_may_read_its_secret_then_78_says_chmod(tmp_path: Path) -> None:
    """A file that holds a secret and is readable by others is refused."""
    write_env(tmp_path, f"TRADING_MODE=paper\nAPCA_API_SECRET_KEY={SECRET}\n", mode=0o644)

    finished = deploy(tmp_path, "check")

    assert_refused(finished, tmp_path, os.EX_CONFIG, "chmod 600")


def test_settings_when_several_are_wrong_then_all_are_named_at_once(tmp_path: Path) -> None:
    """A percentage of 5 and a negative window are both reported, each with its mend."""
    settings = SIM | {"POSITION_LIMIT_PCT": "5", "SERVICE_FAILURE_WINDOW_MINUTES": "-1"}

    finished = deploy(tmp_path, "run", settings=settings)

    assert_refused(
        finished,
        tmp_path,
        os.EX_CONFIG,
        "POSITION_LIMIT_PCT",
        "0.05",
        "SERVICE_FAILURE_WINDOW_MINUTES",
    )


@pytest.mark.parametrize("mode", ["live", "live_limited"])
def test_live_when_not_confirmed_then_78_asks_for_confirm(tmp_path: Path, mode: str) -> None:
    """Live modes need --confirm."""
    keys = {"APCA_API_KEY_ID": "AKTEST", "APCA_API_SECRET_KEY": SECRET, "TRADING_MODE": mode}

    finished = deploy(tmp_path, "run", settings=keys)

    assert_refused(finished, tmp_path, os.EX_CONFIG, "--confirm")


def test_paper_when_the_keys_open_real_money_then_78_says_which_to_use(tmp_path: Path) -> None:
    """Keys of the live account in paper mode are refused before anybody is asked."""
    keys = {"APCA_API_KEY_ID": "AKTEST", "APCA_API_SECRET_KEY": SECRET, "TRADING_MODE": "paper"}

    finished = deploy(tmp_path, "run", settings=keys)

    assert_refused(finished, tmp_path, os.EX_CONFIG, "real money", "keys of the paper account")


def test_state_folder_when_it_cannot_be_written_then_73_names_it(tmp_path: Path) -> None:
    """A file in place of the state folder stops the start with 73."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, no folder", encoding="utf-8")

    finished = deploy(tmp_path, "run", settings=SIM | {"STATE_DIR": str(blocked)})

    assert_refused(finished, tmp_path, os.EX_CANTCREAT, "blocked")


def test_replay_when_the_file_is_no_bar_file_then_78_names_it(tmp_path: Path) -> None:
    """A replay of something else is a configuration fault."""
    odd = tmp_path / "odd_1min.csv"
    odd.write_text("name,colour\nbox,red\n", encoding="utf-8")

    finished = deploy(tmp_path, "run", settings=SIM | {"SIM_REPLAY": str(odd)})

    assert_refused(finished, tmp_path, os.EX_CONFIG, "odd_1min.csv", "timestamp")


def test_instance_when_a_second_one_starts_then_69_says_who_holds_the_folder(
    tmp_path: Path,
) -> None:
    """Two on one state folder: the second leaves, and the first's health is untouched."""
    health = tmp_path / "state" / "health.json"
    with running_system(tmp_path, settings=SIM) as first:
        wait_until(health.exists, timeout_s=30)
        second = deploy(tmp_path, "run", settings=SIM)

        assert second.code == os.EX_UNAVAILABLE, second.err
        assert str(first.pid) in second.err or "pid" in second.err
        assert first.poll() is None
        assert read_json(health)["code"] != "STOPPED"


def test_bars_when_rows_are_broken_then_they_are_dropped_counted_and_the_run_goes_on(
    tmp_path: Path, bars_dir: Path
) -> None:
    """A broken row, an unsorted row and a negative price cost those rows and nothing else."""
    folder = tmp_path / "bars"
    folder.mkdir()
    target = folder / "AAPL_1min.csv"
    shutil.copyfile(bars_dir / "AAPL_1min.csv", target)
    rows = target.read_text(encoding="utf-8").splitlines()
    at = next(number for number, row in enumerate(rows) if row.startswith("2019-02-11")) + 30
    rows[at + 1] = "2019-02-11T15:01:00Z,what,is,this"
    rows[at + 5] = rows[at - 20]
    rows[at + 9] = rows[at + 9].replace(",", ",-", 1)
    target.write_text("\n".join(rows) + "\n", encoding="utf-8")
    settings = SIM | {
        "SIM_REPLAY": str(folder),
        "SIM_FROM": "2019-02-11",
        "SIM_TO": "2019-02-11",
        "SIM_SPEED": "max",
    }

    finished = deploy(tmp_path, "run", settings=settings, timeout_s=110)

    assert finished.code == 0, finished.out + finished.err
    dropped = [
        line
        for line in log_lines(tmp_path / "logs" / "exchange-sim.jsonl")
        if line["event"] == "row_dropped"
    ]
    assert len(dropped) == 3
