"""The memory tier: recent rows in RAM."""
