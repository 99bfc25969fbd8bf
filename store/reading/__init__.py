"""Views of both tiers for queries: scans, snapshots, averages."""
