"""The stages of the stream, each named <reads>_to_<writes>: the listing of this folder tells the path.

A stage reads, calls, writes and counts; what it decides about data is decided in the modules it calls. One that fails
for a reason that is not the data's fault lets the error out: the worker stops, and starts again from its own positions.
"""
