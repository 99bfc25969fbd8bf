"""DuckDB, hardened, and queries that can be interrupted."""
