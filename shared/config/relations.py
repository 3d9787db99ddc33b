"""Settings that are right alone and wrong together. One row per rule."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from shared.config.faults import SettingFault, shown_value
from shared.config.fields import CHAOS_OFF, SECRETS, SettingFields
from shared.config.parsers import is_loopback
from shared.config.sources import REPOSITORY
from shared.config.strategy_files import files_of, reward_risk_of
from shared.models.mode import Mode

OWN_TOKEN_CHARACTERS_MIN = 16
LIVE_HOST = "api.alpaca.markets"
PAPER_HOST = "paper-api.alpaca.markets"
LIVE_KEYS, PAPER_KEYS = "AK", "PK"
_ACCOUNT_URLS = ("alpaca_trading_url", "alpaca_stream_url")


def mode_of(fields: SettingFields) -> Mode | None:
    """Return the mode: sim by default, but only while no broker key is set (then None)."""
    if fields.trading_mode is not None:
        return fields.trading_mode
    has_key = fields.apca_api_key_id is not None or fields.apca_api_secret_key is not None
    return None if has_key else Mode.SIM


def _fault(name: str, value: object, problem: str, mend: str) -> SettingFault:
    shown = None if value is None else shown_value(str(value), is_secret=name in SECRETS)
    return SettingFault(name, shown, problem, mend)


def _mode_said(fields: SettingFields) -> SettingFault | None:
    if mode_of(fields) is not None:
        return None
    return _fault(
        "TRADING_MODE",
        None,
        "is not set although a broker key is, so nobody knows which account is meant",
        "Set TRADING_MODE to sim, paper, live_limited or live",
    )


def _keys_complete(fields: SettingFields) -> SettingFault | None:
    halves = {
        "APCA_API_KEY_ID": fields.apca_api_key_id,
        "APCA_API_SECRET_KEY": fields.apca_api_secret_key,
    }
    missing = [name for name, value in halves.items() if value is None]
    if len(missing) == 1:
        return _fault(missing[0], None, "is not set although its other half is", "Set both")
    mode = mode_of(fields)
    if missing and mode is not None and mode.needs_broker_keys:
        name = " and ".join(missing)
        return _fault(name, None, f"not set, needed in mode {mode}", "Set both, or use mode sim")
    return None


def _short_refused(fields: SettingFields) -> SettingFault | None:
    if not fields.allow_short:
        return None
    return _fault(
        "ALLOW_SHORT", "true", "this system is long only", "Set it to false or take it out"
    )


def _chaos_not_with_money(fields: SettingFields) -> SettingFault | None:
    mode = mode_of(fields)
    if mode is None or not mode.is_live or fields.chaos_mode == (CHAOS_OFF,):
        return None
    value = ",".join(fields.chaos_mode)
    return _fault("CHAOS_MODE", value, f"is refused in mode {mode}", "Set it to off")


def _chaos_off_alone(fields: SettingFields) -> SettingFault | None:
    if CHAOS_OFF not in fields.chaos_mode or len(fields.chaos_mode) == 1:
        return None
    value = ",".join(fields.chaos_mode)
    return _fault("CHAOS_MODE", value, "says off and names faults", "Say one or the other")


def _targets_reach(fields: SettingFields) -> SettingFault | None:
    """What a plugin sets, or a file that says it in code alone, the bot judges at its start."""
    said = {name: reward_risk_of(path) for name, path in files_of(fields.strategies).items()}
    short = [
        f"{name} sets {reward_risk}"
        for name, reward_risk in said.items()
        if reward_risk is not None and reward_risk < fields.min_reward_risk
    ]
    if not short:
        return None
    return _fault(
        "MIN_REWARD_RISK",
        fields.min_reward_risk,
        f"is never reached: {', '.join(short)} as reward/risk, so it would never trade",
        "Lower it to that, or take the strategy out of STRATEGIES",
    )


def _risk_fits(fields: SettingFields) -> SettingFault | None:
    if fields.risk_per_trade_pct <= fields.position_limit_pct:
        return None
    return _fault(
        "RISK_PER_TRADE_PCT",
        fields.risk_per_trade_pct,
        f"exceeds POSITION_LIMIT_PCT={fields.position_limit_pct}: a trade would risk more than "
        "its whole position is worth, so none sized by risk can fit",
        "Lower it, or raise POSITION_LIMIT_PCT",
    )


def _days_in_order(fields: SettingFields) -> SettingFault | None:
    first, last = fields.sim_from, fields.sim_to
    if first is None or last is None or first <= last:
        return None
    return _fault("SIM_FROM", first, f"lies after SIM_TO={last}", "Swap them or mend one")


def _days_of_a_replay(fields: SettingFields) -> SettingFault | None:
    """Without a replay the days are obeyed by nothing: whoever set them expects another market."""
    if fields.sim_replay is not None or mode_of(fields) is not Mode.SIM:
        return None
    for name, day in (("SIM_FROM", fields.sim_from), ("SIM_TO", fields.sim_to)):
        if day is not None:
            problem = "is a day of a replay, and SIM_REPLAY is not set"
            return _fault(name, day, problem, "Set SIM_REPLAY, or take it out")
    return None


def _replay_exists(fields: SettingFields) -> SettingFault | None:
    if fields.sim_replay is None or mode_of(fields) is not Mode.SIM:
        return None
    try:
        fields.sim_replay.stat()
    except OSError as failure:
        # The name alone: where the folder lies on this machine is nobody else's business.
        name, problem = fields.sim_replay.name, (failure.strerror or "unknown error").lower()
        mend = "Name a folder or file of bars"
        return _fault("SIM_REPLAY", name, f"cannot be opened ({problem})", mend)
    return None


def _own_token_outside(fields: SettingFields) -> SettingFault | None:
    if is_loopback(fields.dashboard_host):
        return None
    host = fields.dashboard_host
    if fields.dashboard_token is None:
        problem = "can be reached from elsewhere, and DASHBOARD_TOKEN is not set"
        return _fault("DASHBOARD_HOST", host, problem, "Set DASHBOARD_TOKEN, or use 127.0.0.1")
    if len(fields.dashboard_token.get_secret_value()) >= OWN_TOKEN_CHARACTERS_MIN:
        return None
    problem = f"is too short to guard {host}"
    mend = f"Use {OWN_TOKEN_CHARACTERS_MIN} characters or more"
    return _fault("DASHBOARD_TOKEN", "", problem, mend)


def _ports_differ(fields: SettingFields) -> SettingFault | None:
    if fields.sim_port is None or fields.sim_port != fields.dashboard_port:
        return None
    return _fault("SIM_PORT", fields.sim_port, "is the DASHBOARD_PORT too", "Choose another one")


def _telegram_complete(fields: SettingFields) -> SettingFault | None:
    halves = {
        "TELEGRAM_BOT_TOKEN": fields.telegram_bot_token,
        "TELEGRAM_CHAT_ID": fields.telegram_chat_id,
    }
    missing = [name for name, value in halves.items() if value is None]
    if len(missing) != 1:
        return None
    return _fault(missing[0], None, "is not set although its other half is", "Set both")


def folders_of(fields: SettingFields) -> tuple[Path, Path]:
    """Return the folders of state and logs, absolute; by default beside deploy_supervisor.py."""
    return fields.state_dir or REPOSITORY / "state", fields.log_dir or REPOSITORY / "logs"


def _folders_differ(fields: SettingFields) -> SettingFault | None:
    state_dir, log_dir = folders_of(fields)
    if os.path.realpath(state_dir) != os.path.realpath(log_dir):
        return None
    return _fault("LOG_DIR", log_dir.name, "is the STATE_DIR too", "Use two folders")


def _account_of_mode(fields: SettingFields) -> SettingFault | None:
    """The wrong account is the most expensive misspelling of all."""
    mode = mode_of(fields)
    if mode is None or not mode.needs_broker_keys:
        return None
    wrong = PAPER_HOST if mode.is_live else LIVE_HOST
    for name in _ACCOUNT_URLS:
        url: str | None = getattr(fields, name)
        if url is not None and urlsplit(url).hostname == wrong:
            kind = "the paper account" if mode.is_live else "real money"
            return _fault(
                name.upper(), url, f"is {kind}, but the mode is {mode}", "Take it out or mend it"
            )
    return None


def _keys_of_mode(fields: SettingFields) -> SettingFault | None:
    """A key id tells by its first letters which account it opens."""
    mode, key_id = mode_of(fields), fields.apca_api_key_id
    if mode is None or key_id is None or not mode.needs_broker_keys:
        return None
    wrong = PAPER_KEYS if mode.is_live else LIVE_KEYS
    if not key_id.get_secret_value().startswith(wrong):
        return None
    kind = "the paper account" if mode.is_live else "real money"
    return _fault(
        "APCA_API_KEY_ID",
        "",
        f"begins with {wrong}, so it opens {kind}, but the mode is {mode}",
        f"Use keys of the {'live' if mode.is_live else 'paper'} account, or set the other mode",
    )


Relation = Callable[[SettingFields], SettingFault | None]

RELATIONS: tuple[tuple[frozenset[str], Relation], ...] = (
    (frozenset({"TRADING_MODE"}), _mode_said),
    (frozenset({"TRADING_MODE", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"}), _keys_complete),
    (frozenset({"TRADING_MODE", "ALPACA_TRADING_URL", "ALPACA_STREAM_URL"}), _account_of_mode),
    (frozenset({"TRADING_MODE", "APCA_API_KEY_ID"}), _keys_of_mode),
    (frozenset({"ALLOW_SHORT"}), _short_refused),
    (frozenset({"CHAOS_MODE"}), _chaos_off_alone),
    (frozenset({"CHAOS_MODE", "TRADING_MODE"}), _chaos_not_with_money),
    (frozenset({"MIN_REWARD_RISK", "STRATEGIES"}), _targets_reach),
    (frozenset({"RISK_PER_TRADE_PCT", "POSITION_LIMIT_PCT"}), _risk_fits),
    (frozenset({"SIM_FROM", "SIM_TO"}), _days_in_order),
    (frozenset({"SIM_FROM", "SIM_TO", "SIM_REPLAY", "TRADING_MODE"}), _days_of_a_replay),
    (frozenset({"SIM_REPLAY", "TRADING_MODE"}), _replay_exists),
    (frozenset({"DASHBOARD_HOST", "DASHBOARD_TOKEN"}), _own_token_outside),
    (frozenset({"SIM_PORT", "DASHBOARD_PORT"}), _ports_differ),
    (frozenset({"TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID"}), _telegram_complete),
    (frozenset({"STATE_DIR", "LOG_DIR"}), _folders_differ),
)
"""Which settings a rule looks at, and the rule. A rule is skipped while one of its settings is
wrong by itself: it would only speak about the default in its place.
"""


def broken_relations(fields: SettingFields, already_wrong: frozenset[str]) -> list[SettingFault]:
    """Return the fault of every rule that the settings break together."""
    faults: list[SettingFault] = []
    for names, rule in RELATIONS:
        fault = None if names & already_wrong else rule(fields)
        if fault is not None:
            faults.append(fault)
    return faults
