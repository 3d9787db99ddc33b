"""The ignition key: every setting, typed and judged as a whole, or one error naming all faults.

    settings = load_settings()

Values come from options (overrides), then the process environment, then `.env`. A relative path
counts from the current folder; the default folders lie beside deploy_supervisor.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from shared.config.faults import SettingFault, SettingsFault, shown_value
from shared.config.fields import CHAOS_OFF, SECRETS, SettingFields
from shared.config.parsers import WrongValue
from shared.config.paths import LogPaths, StatePaths
from shared.config.relations import broken_relations, folders_of, mode_of
from shared.config.sim_settings import SimSettings
from shared.config.sources import gather
from shared.models.limits import Limits
from shared.models.mode import Mode

_CAPPED_MODES = (Mode.PAPER, Mode.LIVE)
_POSITION_SIZE_USD = Decimal(500)
_NOTIONAL_PER_ORDER_USD = Decimal(2000)
_OPEN_POSITIONS = 10
_OPEN_POSITIONS_LIMITED = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of CONTRACTS.md section 3. Secrets are SecretStr: no repr ever shows one."""

    trading_mode: Mode
    symbols: tuple[str, ...]
    """Empty: in a replay the files' symbols, else the default ones."""
    strategies: tuple[str, ...]
    limits: Limits
    exit_at_close: bool
    adopt_external: bool
    allow_short: bool

    broker_key_id: SecretStr | None
    broker_secret: SecretStr | None
    alpaca_trading_url: str | None
    """The four ALPACA_* URLs: None means the mode's own."""
    alpaca_data_url: str | None
    alpaca_stream_url: str | None
    alpaca_data_stream_url: str | None
    uw_api_token: SecretStr | None
    uw_url: str

    sim: SimSettings

    service_max_failures: int
    service_failure_window_minutes: float
    chaos_mode: str
    """`off`, or the faults separated by commas."""
    chaos_after_s: float
    chaos_duration_s: float | None
    chaos_seed: int | None

    state_dir: Path
    log_dir: Path
    """Both absolute."""
    seconds_to_run: float | None
    """`run` stops by itself after so long; None or 0 means never."""

    dashboard_host: str
    dashboard_port: int
    dashboard_token: SecretStr | None
    alert_urls: tuple[SecretStr, ...]
    telegram_bot_token: SecretStr | None
    telegram_chat_id: str | None
    heartbeat_ping_url: SecretStr | None

    @property
    def state(self) -> StatePaths:
        """The files under STATE_DIR."""
        return StatePaths(self.state_dir)

    @property
    def logs(self) -> LogPaths:
        """The files under LOG_DIR."""
        return LogPaths(self.log_dir)

    @property
    def is_lock_step(self) -> bool:
        """Whether the simulated market waits for the bot after each minute."""
        return self.trading_mode is Mode.SIM and self.sim.speed is None

    @property
    def chaos_faults(self) -> tuple[str, ...]:
        """The faults to inject; empty when off."""
        return () if self.chaos_mode == CHAOS_OFF else tuple(self.chaos_mode.split(","))

    def secret_values(self) -> tuple[str, ...]:
        """Return every secret that is set, for masking in logs."""
        secrets = (
            self.broker_key_id,
            self.broker_secret,
            self.uw_api_token,
            self.dashboard_token,
            self.telegram_bot_token,
            self.heartbeat_ping_url,
            *self.alert_urls,
        )
        return tuple(secret.get_secret_value() for secret in secrets if secret is not None)


