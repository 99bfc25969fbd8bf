"""UNLOAD: writes the result of a query as files into a folder or a bucket."""
