"""Query processes: SQL of clients runs outside the process that keeps the store, and can be killed at any time."""
