"""Watches the watcher, alerts, pings outward."""
