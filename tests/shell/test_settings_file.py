"""The .env file: who may read it, what stands in it, and which source wins."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from shared.config.endpoints import (
    exchange_endpoints,
    load_endpoints,
    read_dashboard_url,
    read_endpoints,
    write_endpoints,
)
from shared.config.settings import load_settings
from shared.errors import ConfigFault, SchemaFault, TransientFault
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

SECRET = "sesame-0pen-now-9173"


def env_file(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    """Write an .env and return its path."""
    path = folder / ".env"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def refused(path: Path, **environ: str) -> str:
    """Return the message with which the file is refused."""
    with pytest.raises(ConfigFault) as caught:
        load_settings(environ, env_file=path)
    message = str(caught.value)
    assert SECRET not in message
    assert str(path.parent) not in message
    return message


def test_file_when_it_is_right_then_environment_and_options_win_over_it(tmp_path: Path) -> None:
    """Options before environment before file."""
    text = "export SIM_SEED=1\nSIM_CASH='5000' # cash\nSYMBOLS = AAPL , MSFT\nSIM_PORT=9001\n"
    path = env_file(tmp_path, text)

    found = load_settings({"SIM_SEED": "2", "SIM_PORT": ""}, path, {"SYMBOLS": "IBM"})

    assert found.sim.seed == 2
    assert found.sim.cash == 5000
    assert found.symbols == ("IBM",)
    assert found.sim.port is None, "an empty value in the environment takes the file's away"


def test_file_when_named_by_the_internal_variable_then_it_is_read(tmp_path: Path) -> None:
    """Child processes find the same file."""
    path = env_file(tmp_path, "SIM_SEED=7\n")

    assert load_settings({"SHT_ENV_FILE": str(path)}).sim.seed == 7


def test_file_when_a_value_holds_a_dollar_then_it_is_a_dollar(tmp_path: Path) -> None:
    """Nothing is expanded inside a value."""
    path = env_file(
        tmp_path,
        f"TRADING_MODE=paper\nAPCA_API_KEY_ID=a\nAPCA_API_SECRET_KEY={SECRET}$HOME${{X}}\n",
    )

    found = load_settings({}, path)

    assert found.broker_secret is not None
    assert found.broker_secret.get_secret_value() == f"{SECRET}$HOME${{X}}"


@pytest.mark.parametrize(
    "raw",
    [
        b"SIM_SEED=5\r\nSYMBOLS=AAPL,MSFT\r\n",
        b"\xef\xbb\xbfexport SIM_SEED=\"5\"\nexport SYMBOLS='AAPL,MSFT' # two\n",
        b"  SIM_SEED = 5\n\n# a word\nSYMBOLS=AAPL MSFT\n",
        b"SIM_SEED=5\rSYMBOLS=aapl,AAPL,MSFT",
    ],
)
def test_file_when_another_editor_wrote_it_then_the_same_is_read(
    tmp_path: Path, raw: bytes
) -> None:
    """Line ends, byte order mark, export, quotes, blanks and comments of other systems."""
    found = load_settings({}, env_file(tmp_path, raw))

    assert (found.sim.seed, found.symbols) == (5, ("AAPL", "MSFT"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_file_when_others_may_read_its_secret_then_it_is_refused(tmp_path: Path, mode: int) -> None:
    """0600 when a secret stands in it; without one nobody minds."""
    path = env_file(tmp_path, f"TRADING_MODE=sim\nUW_API_TOKEN={SECRET}\n", mode)

    assert "chmod 600 .env" in refused(path)
    assert load_settings({}, env_file(tmp_path, "SIM_SEED=3\n", mode)).sim.seed == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"APCA_API_SECRET_KEI={SECRET}\n", ".env line 1, APCA_API_SECRET_KEI: is no setting"),
        ("\n\n# x\nFOO_BAR=1\n", ".env line 4, FOO_BAR: is no setting"),
        (f"SIM_SEED=1\n{SECRET}\n", ".env line 2: is not NAME=value"),
        (f"{SECRET}==\n", ".env line 1: its name is no setting"),
        ("trading_mode=sim\n", "Did you mean TRADING_MODE?"),
        ("SIM_SEED=1\nSIM_SEED=2\n", ".env line 2, SIM_SEED: stands there twice"),
        (f"'{SECRET}\n", ".env line 1: is not NAME=value"),
        (f'APCA_API_SECRET_KEY="{SECRET}\nSIM_SEED=1\nUW_API_TOKEN="x\n', "is not NAME=value"),
        (f'APCA_API_SECRET_KEY="{SECRET}\nSIM_SEED=1"\n', "control character"),
        (b"SIM_SEED=\xff\xfe\n", "not UTF-8 text"),
        (f"UW_API_TOKEN={SECRET}".encode("utf-16"), "not UTF-8 text"),
        (f"UW_API_TOKEN={SECRET}".encode("utf-16-le"), "its name is no setting"),
        (b"#" * 1_000_001, "larger than"),
        ("SIM_SEED=five\n", "SIM_SEED=five: is no whole number"),
    ],
)
def test_file_when_a_line_is_wrong_then_it_is_named_without_its_value(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    """The line, the mend, and never what stands behind the equals sign."""
    assert words in refused(env_file(tmp_path, text), TRADING_MODE="sim")


def test_file_when_it_is_a_folder_a_pipe_or_absent_then_it_is_refused(tmp_path: Path) -> None:
    """Nothing but a regular file is read, and nobody waits for a pipe."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".env").symlink_to("nowhere")

    assert "cannot be read" in refused(tmp_path / "folder")
    assert "not a regular file" in refused(tmp_path / "pipe")
    assert "does not exist" in refused(tmp_path / "absent")
    with pytest.raises(ConfigFault, match="does not exist"):
        load_settings({"SHT_ENV_FILE": str(tmp_path / ".env")})


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_file_when_it_may_not_be_read_then_it_is_refused(tmp_path: Path) -> None:
    """Settings that are there and cannot be seen are no defaults."""
    assert "cannot be read" in refused(env_file(tmp_path, "SIM_SEED=1", 0o000))


