"""The sensors: market data streams and polling."""
