"""Chaos drills: break the running system on purpose and judge how it heals."""
