"""The embedded log: one SQLite file per topic in a local folder."""
