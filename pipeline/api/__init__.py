"""The HTTP API, and the inventory of zones and devices."""
