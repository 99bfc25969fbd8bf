"""Durable storage of files and objects, in a local folder or in a bucket."""
