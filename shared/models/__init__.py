"""The chassis: frozen values that cannot be built wrong. Decimal money, UTC time, no I/O."""
