"""A view of both tiers, and what is read from it: scans, snapshots, averages."""