def test_endpoints_when_written_then_they_come_back_and_are_private(tmp_path: Path) -> None:
    """The exchange's port and keys survive, mode 0600, and no repr shows a key."""
    found = make_settings(tmp_path)
    path = found.state.endpoints
    with pytest.raises(TransientFault, match="json is missing"):
        load_endpoints(found)
    exchange = exchange_endpoints(9123, "key-of-sim", SECRET)

    write_endpoints(path, exchange=exchange, dashboard_url=None)

    assert load_endpoints(found) == exchange
    assert exchange.trading_stream_url == "ws://127.0.0.1:9123/stream"
    assert path.stat().st_mode & 0o777 == 0o600
    assert SECRET not in repr(exchange)
    assert "key-of-sim" not in repr(exchange)
    write_endpoints(path, exchange=exchange, dashboard_url="http://127.0.0.1:8000")
    assert load_endpoints(found).dashboard_url == "http://127.0.0.1:8000"
    assert [name.name for name in path.parent.iterdir()] == ["endpoints.json"]


def test_endpoints_when_outside_sim_then_no_real_key_is_ever_written(tmp_path: Path) -> None:
    """The mode's own addresses come from the settings; the file only says where the page is."""
    found = make_settings(
        tmp_path, TRADING_MODE="paper", APCA_API_KEY_ID="id", APCA_API_SECRET_KEY=SECRET
    )

    endpoints = load_endpoints(found)
    write_endpoints(found.state.endpoints, exchange=None, dashboard_url="http://127.0.0.1:1")

    assert endpoints.trading_url == "https://paper-api.alpaca.markets"
    assert endpoints.secret_key == SECRET
    assert SECRET not in found.state.endpoints.read_text()
    assert read_endpoints(found.state.endpoints) is None
    assert read_dashboard_url(found.state.endpoints) == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"exchange_url": 1}', '{"exchange_url": "http://127.0.0.1:1"}',
        '{"exchange_url": "https://api.alpaca.markets", "exchange_stream_url": "ws://127.0.0.1/s",'
        '"exchange_data_stream_url": "ws://127.0.0.1/d", "exchange_key_id": "k",'
        '"exchange_secret_key": "s"}',
    ],
)  # fmt: skip
def test_endpoints_when_the_file_is_not_ours_then_it_is_refused(tmp_path: Path, text: str) -> None:
    """Damaged, incomplete, or pointing off this machine: never used."""
    path = tmp_path / "endpoints.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SchemaFault):
        read_endpoints(path)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("exchange_url", "http://[::1"), ("exchange_url", "http://127.0.0.1:x"),
        ("exchange_url", "http://127.0.0.1:99999"), ("exchange_url", "http://127.0.0.1"),
        ("exchange_stream_url", "http://127.0.0.1:1/stream"), ("exchange_key_id", "two\nlines"),
        ("exchange_secret_key", "\ud800"), ("exchange_secret_key", "x" * 1_000),
    ],
)  # fmt: skip
def test_endpoints_when_one_member_is_absurd_then_it_is_refused_without_a_key(
    tmp_path: Path, member: str, value: str
) -> None:
    """What no socket and no header can take is met here, and not where it is used."""
    path = tmp_path / "endpoints.json"
    write_endpoints(path, exchange=exchange_endpoints(9123, "key", SECRET), dashboard_url=None)
    assert read_endpoints(path) is not None
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {member: value}), encoding="utf-8")

    with pytest.raises(SchemaFault) as caught:
        read_endpoints(path)

    assert SECRET not in str(caught.value)
