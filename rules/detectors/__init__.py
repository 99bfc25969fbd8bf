"""Anomaly detectors: values of many series in, scores out, with a fixed number of bytes of state for each series."""
