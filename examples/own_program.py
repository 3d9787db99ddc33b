"""An own program on the simulated exchange, with plain alpaca-py.

First `python -m services.exchange_sim --port 9000`, then `python examples/own_program.py`.
"""

import sys
import time
from typing import Any

from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import StockLatestQuoteRequest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest, StopLossRequest, TakeProfitRequest

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:9000"
trading: Any = TradingClient("any key", "any secret", url_override=url)
data: Any = StockHistoricalDataClient("any key", "any secret", url_override=url)

ask = data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="SPY"))["SPY"].ask_price
order = MarketOrderRequest(
    symbol="SPY",
    qty=2,
    side=OrderSide.BUY,
    time_in_force=TimeInForce.GTC,
    order_class=OrderClass.BRACKET,
    take_profit=TakeProfitRequest(limit_price=round(ask * 1.05, 2)),
    stop_loss=StopLossRequest(stop_price=round(ask * 0.95, 2)),
)
entry = trading.submit_order(order)
while entry.status != "filled":
    time.sleep(0.1)
    entry = trading.get_order_by_id(entry.id)
print(f"bought {entry.filled_qty} SPY at {entry.filled_avg_price}, its stop and target work")

trading.close_all_positions(cancel_orders=True)
while trading.get_all_positions():
    time.sleep(0.1)
print(f"flat again, equity {trading.get_account().equity}")
