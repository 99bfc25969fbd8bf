"""One page a file: its routes, and what it asks of the API."""
