"""The records channel → the store; whoever waits for a WriteRecords request is told its outcome."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pipeline import metrics
from pipeline.progress import Progress
from pipeline.writes import PendingWrites
from store.record import Outcome
from store.store import Store


async def records_to_store(stream: Any, store: Store, writes: PendingWrites, progress: Progress) -> None:
    """Run until the Faust stream ends."""
    async for work in stream:
        began_s = time.perf_counter()
        outcomes = np.zeros(len(Outcome), np.int64)
        for batch in work.batches:
            applied = store.apply(batch)
            outcomes += np.bincount(applied.outcomes, minlength=len(Outcome))
            if batch.by_version:
                writes.applied(int(batch.offset[0]), applied)
        metrics.stage_seconds.labels("store").observe(time.perf_counter() - began_s)
        store.advance(work.stream, work.offset)
        progress.applied(work.offset, work.newest_arrival_ns)
        for outcome in Outcome:
            if outcomes[outcome]:
                metrics.records_applied.labels(outcome.name.lower()).inc(int(outcomes[outcome]))
