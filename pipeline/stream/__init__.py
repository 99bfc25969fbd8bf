"""The stream: its topology and stages, normalise, partitions and rule state."""
