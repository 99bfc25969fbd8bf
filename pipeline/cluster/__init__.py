"""The workers that share a log and a magnetic tier: who has which partition, and what is asked of whom."""
