"""The durable log that the stream reads and writes: embedded (SQLite) by default."""
