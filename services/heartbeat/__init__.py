"""The horn of the car: watches the watcher, wakes people on flips, pings outward."""
