"""The settings: ranges, relations, names, secrets; every fault at once."""

from __future__ import annotations

import os
import re
import traceback
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.fields import ALIASES, SECRETS, SETTING_NAMES
from shared.config.ignition import load_for_start, validate_for_start
from shared.config.settings import Settings, load_settings
from shared.config.sources import REPOSITORY, suggestion
from shared.errors import ConfigFault
from shared.models.mode import Mode
from tests.support.settings import make_settings

pytestmark = pytest.mark.unit

SECRET = "sesame-0pen-now-9173"
KEYS = {"APCA_API_KEY_ID": "KEY1234567", "APCA_API_SECRET_KEY": SECRET}
NO_FILE = {"SHT_ENV_FILE": ""}


def load(**values: str) -> Settings:
    """Load from these values alone."""
    return load_settings(NO_FILE | values)


def fault_of(**values: str) -> str:
    """Return the message with which these values are refused."""
    with pytest.raises(ConfigFault) as caught:
        load(**values)
    return str(caught.value)


def test_config_validation() -> None:
    """Many wrong settings: one error that names each with its value and mend, no secret."""
    message = fault_of(
        **KEYS,
        TRADING_MODE="live",
        POSITION_LIMIT_PCT="5",
        DAILY_LOSS_LIMIT_PCT="2%",
        MAX_OPEN_POSITIONS="many",
        SYMBOLS="AAPL,BTC/USD",
        ALLOW_SHORT="true",
        CHAOS_MODE="alpaca_down",
        MIN_REWARD_RISK="7",
        SIM_FROM="2019-02-15",
        SIM_TO="2019-02-11",
        DASHBOARD_HOST="0.0.0.0",
        MAX_DRAWDOWN_PERCENT="0.1",
    )

    for words in (
        "POSITION_LIMIT_PCT=5", "for 5 percent write 0.05", "DAILY_LOSS_LIMIT_PCT=2%",
        "Write the fraction: 0.02", "MAX_OPEN_POSITIONS=many", "BTC/USD", "ALLOW_SHORT=true",
        "CHAOS_MODE=alpaca_down", "MIN_REWARD_RISK=7", "SIM_FROM=2019-02-15", "DASHBOARD_HOST",
        "Did you mean MAX_DRAWDOWN_PCT?",
    ):  # fmt: skip
        assert words in message
    assert SECRET not in message
    assert message.splitlines()[0] == "10 settings are wrong:"


def test_settings_when_nothing_is_set_then_sim_with_the_documented_defaults() -> None:
    """A bare checkout starts the simulation; the absolute caps are off there."""
    found = load()

    assert found.trading_mode is Mode.SIM
    assert found.symbols == ()
    assert found.strategies == ("mean_reversion", "momentum", "options_flow")
    assert found.limits.position_size_usd_max is None
    assert found.limits.notional_per_order_usd_max is None
    assert found.limits.open_positions_max == 10
    assert (found.sim.speed, found.sim.seed, found.sim.cash) == (60.0, 1, Decimal(100_000))
    assert (found.dashboard_host, found.dashboard_port) == ("127.0.0.1", 8000)
    assert (found.chaos_mode, found.chaos_faults) == ("off", ())
    assert found.state_dir == REPOSITORY / "state"
    assert not found.is_lock_step
    assert found.secret_values() == ()


