"""The actuators: the door that takes only Approved."""
