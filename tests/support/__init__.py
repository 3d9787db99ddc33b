"""Clocks, builders and fakes that the tests share."""
