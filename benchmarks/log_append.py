"""The cost of the embedded log: `python benchmarks/log_append.py [folder]`; a table, in about 15 seconds.

The numbers depend on the disk under the folder (fsync) and on the load of the machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.log.embedded.admin import LocalAdmin
from pipeline.log.embedded.appender import LocalAppender
from pipeline.log.embedded.limits import Limits
from pipeline.log.faust.app import new_app, running
from pipeline.log.faust.transport import LogUse
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS

LIMITS = Limits(8 << 30, 0)
FRAME = os.urandom(60_000)
FLAT_OUT_APPENDS = 3000
PACED_APPENDS = 200
PACE_S = 0.02
IDLE_S = 3.0


def row(what: str, value: float, unit: str, cpu_s: float | None = None, per: int = 1) -> None:
    """One line of the table."""
    cpu = "" if cpu_s is None else f"{cpu_s / per * 1e6:10.0f} µs CPU each"
    print(f"{what:<52}{value:12,.2f} {unit:<10}{cpu}")


def percentile(values: Sequence[float], ratio: float) -> float:
    """The value below which `ratio` of `values` are."""
    return sorted(values)[int(len(values) * ratio)]


async def flat_out(appender: LocalAppender, waiting: int) -> None:
    """Append as fast as the disk allows, with `waiting` appends pending at any time."""

    async def one(count: int) -> None:
        for _ in range(count):
            await appender.append(READINGS, FRAME)

    start_s, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*[one(FLAT_OUT_APPENDS // waiting) for _ in range(waiting)])
    seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    row(f"60 KB appends flat out, {waiting} waiting", FLAT_OUT_APPENDS / seconds, "a second", cpu_s, FLAT_OUT_APPENDS)


async def paced(appender: LocalAppender) -> None:
    """The latency of 60 KB appends, 50 a second."""
    latencies_ms = []
    for _ in range(PACED_APPENDS):
        await asyncio.sleep(PACE_S)
        start_s = time.perf_counter()
        await appender.append(READINGS, FRAME)
        latencies_ms.append((time.perf_counter() - start_s) * 1e3)
    row("60 KB appends at 50 a second: p50", percentile(latencies_ms, 0.5), "ms")
    row("60 KB appends at 50 a second: p99", percentile(latencies_ms, 0.99), "ms")


async def consume(appender: LocalAppender, url: str, end: int) -> None:
    """An agent that catches up, then waits, then receives single appends."""
    app = new_app(LogUse(LogSettings(url), lambda _: 0))
    caught_up = asyncio.Event()
    visible_ms: list[float] = []

    @app.agent(app.topic(READINGS), concurrency=1)
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            if event.message.offset == end - 1:
                caught_up.set()
            elif event.message.offset >= end:
                visible_ms.append((time.perf_counter_ns() - int(event.value)) / 1e6)

    start_s, cpu_s = time.perf_counter(), time.process_time()
    async with running(app):
        await caught_up.wait()
        seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
        row("events of 60 KB, log to agent, start included", end / seconds, "a second", cpu_s, end)
        await asyncio.sleep(1.5)  # until it polls less often
        cpu_s = time.process_time()
        await asyncio.sleep(IDLE_S)
        row("waiting for messages", (time.process_time() - cpu_s) / IDLE_S * 100, "% of a core")
        for _ in range(PACED_APPENDS):
            await asyncio.sleep(PACE_S)
            await appender.append(READINGS, str(time.perf_counter_ns()).encode())
        await asyncio.sleep(0.1)
    row("append called to agent, 50 a second: p50", percentile(visible_ms, 0.5), "ms")
    row("append called to agent, 50 a second: p99", percentile(visible_ms, 0.99), "ms")


def trim(folder: Path) -> None:
    """Remove everything."""
    admin = LocalAdmin(folder)
    extent = admin.extent(READINGS)
    start_s, cpu_s = time.perf_counter(), time.process_time()
    admin.trim(READINGS, extent.next_offset)
    seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    row("messages trimmed, disk given back", extent.next_offset / seconds, "a second", cpu_s, extent.next_offset)
    admin.close()


async def main(folder: Path) -> None:
    """The whole table."""
    appender = LocalAppender(folder, LIMITS)
    await appender.start()
    for waiting in (1, 8):
        await flat_out(appender, waiting)
    await paced(appender)
    await consume(appender, f"local://{folder}", end=2 * FLAT_OUT_APPENDS + PACED_APPENDS)
    await asyncio.to_thread(trim, folder)
    await appender.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as scratch:
        asyncio.run(main(Path(scratch)))
