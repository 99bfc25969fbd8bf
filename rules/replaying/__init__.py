"""Rules over rows of the past: what would have fired, and why something did."""
