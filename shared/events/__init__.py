"""Electrical: what happened, and how the state follows from it; pure."""
