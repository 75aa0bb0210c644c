"""A simulated mining landscape whose truth is known exactly."""
