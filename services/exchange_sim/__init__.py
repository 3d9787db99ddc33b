"""An Alpaca-compatible exchange on loopback, embedded or for anybody's client."""
