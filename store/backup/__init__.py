"""Backups: what is copied of a magnetic tier, in which order, and the place where backups are kept."""
