"""Unusual Whales beside the market: options flow and dark pool prints that follow its prices."""
