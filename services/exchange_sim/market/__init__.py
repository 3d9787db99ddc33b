"""The road under the exchange: where its prices, sessions and market time come from."""
