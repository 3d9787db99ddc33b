"""Where every run-time file lies. One place, so that no name is written twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StatePaths:
    """Files under STATE_DIR (CONTRACTS.md section 4); each has one writer."""

    root: Path

    @property
    def health(self) -> Path:
        return self.root / "health.json"

    @property
    def trading_state(self) -> Path:
        return self.root / "trading_state.json"

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def trading_lock(self) -> Path:
        return self.root / "trading.lock"

    @property
    def bot_status(self) -> Path:
        return self.root / "bot_status.json"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.db"

    @property
    def emergency_stop(self) -> Path:
        return self.root / "emergency_stop"

    @property
    def commands(self) -> Path:
        return self.root / "commands"

    @property
    def restart_tally(self) -> Path:
        return self.root / "restart_tally.json"

    @property
    def market(self) -> Path:
        return self.root / "market.db"

    @property
    def exchange(self) -> Path:
        return self.root / "exchange_sim.db"

    @property
    def heartbeat(self) -> Path:
        return self.root / "heartbeat.json"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def endpoints(self) -> Path:
        return self.run / "endpoints.json"

    @property
    def dashboard_token(self) -> Path:
        return self.run / "dashboard.token"

    @property
    def black_box(self) -> Path:
        """Which strategy speaks; it outlives the bot's process."""
        return self.run / "strategy.speaking"

    @property
    def supervisor_lock(self) -> Path:
        return self.run / "supervisor.lock"

    @property
    def guardian_lock(self) -> Path:
        return self.run / "guardian.lock"

    @property
    def supervisor_socket(self) -> Path:
        return self.run / "supervisor.sock"


@dataclass(frozen=True, slots=True)
class LogPaths:
    """Files under LOG_DIR (CONTRACTS.md section 8)."""

    root: Path

    @property
    def orders(self) -> Path:
        return self.root / "orders.jsonl"

    @property
    def incidents(self) -> Path:
        return self.root / "incidents.jsonl"

    @property
    def audit(self) -> Path:
        return self.root / "audit.jsonl"

    @property
    def events(self) -> Path:
        """Folder of what changed the trading state, one file a day, for `replay`."""
        return self.root / "events"

    @property
    def contracts(self) -> Path:
        """Folder of the vendors' shapes, day by day."""
        return self.root / "contracts"

    @property
    def drills(self) -> Path:
        """Folder of the drills' reports, with their history.jsonl."""
        return self.root / "drills"

    def service(self, name: str) -> Path:
        """The JSON log of a service."""
        return self.root / f"{name}.jsonl"

    def output(self, name: str) -> Path:
        """What the service wrote to standard output and error."""
        return self.root / f"{name}.out"
