"""NautilusTrader's risk check of a limit order on a cash account, timed; prints p50 and p99 in us.

Run by the interpreter of an environment of its own (tools/bootstrap.py bench), since it wants
older libraries than ours. It imports nothing of this repository.
"""

from __future__ import annotations

import sys
import time

from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.config import RiskEngineConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, OrderSide
from nautilus_trader.model.events import AccountState
from nautilus_trader.model.identifiers import AccountId, StrategyId, TraderId
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.risk.engine import RiskEngine
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.test_kit.stubs.component import TestComponentStubs
from nautilus_trader.test_kit.stubs.data import TestDataStubs

ORDERS, WARMUP = 20_000, 1_000
TRADER, STRATEGY = TraderId("BENCH-001"), StrategyId("S-1")
UNTHROTTLED = RiskEngineConfig(max_order_submit_rate="100000000/00:00:01")


def cash_account() -> AccountState:
    """Return a million dollars, all free."""
    million = Money(1_000_000, USD)
    return AccountState(
        account_id=AccountId("XNAS-001"),
        account_type=AccountType.CASH,
        base_currency=USD,
        reported=True,
        balances=[AccountBalance(million, Money(0, USD), million)],
        margins=[],
        info={},
        event_id=UUID4(),
        ts_event=0,
        ts_init=0,
    )


def main() -> int:
    """Let every order through the engine; exit 1 when one does not pass."""
    clock = TestClock()
    bus, cache = MessageBus(trader_id=TRADER, clock=clock), TestComponentStubs.cache()
    portfolio = Portfolio(msgbus=bus, cache=cache, clock=clock)
    engine = RiskEngine(
        portfolio=portfolio, msgbus=bus, cache=cache, clock=clock, config=UNTHROTTLED
    )
    passed: list[object] = []
    bus.register("ExecEngine.execute", passed.append)
    share = TestInstrumentProvider.equity(symbol="AAPL", venue="XNAS")
    cache.add_instrument(share)
    cache.add_quote_tick(TestDataStubs.quote_tick(share, bid_price=99.98, ask_price=100.0))
    portfolio.update_account(cash_account())
    engine.start()
    factory = OrderFactory(trader_id=TRADER, strategy_id=STRATEGY, clock=clock)
    seconds = []
    for _ in range(WARMUP + ORDERS):
        order = factory.limit(
            share.id, OrderSide.BUY, Quantity.from_int(10), Price.from_str("100.00")
        )
        command = SubmitOrder(TRADER, STRATEGY, order, UUID4(), 0)
        begun_s = time.perf_counter()
        engine.execute(command)
        seconds.append(time.perf_counter() - begun_s)
    timed = sorted(seconds[WARMUP:])
    sys.stdout.write(f"{timed[ORDERS // 2] * 1e6} {timed[ORDERS * 99 // 100] * 1e6}\n")
    return 0 if len(passed) == WARMUP + ORDERS else 1


if __name__ == "__main__":
    sys.exit(main())
