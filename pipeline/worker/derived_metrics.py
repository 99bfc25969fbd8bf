"""Metrics of runs of scheduled queries, and of rollup tables: see `store.endpoint.observing`."""

from __future__ import annotations

from pipeline.base import metrics


class DerivedMetrics:
    """An observer."""

    def run_ended(self, *, has_failed: bool, took_s: float, records: int) -> None:
        """See `Observer`."""
        metrics.scheduled_runs.labels("failed" if has_failed else "succeeded").inc()
        metrics.scheduled_run_seconds.observe(took_s)
        metrics.scheduled_records.inc(records)

    def runs_behind(self, seconds: float) -> None:
        """See `Observer`."""
        metrics.scheduled_behind_seconds.set(seconds)

    def rollup_made(self, table: str, took_s: float, records: int) -> None:
        """See `Observer`."""
        metrics.rollup_seconds.labels(table).observe(took_s)
        metrics.rollup_records.labels(table).inc(records)

    def rollup_behind(self, table: str, seconds: float) -> None:
        """See `Observer`."""
        metrics.rollup_behind_seconds.labels(table).set(seconds)