def load_settings(
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings, or raise SettingsFault (a ConfigFault) that lists every fault.

    `environ` defaults to the process environment, `env_file` to the file that SHT_ENV_FILE of
    the environment names (empty: none), else to `.env` beside deploy_supervisor.py. `overrides`
    are command-line options under the names of their settings; they win.
    """
    gathered = gather(os.environ if environ is None else environ, env_file, overrides or {})
    fields, faults = _typed(gathered.values)
    wrong = frozenset(fault.setting for fault in faults)
    faults += gathered.faults
    faults += broken_relations(fields, wrong)
    if faults:
        # A mode that is itself wrong, or not said, stays unknown.
        mode = None if "TRADING_MODE" in wrong else mode_of(fields)
        raise SettingsFault(faults, mode=mode, hidden=gathered.secrets())
    return _assembled(fields)


def _typed(values: Mapping[str, str]) -> tuple[SettingFields, list[SettingFault]]:
    """Return the fields, with the default in the place of each wrong one, and the faults."""
    faults: list[SettingFault] = []
    try:
        return _fields_of(values), faults
    except ValidationError as failure:
        # Without the inputs: nothing of them may hang on to an exception.
        for line in failure.errors(include_input=False, include_url=False):
            faults.append(_fault_of(str(line["loc"][0]), values, line.get("ctx", {}).get("error")))
    wrong = {fault.setting for fault in faults}
    right = {name: value for name, value in values.items() if name not in wrong}
    return _fields_of(right), faults


def _fields_of(values: Mapping[str, str]) -> SettingFields:
    arguments: dict[str, Any] = dict(values)
    return SettingFields(**arguments)


def _fault_of(name: str, values: Mapping[str, str], error: object) -> SettingFault:
    shown = shown_value(values[name], is_secret=name in SECRETS)
    if isinstance(error, WrongValue):
        return SettingFault(name, shown, error.problem, error.mend)
    return SettingFault(name, shown, "is no value of this setting", "See .env.example")


def _assembled(fields: SettingFields) -> Settings:
    mode = fields.trading_mode or Mode.SIM
    state_dir, log_dir = folders_of(fields)
    return Settings(
        trading_mode=mode,
        limits=_limits(fields, mode),
        sim=_sim(fields),
        broker_key_id=fields.apca_api_key_id,
        broker_secret=fields.apca_api_secret_key,
        chaos_mode=",".join(fields.chaos_mode),
        state_dir=state_dir,
        log_dir=log_dir,
        **_same_named(fields),
    )


_SAME_NAMED = tuple(
    name
    for name in Settings.__dataclass_fields__
    if name in SettingFields.model_fields
    and name not in ("trading_mode", "chaos_mode", "state_dir", "log_dir")
)


def _same_named(fields: SettingFields, names: Iterable[str] = _SAME_NAMED) -> dict[str, Any]:
    return {name: getattr(fields, name) for name in names}


def _limits(fields: SettingFields, mode: Mode) -> Limits:
    """The limits, with the caps and counts of the mode where nothing is said."""
    capped = mode in _CAPPED_MODES
    few = _OPEN_POSITIONS_LIMITED if mode is Mode.LIVE_LIMITED else _OPEN_POSITIONS
    return Limits(
        position_limit_pct=fields.position_limit_pct,
        portfolio_exposure_pct=fields.max_portfolio_exposure_pct,
        concentration_pct=fields.max_concentration_per_symbol_pct,
        price_deviation_pct=fields.max_price_deviation_pct,
        cooldown_minutes=fields.min_cooldown_minutes,
        daily_loss_limit_pct=fields.daily_loss_limit_pct,
        drawdown_limit_pct=fields.max_drawdown_pct,
        open_positions_max=fields.max_open_positions or few,
        risk_per_trade_pct=fields.risk_per_trade_pct,
        stop_atr_multiple=fields.stop_atr_multiple,
        reward_risk_min=fields.min_reward_risk,
        portfolio_delta_limit_pct=fields.portfolio_delta_limit_pct,
        position_size_usd_max=fields.max_position_size_usd
        or (_POSITION_SIZE_USD if capped else None),
        notional_per_order_usd_max=fields.max_notional_per_order
        or (_NOTIONAL_PER_ORDER_USD if capped else None),
    )


def _sim(fields: SettingFields) -> SimSettings:
    return SimSettings(
        speed=fields.sim_speed,
        seed=fields.sim_seed,
        replay=fields.sim_replay,
        from_date=fields.sim_from,
        to_date=fields.sim_to,
        cash=fields.sim_cash,
        port=fields.sim_port,
        spread_bps=fields.sim_spread_bps,
        rate_limit=fields.sim_rate_limit,
    )
