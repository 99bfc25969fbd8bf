"""Background work of a worker: maintenance of the store, saving the rule state, trimming the log.

The store's maintenance has its own thread, because it waits for disks. Everything else is short, and runs in the
worker's event loop or for milliseconds in a thread. A failure ends the process, as a failure of a stage does.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.base import metrics
from pipeline.log.log import LogAdmin
from pipeline.log.topics import READINGS
from pipeline.stream.partitions.owned import OwnedPartitions
from store.objects.file_lock import FileLock, Taken

log = logging.getLogger(__name__)

MAINTENANCE_EVERY_S = 0.5
RULES_EVERY_S = 1.0
RULES_LOOK_S = 1.0
TRIM_EVERY_S = 2.0
ARCHIVES_EVERY_S = 60.0


class StoreMaintenance:
    """Calls `maintain`, for the stores of this worker, repeatedly in a thread until stopped."""

    def __init__(self, maintain: Callable[[], None], fail: Callable[[BaseException], None]) -> None:
        self._maintain = maintain
        self._fail = fail
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for the current pass, then stop."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(MAINTENANCE_EVERY_S):
            began = time.perf_counter()
            try:
                self._maintain()
            except Exception as error:  # noqa: BLE001  # whatever it is, the process must not go on without it
                self._fail(error)
                return
            metrics.maintenance_seconds.observe(time.perf_counter() - began)


async def every(seconds: float, work: Callable[[], Awaitable[None]], fail: Callable[[BaseException], None]) -> None:
    """Do `work` every `seconds` until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # as above
            fail(error)
            return


class Trimmer:
    """Trims the log below the positions of all consumers, unless a backup needs what the log has."""

    def __init__(
        self,
        admin: LogAdmin,
        partitions: OwnedPartitions,
        archives: Mapping[str, AlertArchive | DeadLetterArchive],
        lock: Path,
    ) -> None:
        """`archives`: by topic, the archives whose messages are not needed any more once they are stored.

        `lock`: the file that a backup locks while it copies the log and what depends on it.
        """
        self._lock = lock
        self._admin = admin
        self._partitions = partitions
        self._archives = archives

    async def trim(self) -> None:
        """One pass over all partitions of this worker."""
        try:
            with FileLock(self._lock):
                await self._pass()
        except Taken:
            return

    async def _pass(self) -> None:
        held = dict.fromkeys((READINGS, *self._archives), 0)
        for partition in self._partitions:
            counted = partition.usage.low_watermark or 0
            below = min(partition.store.low_watermark(partition.id), partition.rules.low_watermark, counted)
            held[READINGS] += await self._trim(READINGS, partition.number, below)
        for topic, archive in self._archives.items():
            held[topic] += await self._trim(topic, 0, archive.next_offset(self._admin.partition_id(topic)) or 0)
        for topic, size_bytes in held.items():
            metrics.log_bytes.labels(topic).set(size_bytes)

    async def _trim(self, topic: str, partition: int, below: int) -> int:
        """Trim one partition; returns the bytes that remain."""
        await asyncio.to_thread(self._admin.trim, topic, below, partition)
        return (await asyncio.to_thread(self._admin.extent, topic, partition)).size_bytes
