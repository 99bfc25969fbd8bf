"""From frames to record batches: what a payload becomes. Pure: no I/O, no clock, no environment."""
