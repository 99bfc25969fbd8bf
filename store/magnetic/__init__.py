"""The magnetic tier: one Delta Lake table per table, its Parquet files and versions."""
