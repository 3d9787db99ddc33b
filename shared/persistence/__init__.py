"""Memory: durable files, the trading state, the journal, the market store."""
