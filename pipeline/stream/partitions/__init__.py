"""The partitions of [readings] that a worker owns: each has a normaliser, a store, and rule state."""
