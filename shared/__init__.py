"""The core: what must be rock solid and changes rarely. Services build on it; it knows none."""
