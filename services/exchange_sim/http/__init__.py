"""HTTP doors of the simulated exchange: Alpaca's trading and market-data endpoints."""
