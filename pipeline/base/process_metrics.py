"""Gauges of a process's resources. The collector of prometheus_client cannot be used, as it works for one process only.

The values come from /proc on Linux; on other systems there is only the processor time.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import resource
import time
from pathlib import Path

from pipeline.base import metrics

EVERY_S = 5.0
_STATM = Path("/proc/self/statm")  # proc(5): the second field is the resident size, in pages
_FDS = Path("/proc/self/fd")


class ProcessMetrics:
    """The metrics of this process, under its name (`worker`, `gateway`)."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._counted_s = 0.0
        metrics.process_start.labels(process).set(time.time())
        metrics.build_info.labels(importlib.metadata.version("streamgauge"), platform.python_version()).set(1)

    def update(self) -> None:
        """Update the gauges: takes microseconds, without disk access."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = used.ru_utime + used.ru_stime
        metrics.process_cpu.labels(self._process).inc(cpu_s - self._counted_s)
        self._counted_s = cpu_s
        if _STATM.exists():
            pages = int(_STATM.read_text().split()[1])
            metrics.process_memory.labels(self._process).set(pages * os.sysconf("SC_PAGE_SIZE"))
            metrics.process_open_files.labels(self._process).set(len(os.listdir(_FDS)))  # noqa: PTH208  # names only
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        metrics.process_max_open_files.labels(self._process).set(soft)

    async def keep_updated(self) -> None:
        """Update the gauges until cancelled."""
        while True:
            self.update()
            await asyncio.sleep(EVERY_S)
