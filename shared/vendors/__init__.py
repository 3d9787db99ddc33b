"""The doors to Alpaca, Unusual Whales and the broker's clock."""
