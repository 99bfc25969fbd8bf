"""Backtests that are asked for over HTTP: history read by query processes, and judged by a process of its own."""
