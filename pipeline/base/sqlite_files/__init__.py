"""Damage in SQLite files: SQLite itself drops a damaged commit of its WAL and all after it, and has no checksums."""
