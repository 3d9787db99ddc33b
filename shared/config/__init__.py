"""Ignition: typed settings, every fault named at once, and where the files lie."""
