"""The stages of the stream, named <reads>_to_<writes>: the listing of this folder shows the path.

A stage reads, calls, writes and counts; the modules that it calls make all decisions about data. If a stage fails for a
reason other than the data, it raises the error: the worker stops, and starts again from its own positions.
"""
