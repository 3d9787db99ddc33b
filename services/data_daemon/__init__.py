"""The only process with market-data connections; writes market.db."""