@pytest.mark.parametrize(
    ("mode", "position_usd", "notional_usd", "positions"),
    [
        ("sim", None, None, 10),
        ("paper", 500, 2000, 10),
        ("live_limited", None, None, 3),
        ("live", 500, 2000, 10),
    ],
)
def test_settings_when_the_mode_changes_then_its_defaults_change(
    mode: str, position_usd: int | None, notional_usd: int | None, positions: int
) -> None:
    """CONTRACTS.md section 3: caps in paper and live, few positions in live_limited."""
    limits = load(**KEYS, TRADING_MODE=mode).limits

    assert limits.position_size_usd_max == position_usd
    assert limits.notional_per_order_usd_max == notional_usd
    assert limits.open_positions_max == positions
    said = load(**KEYS, TRADING_MODE=mode, MAX_POSITION_SIZE_USD="7", MAX_OPEN_POSITIONS="4").limits
    assert said.position_size_usd_max == 7
    assert said.open_positions_max == 4


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"TRADING_MODE": "demo"}, "sim, paper, live_limited, live"),
        (KEYS, "TRADING_MODE: is not set although a broker key is"),
        ({"TRADING_MODE": "paper"}, "APCA_API_KEY_ID and APCA_API_SECRET_KEY: not set"),
        ({"TRADING_MODE": "sim", "APCA_API_KEY_ID": "x"}, "APCA_API_SECRET_KEY: is not set"),
        (KEYS | {"TRADING_MODE": "sim", "ALPACA_API_KEY": "other"}, "Set one of the two"),
        (
            KEYS | {"TRADING_MODE": "paper", "ALPACA_TRADING_URL": "https://api.alpaca.markets"},
            "real money",
        ),
        (
            KEYS
            | {"TRADING_MODE": "live", "ALPACA_STREAM_URL": "wss://paper-api.alpaca.markets/x"},
            "paper account",
        ),
        ({"ALPACA_DATA_URL": "http://gateway.example/x"}, "clear text"),
        ({"UW_URL": f"https://me:{SECRET}@example.com"}, "carries a user or password"),
        ({"UW_URL": "ftp://example.com"}, "begins with https://"),
        ({"SYMBOLS": "ETHUSD"}, "names crypto ETHUSD"),
        ({"SYMBOLS": "AAPL, 1X"}, "no US stock symbol in 1X"),
        ({"STRATEGIES": "momentun"}, "names unknown momentun"),
        ({"POSITION_LIMIT_PCT": "0"}, "must be above 0"),
        ({"POSITION_LIMIT_PCT": "-0.05"}, "must be above 0"),
        ({"POSITION_LIMIT_PCT": "nan"}, "is no number"),
        ({"POSITION_LIMIT_PCT": "1e-2"}, "is no number"),
        ({"POSITION_LIMIT_PCT": "0,05"}, "Write 0.05"),
        ({"DAILY_LOSS_LIMIT_PCT": "2"}, "for 2 percent write 0.02"),
        ({"DAILY_LOSS_LIMIT_PCT": "1"}, "for 1 percent write 0.01"),
        ({"MAX_DRAWDOWN_PCT": "10"}, "for 10 percent write 0.1."),
        ({"PORTFOLIO_DELTA_LIMIT_PCT": "0.7"}, "for 70 percent write 70"),
        ({"RISK_PER_TRADE_PCT": "0.06"}, "exceeds POSITION_LIMIT_PCT=0.05"),
        ({"MIN_REWARD_RISK": "2.5"}, "momentum sets 2.0"),
        ({"MAX_OPEN_POSITIONS": "2.5"}, "is no whole number"),
        ({"MAX_OPEN_POSITIONS": "0"}, "from 1 to 500"),
        ({"SERVICE_MAX_FAILURES": "٣"}, "is no whole number"),
        ({"EXIT_AT_CLOSE": "maybe"}, "Write true or false"),
        ({"ALLOW_SHORT": "yes"}, "this system is long only"),
        ({"CHAOS_MODE": "alpaca_dwn"}, "names unknown alpaca_dwn"),
        ({"CHAOS_MODE": "off,alpaca_down"}, "says off and names faults"),
        (KEYS | {"TRADING_MODE": "live_limited", "CHAOS_MODE": "bot_hang"}, "is refused in mode"),
        ({"DASHBOARD_HOST": "0.0.0.0"}, "DASHBOARD_TOKEN is not set"),
        ({"DASHBOARD_HOST": "192.168.1.2", "DASHBOARD_TOKEN": "short"}, "too short"),
        ({"DASHBOARD_PORT": "70000"}, "from 0 to 65535"),
        ({"SIM_PORT": "8000"}, "is the DASHBOARD_PORT too"),
        ({"SIM_SPEED": "fast"}, "or max for lock-step"), ({"SIM_SPEED": "0"}, "max for lock-step"),
        ({"SIM_FROM": "11.02.2019"}, "like 2019-02-11"), ({"SIM_FROM": "2019-02-30"}, "2019-02-11"),
        ({"SIM_FROM": "2019-02-11"}, "SIM_FROM=2019-02-11: is a day of a replay, and SIM_REPLAY"),
        ({"SIM_TO": "2019-02-11"}, "SIM_TO=2019-02-11: is a day of a replay, and SIM_REPLAY"),
        ({"SIM_REPLAY": "no/such/folder"}, "SIM_REPLAY=folder: cannot be opened"),
        ({"TELEGRAM_CHAT_ID": "12"}, "TELEGRAM_BOT_TOKEN: is not set"),
        ({"STATE_DIR": "/x", "LOG_DIR": "/x"}, "the STATE_DIR too"),
        ({"STATE_DIR": "/x/../y", "LOG_DIR": "/y/"}, "is the STATE_DIR too"),
        ({"LOG_DIR": f"{REPOSITORY}/state"}, "too"), ({"STATE_DIR": f"{REPOSITORY}/logs"}, "too"),
        ({"APCA_API_SECRET_KEY": f"{SECRET}\nX=1"}, "control character"),
        ({"SIM_SEDE": "3"}, "Did you mean SIM_SEED?"),
        ({"TRADNG_MODE": "sim"}, "Did you mean TRADING_MODE?"),
        ({"APCA_API_BASE_URL": "x"}, "Did you mean ALPACA_TRADING_URL?"),
    ],
)  # fmt: skip
def test_settings_when_one_is_wrong_then_it_is_named_with_its_mend(
    values: dict[str, str], words: str
) -> None:
    """Each rule alone; never a secret in the message."""
    message = fault_of(**values)

    assert words in message
    assert message.startswith("one setting is wrong:")
    assert SECRET not in message


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_secrets_when_anything_is_wrong_then_no_text_ever_shows_them(name: str) -> None:
    """Neither a refused secret nor one beside another fault; not in the traceback either."""
    for value in (f"{SECRET} x", SECRET, f"http://h/{SECRET}"):
        try:
            load_settings(NO_FILE | {name: value, "SIM_SPEED": "?", "DASHBOARD_HOST": f"/{value}"})
        except ConfigFault as fault:
            text = "".join(traceback.format_exception(fault)) + repr(fault) + str(vars(fault))
            assert SECRET not in text
        else:
            pytest.fail("a wrong SIM_SPEED was taken")


