"""Durable bytes: files and objects, on a local folder or in a bucket."""
