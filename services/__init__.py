"""The processes: each a plain `python -m services.NAME`; none imports another."""
