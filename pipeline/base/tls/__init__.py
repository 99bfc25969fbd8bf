"""TLS of our servers: certificate files → a context for new handshakes, replaced while the process runs."""
