"""Alerts and dead letters: their archives, and webhooks."""
