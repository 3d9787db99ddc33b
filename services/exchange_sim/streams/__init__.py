"""WebSocket doors of the simulated exchange: trade updates and market data."""
