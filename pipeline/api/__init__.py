"""The HTTP API and what it lists."""
