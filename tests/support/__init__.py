"""Helpers for several folders of tests, and for the benchmarks: the product as processes, real brokers, fakes."""
