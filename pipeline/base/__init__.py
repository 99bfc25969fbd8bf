"""What every wing stands on: names on disk, metrics, logs, locks, clocks, TLS. Imports no other wing."""
