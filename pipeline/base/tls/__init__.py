"""TLS of our servers: certificate files → a context for new handshakes, exchanged while the process runs."""
