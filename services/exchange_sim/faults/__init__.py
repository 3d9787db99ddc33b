"""Faults of the simulated exchange: catalogue and decisions (pure), and their effects."""
