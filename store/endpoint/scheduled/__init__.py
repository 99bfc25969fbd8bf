"""Scheduled queries: kept in the catalog, run by a worker, their results written to a table through the log."""
