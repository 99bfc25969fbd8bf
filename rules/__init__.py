"""Decisions: YAML → rules and detectors; record batch in, alert transitions out. No I/O and no clock."""
