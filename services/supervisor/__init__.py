"""Launches, listens, judges, restarts or parks, and writes health.json."""
