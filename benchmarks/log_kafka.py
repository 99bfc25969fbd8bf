"""Kafka's log compared with the embedded one: `python benchmarks/log_kafka.py`; a table, in about 30 seconds.

Starts the tests' Kafka (one broker on this machine, which also uses its cores). CPU is that of this process.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from typing import Any

import repository  # noqa: F401  # for tests.support

from pipeline.log import open_appender
from pipeline.log.faust.app import new_app, running
from pipeline.log.faust.transport import LogUse
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS
from tests.support.kafka_broker import running_broker

# Half noise, half zeros: compresses about as well as JSON readings.
FRAME = os.urandom(30_000) + bytes(30_000)
APPENDS = 2_000
WAITING = 16
PACED_APPENDS = 100
PACE_S = 0.02


def row(log: str, what: str, value: float, unit: str, cpu_s: float | None = None) -> None:
    """One line of the table."""
    cpu = "" if cpu_s is None else f"{cpu_s / APPENDS * 1e6:10.0f} µs CPU each"
    print(f"{log:<24}{what:<44}{value:12,.1f} {unit:<10}{cpu}")


async def measure(name: str, log: LogSettings) -> None:
    """The lines of one log."""
    appender = open_appender(log)
    await appender.start()
    partitions = appender.partitions_of(READINGS)

    async def some(number: int) -> None:
        for _ in range(APPENDS // WAITING):
            await appender.append(READINGS, FRAME, number % partitions)

    start_s, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(some, range(WAITING)))
    seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    row(name, f"60 KB appends flat out, {WAITING} waiting", APPENDS / seconds, "a second", cpu_s)
    latencies_ms = []
    for _ in range(PACED_APPENDS):
        await asyncio.sleep(PACE_S)
        start_s = time.perf_counter()
        await appender.append(READINGS, FRAME)
        latencies_ms.append((time.perf_counter() - start_s) * 1e3)
    row(name, "60 KB appends at 50 a second: p50", sorted(latencies_ms)[PACED_APPENDS // 2], "ms")
    await appender.stop()
    await consume(name, log)


async def consume(name: str, log: LogSettings) -> None:
    """An agent that reads all appended messages."""
    app = new_app(LogUse(log, lambda _: None))
    done = asyncio.Event()
    count = 0

    @app.agent(app.topic(READINGS), concurrency=1)
    async def agent(stream: Any) -> None:
        nonlocal count
        async for _ in stream.events():
            count += 1
            if count == APPENDS:
                done.set()

    start_s, cpu_s = time.perf_counter(), time.process_time()
    async with running(app):
        await done.wait()
        seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    row(name, "events of 60 KB, log to agent, start included", APPENDS / seconds, "a second", cpu_s)


def main() -> None:
    """The whole table."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure("embedded", LogSettings(f"local://{folder}/log")))
    with running_broker() as broker:
        for partitions in (1, 4):
            log = broker.settings(partitions=partitions)
            asyncio.run(measure(f"Kafka, {partitions} partition{'s' if partitions > 1 else ''}", log))


if __name__ == "__main__":
    main()
