"""`bundle` packs what is asked about, and no configured secret in any spelling."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from services.supervisor.bundle_secrets import Redactor
from tests.support.system import DEPLOY, Finished, deploy

pytestmark = pytest.mark.integration

SECRETS = {
    "APCA_API_KEY_ID": "PKTESTKEYOFTHEBUNDLE",
    "APCA_API_SECRET_KEY": "secret/with+signs\"and'quotes",
    "UW_API_TOKEN": "uw-token-of-the-bundle",
    "DASHBOARD_TOKEN": "dashboard-token-of-the-bundle",
    "TELEGRAM_BOT_TOKEN": "123456:ABC-telegram-of-the-bundle",
    "TELEGRAM_CHAT_ID": "4242",
    "ALERT_URLS": "mailto://watchman:mailpassword9@mail.example.org",
    "HEARTBEAT_PING_URL": "https://hc.example.org/0b1c2d3e-ping-of-the-bundle",
}
HIDDEN = [
    *(value for name, value in SECRETS.items() if name != "TELEGRAM_CHAT_ID"),
    "mailpassword9",
    "0b1c2d3e-ping-of-the-bundle",
    "token-made-at-first-start",
    "simulated-secret-key",
    "token-of-the-running-one",
    "misspelt-secret-of-the-file",
    "older-secret-in-the-environment",
]
FORGOTTEN = (b"key-of-last-month-01234", b"login-of-last-month")
OF_LAST_MONTH = b"APCA_API_SECRET_KEY=%b GET https://ann:%b@gateway.example.org/v2" % FORGOTTEN
AT = "2026-11-20T18:00:00.000Z"


def spellings(secret: str) -> list[bytes]:
    """Every form in which a log may hold it."""
    encoded = base64.b64encode(secret.encode()).rstrip(b"=")
    return [
        secret.encode(),
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        encoded,
    ]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state and a log folder into which every secret has leaked in every spelling."""
    base = tmp_path_factory.mktemp("house")
    run = base / "state" / "run"
    run.mkdir(parents=True)
    (run / "dashboard.token").write_text("token-made-at-first-start\n")
    (run / "endpoints.json").write_text(
        json.dumps({"exchange_key_id": "SIMKEY-OF-BUNDLE", "exchange_secret_key": HIDDEN[-4]})
    )
    leaks = b" ".join([*(form for secret in HIDDEN for form in spellings(secret)), OF_LAST_MONTH])
    incident = {"at": AT, "service": "trading-bot"}
    (base / "state" / "health.json").write_text(json.dumps({"incidents": [incident]}))
    (base / "state" / "bot_status.json").write_bytes(leaks)
    logs = base / "logs"
    (logs / "last_words").mkdir(parents=True)
    (logs / "last_words" / "trading-bot.json").write_bytes(leaks)
    (logs / "trading-bot.out").write_bytes(leaks)
    lines = [{"ts": f"2026-11-20T{hour}:00:00.000Z", "msg": f"at {hour}"} for hour in (12, 18, 22)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    for name in ("trading-bot.jsonl", "incidents.jsonl"):
        (logs / name).write_bytes(text.encode() + leaks + b"\n")
    env_file = base / ".env"
    env_file.write_text(
        "TRADING_MODE=paper\n"
        + "".join(f"{name}='{value}'\n" for name, value in SECRETS.items() if "'" not in value)
        + f"APCA_API_SECRET={HIDDEN[-2]}\n"
    )
    env_file.chmod(0o600)
    waits = [sys.executable, "-c", "input()"]
    environ = {**os.environ, "UW_API_TOKEN": HIDDEN[-3]}
    with subprocess.Popen(waits, env=environ, stdin=subprocess.PIPE) as running:
        (run / "trading-bot.pid").write_text(f"{running.pid}\n")
        yield base
        running.kill()


def bundled(house: Path, name: str, *words: str) -> tuple[Finished, dict[str, bytes]]:
    """Run the command; how it ended and what it packed."""
    out = house / name
    quoted = {
        "APCA_API_SECRET_KEY": SECRETS["APCA_API_SECRET_KEY"],
        "MY_BROKER_PASSWORD": HIDDEN[-1],
    }
    words = ("bundle", "--out", str(out), "--env-file", str(house / ".env"), *words)
    done = deploy(house, *words, settings=quoted)
    with tarfile.open(out) as archive:
        parts = {
            entry.name: file.read()
            for entry in archive
            if (file := archive.extractfile(entry)) is not None
        }
    return done, parts


@pytest.fixture(scope="module")
def packed(house: Path) -> tuple[Finished, dict[str, bytes]]:
    """One bundle around the last incident."""
    return bundled(house, "whole.tar.gz")


@pytest.mark.parametrize("secret", HIDDEN)
def test_bundle_when_searched_holds_no_configured_secret(
    secret: str, packed: tuple[Finished, dict[str, bytes]]
) -> None:
    """Plain, quoted for an address, escaped for JSON, in base64: nowhere."""
    done, parts = packed
    assert done.code == 0
    for name, data in parts.items():
        assert [form for form in spellings(secret) if form in data] == [], name


def test_bundle_when_searched_holds_no_secret_that_nobody_has_configured_any_more(
    packed: tuple[Finished, dict[str, bytes]],
) -> None:
    """Keys are renewed, logs are not: what is unknown goes by its looks, in every file."""
    _, parts = packed
    assert b"gateway.example.org/v2" in parts["bundle/logs/trading-bot.out"]
    for name, data in parts.items():
        assert [secret for secret in FORGOTTEN if secret in data] == [], name


def test_bundle_when_opened_holds_what_a_developer_needs(
    house: Path, packed: tuple[Finished, dict[str, bytes]]
) -> None:
    """State, last words, history, versions, settings; a private file; no token or key file."""
    _, parts = packed
    names = {name.removeprefix("bundle/") for name in parts}
    wanted = {"manifest.json", "settings.json", "state/health.json", "logs/incidents.jsonl"}
    assert wanted | {"logs/last_words/trading-bot.json", "logs/trading-bot.out"} <= names
    assert not {name for name in names if "token" in name or "endpoints" in name}
    manifest = json.loads(parts["bundle/manifest.json"])
    assert manifest["schema_version"] == 1
    assert manifest["packages"]["requests"]
    settings = json.loads(parts["bundle/settings.json"])["settings"]
    assert (settings["TRADING_MODE"], settings["UW_API_TOKEN"]) == ("paper", "(set)")
    assert (house / "whole.tar.gz").stat().st_mode & 0o777 == 0o600


def test_bundle_when_there_was_an_incident_holds_the_lines_around_it_and_the_whole_history(
    packed: tuple[Finished, dict[str, bytes]],
) -> None:
    """Fifteen minutes around, unless another moment is named."""
    _, parts = packed
    log, history = parts["bundle/logs/trading-bot.jsonl"], parts["bundle/logs/incidents.jsonl"]
    assert [word in log for word in (b"at 12", b"at 18", b"at 22")] == [False, True, False]
    assert all(word in history for word in (b"at 12", b"at 18", b"at 22"))


def test_bundle_when_a_moment_is_named_holds_its_lines(house: Path) -> None:
    """`--at` and `--minutes` choose the window; `--json` says what was packed."""
    words = ("--at", "2026-11-20T21:30:00Z", "--minutes", "45", "--json")
    done, parts = bundled(house, "named.tar.gz", *words)
    log = parts["bundle/logs/trading-bot.jsonl"]
    assert [word in log for word in (b"at 12", b"at 18", b"at 22")] == [False, False, True]
    document = json.loads(done.out)
    assert document["schema_version"] == 1
    assert {f"bundle/{name}" for name in document["files"]} == set(parts)


def test_bundle_when_the_file_exists_writes_nothing_over_it(house: Path) -> None:
    """An earlier bundle is evidence."""
    (house / "there.tar.gz").write_bytes(b"evidence")
    done = deploy(house, "bundle", "--out", str(house / "there.tar.gz"))
    assert done.code == 1
    assert (house / "there.tar.gz").read_bytes() == b"evidence"


def test_bundle_when_the_disk_is_full_leaves_no_half_of_one(house: Path) -> None:
    """Half an archive would be taken for the whole, and keep the next one from its name."""
    out = house / "half.tar.gz"
    limited = 'ulimit -f 1; exec "$@"'
    folders = ["--state-dir", str(house / "state"), "--log-dir", str(house / "logs")]
    words = [sys.executable, "-B", str(DEPLOY), "bundle", "--out", str(out), *folders]
    command = ["bash", "-c", limited, "bash", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    "words", [("--at", "yesterday"), ("--minutes", "nan"), ("--minutes", "1e300")]
)
def test_bundle_when_its_arguments_mean_nothing_says_so_as_wrong_usage(
    words: tuple[str, str], house: Path
) -> None:
    """2 as everywhere, and no traceback."""
    done = deploy(house, "bundle", "--out", str(house / "none.tar.gz"), *words)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


def test_redactor_when_a_secret_is_part_of_another_leaves_nothing_of_the_longer() -> None:
    """The longer goes first, else its rest would stand there."""
    redactor = Redactor(["abcdef", "abcdefghij"])
    assert redactor.clean(b"x abcdefghij y abcdef z") == b"x *** y *** z"
    assert redactor.finds(b"...abcdef...")
