"""Gauges and horn: sd_notify, JSON logs, last words."""
