"""Kills at random over a running system, and what must be true after each."""
