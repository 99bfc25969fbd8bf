"""The saved state of a partition: positions, series, and rows that are not committed yet."""
