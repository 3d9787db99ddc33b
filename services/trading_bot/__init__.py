"""Holds the trading lock, decides, and sends orders."""
