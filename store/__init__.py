"""The history of all readings: record batches in, rows out. Imports none of the other packages."""