def test_settings_when_printed_then_no_secret_shows() -> None:
    """repr and str mask; secret_values still knows them for the logs."""
    urls = {"ALERT_URLS": f"tgram://{SECRET}-a/1,json://{SECRET}-b"}
    ping = {"HEARTBEAT_PING_URL": f"https://hc.example/{SECRET}-c"}
    found = load(**KEYS, **urls, **ping, TRADING_MODE="sim", UW_API_TOKEN=f"{SECRET}-d")

    assert SECRET not in repr(found) + str(found)
    assert "KEY1234567" not in repr(found)
    shown = "|".join(found.secret_values())
    for tail in ("-a/1", "-b", "-c", "-d", "KEY1234567"):
        assert tail in shown


def test_aliases_when_used_then_they_are_the_same_settings() -> None:
    """ALPACA_API_KEY and ALPACA_SECRET_KEY are the other names of the two keys."""
    found = load(TRADING_MODE="paper", ALPACA_API_KEY="A", ALPACA_SECRET_KEY="B")

    assert found.broker_key_id is not None
    assert found.broker_secret is not None
    assert found.broker_key_id.get_secret_value() == "A"
    assert found.broker_secret.get_secret_value() == "B"


def test_settings_when_values_are_empty_then_defaults_hold() -> None:
    """A copied .env.example with empty values means nothing."""
    assert load(**dict.fromkeys(SETTING_NAMES | frozenset(ALIASES), "")) == load()


def test_settings_when_foreign_names_stand_in_the_environment_then_they_are_ignored() -> None:
    """The environment belongs to others too: only names that look like ours are judged."""
    load(PATH="/bin", MAX_JOBS="4", SERVICE_HOST="x", LOG_LEVEL="info", STATE="x", SHT_X="1")


def test_settings_when_lock_step_then_it_needs_sim_and_max() -> None:
    """SIM_SPEED=max is lock-step; outside sim it means nothing."""
    assert load(SIM_SPEED="max").is_lock_step
    assert not load(**KEYS, TRADING_MODE="paper", SIM_SPEED="max").is_lock_step


@given(st.sampled_from(sorted(SETTING_NAMES)), st.text(max_size=30))
def test_settings_when_any_text_is_given_then_it_is_taken_or_refused_as_a_fault(
    name: str, text: str
) -> None:
    """No text of any setting brings anything but settings or a ConfigFault."""
    with suppress(ConfigFault):
        load(**{name: text})


@given(st.decimals("0.0001", "0.5", places=4))
def test_fraction_when_in_range_then_it_is_kept_exactly(value: Decimal) -> None:
    """Money and fractions never pass through floats."""
    found = load(DAILY_LOSS_LIMIT_PCT=f"{value:f}")

    assert found.limits.daily_loss_limit_pct == value


@given(st.sampled_from(sorted(SETTING_NAMES)), st.integers(0, 40), st.sampled_from("XZQ"))
def test_name_when_one_letter_is_wrong_then_the_right_one_is_suggested(
    name: str, position: int, letter: str
) -> None:
    """A single misspelling is always recognised."""
    at = position % len(name)
    misspelt = name[:at] + letter + name[at + 1 :]

    assert suggestion(misspelt) in SETTING_NAMES


def test_example_file_when_compared_then_it_documents_every_setting_and_default() -> None:
    """.env.example lists each name once, and loading it changes nothing."""
    path = REPOSITORY / ".env.example"
    names = re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", path.read_text(encoding="utf-8"), re.M)

    assert sorted(names) == sorted(SETTING_NAMES)
    assert load_settings({}, env_file=path) == load()


def test_start_when_live_is_not_confirmed_then_it_is_told_beside_the_other_faults() -> None:
    """--confirm is asked for in the same breath as a wrong setting."""
    with pytest.raises(ConfigFault) as caught:
        load_for_start(False, NO_FILE | KEYS | {"TRADING_MODE": "live", "SIM_SEED": "x"})

    message = str(caught.value)
    assert caught.value.exit_code == os.EX_CONFIG
    for words in ("SIM_SEED=x", "Add --confirm", "2 settings are wrong"):
        assert words in message
    assert SECRET not in message


def test_start_when_chaos_is_asked_for_in_sim_then_it_is_allowed() -> None:
    """Where no money can be lost, things may be broken on purpose."""
    settings = load(CHAOS_MODE="alpaca_down,bot_hang")

    validate_for_start(settings, confirm=False)
    assert settings.chaos_faults == ("alpaca_down", "bot_hang")


def test_start_when_sim_then_it_is_allowed(tmp_path: Path) -> None:
    """The simulation needs no word of anybody."""
    validate_for_start(make_settings(tmp_path), confirm=False)
    assert load_for_start(False, NO_FILE).trading_mode is Mode.SIM
