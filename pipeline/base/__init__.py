"""What all wings use: names on disk, metrics, logs, locks, clocks, TLS. Imports no other wing."""
