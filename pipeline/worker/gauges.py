"""The gauges of a worker, updated every few seconds, outside the path of the stream.

Values that cost nothing are updated each second; those that need a disk, an archive or every table each fifteen
seconds.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.routing.plan import AlertPlan
from pipeline.base import metrics
from pipeline.config import Config
from pipeline.stream.partitions.owned import OwnedPartitions

OFTEN_S = 1.0
SELDOM_S = 15.0
MOST_TABLES = 100  # with a label of their own: each is a series in every scraper
OTHERS = "(others)"


class Gauges:
    """Updates the gauges."""

    def __init__(
        self, config: Config, partitions: OwnedPartitions, alerts: AlertArchive, plan: Callable[[], AlertPlan]
    ) -> None:
        """`plan`: who hears of which alert, by the configuration of the moment."""
        self._partitions = partitions
        self._alerts = alerts
        self._plan = plan
        self._log = config.layout.data_dir
        self._magnetic = config.magnetic_url
        self._receivers = dict.fromkeys(receiver.name for receiver in config.receivers)
        metrics.log_max_bytes.set(config.log_settings.max_bytes)
        metrics.log_min_free_bytes.set(config.log_settings.min_free_bytes)
        metrics.memory_limit_bytes.set(config.memory_limit)
        self._ask()

    async def often(self) -> None:
        """Update the values that are in memory, and the lag: on Kafka the broker is asked for it while it is not 0."""
        metrics.lag_s.set(await asyncio.to_thread(lambda: self._partitions.lag_s))
        loads = [partition.store.load_back for partition in self._partitions]
        metrics.loading.set(any(not load.is_over for load in loads))
        metrics.loaded_rows.set(sum(load.rows for load in loads))
        metrics.clock_settles.set(not all(partition.store.is_clock_believed for partition in self._partitions))

    async def seldom(self) -> None:
        """Update the values that need a disk or a query, in a thread, because disks may be slow."""
        await asyncio.to_thread(self._ask)

    def _ask(self) -> None:
        metrics.log_disk_free_bytes.set(shutil.disk_usage(self._log).free)
        if "://" not in self._magnetic:
            metrics.magnetic_disk_free_bytes.set(shutil.disk_usage(Path(self._magnetic)).free)
        self._ask_alerts()
        stores = [partition.store for partition in self._partitions]
        tables = [table for store in stores for table in store.all_tables()]
        # the stores of one process share their memory
        memory_bytes = max((store.table_bytes() for store in stores), default=0)
        metrics.memory_bytes.set(memory_bytes)
        metrics.tables.set(len(tables))
        sizes = [(str(table.id), table.size()) for table in tables]
        metrics.chunks.set(sum(size.chunks for _, size in sizes))
        metrics.uncommitted_bytes.set(sum(size.uncommitted_bytes for _, size in sizes))
        _set_bytes_per_value("memory", memory_bytes, sum(size.values for _, size in sizes))
        by_table = dict(sizes)  # partitions of a table share its files
        counted = sum(size.counted_bytes for size in by_table.values())
        _set_bytes_per_value("magnetic", counted, sum(size.counted_values for size in by_table.values()))
        for name, count in by_label((name, size.files) for name, size in by_table.items()):
            metrics.magnetic_files.labels(name).set(count)

    def _ask_alerts(self) -> None:
        counts = self._alerts.counts(self._plan(), time.time_ns())
        metrics.alerts_firing.set(counts.firing)
        metrics.alerts_waiting.set(counts.waiting)
        metrics.silences_active.set(counts.silences)
        for reason, count in counts.muted.items():
            metrics.alerts_muted.labels(reason.value).set(count)
        queued = self._alerts.queued()
        self._receivers |= dict.fromkeys(queued)  # a reload adds some, and what is queued for a former one stays
        for receiver in self._receivers:
            metrics.webhooks_queued.labels(receiver).set(queued.get(receiver, 0))


def _set_bytes_per_value(tier: str, size_bytes: int, values: int) -> None:
    if values:
        metrics.bytes_per_value.labels(tier).set(size_bytes / values)


def by_label(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The counts of the first MOST_TABLES names in order, and the sum of the others: so a name keeps its label."""
    ordered = sorted(counts)
    named, others = ordered[:MOST_TABLES], ordered[MOST_TABLES:]
    return [*named, (OTHERS, sum(count for _, count in others))] if others else named
