"""Rollup tables: which bins are to be made, how, and how far they are."""
