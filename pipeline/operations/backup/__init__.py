"""Backups of everything that a data_dir and its magnetic tier hold, and their restoring."""
