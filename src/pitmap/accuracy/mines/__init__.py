"""Which mines a map found, one by one."""
