"""Publishes the batches of a simulation when they are due, and counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from simulators import packets
from simulators.connection import Counts, Message
from simulators.mqtt_client import Publisher
from simulators.simulation import Batch, Simulation

FINISH_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Progress:
    """The progress of a run."""

    event_ms: int  # event time up to which all messages were passed to the publisher
    behind_s: float  # how late that was, in real time


async def publish_all(
    simulation: Simulation,
    publisher: Publisher,
    connections: int,
    *,
    speed: float | None,
    duration_s: float | None,
    stop: asyncio.Event,
    report: Callable[[Progress], None],
) -> None:
    """Publish until `duration_s` of event time has passed or `stop` is set, and in-flight messages are finished.

    `speed` is event time over real time; None: as fast as the server accepts. `report` is called after each batch.
    """
    topics = [packets.string(topic) for topic in simulation.site.mqtt_topics]
    end_ms = simulation.start_ms + duration_s * 1000 if duration_s is not None else float("inf")
    began_s = time.monotonic()
    progress = Progress(simulation.start_ms, 0.0)
    while (due_ms := simulation.next_due_ms) <= end_ms:
        if speed is not None:
            due_s = began_s + (due_ms - simulation.start_ms) / 1000 / speed
            await _wait_until(due_s, stop)
            progress.behind_s = max(0.0, time.monotonic() - due_s)
        if stop.is_set():
            break
        batch = simulation.next_batch()
        _publish(batch, publisher, topics, connections)
        progress.event_ms = batch.due_ms
        report(progress)
        if not publisher.has_room:
            await _room_or_stop(publisher, stop)
        await asyncio.sleep(0)  # lets the sockets be read if nothing else waits
    _publish(simulation.rest(), publisher, topics, connections)
    await publisher.finish(FINISH_TIMEOUT_S)


def summary(
    publisher: Publisher, simulation: Simulation, progress: Progress, qos: int, elapsed_s: float
) -> dict[str, object]:
    """The results of the messages, to measure loss independently of the server; times in seconds and ms UTC."""
    counts: Counts = publisher.counts
    cpu_s = time.process_time()
    return {
        "messages": counts.offered,
        "sent": counts.sent,
        "acknowledged": counts.acknowledged if qos else None,
        "unacknowledged": counts.sent - counts.acknowledged - counts.refused if qos else None,
        "refused": counts.refused,
        "never_sent": counts.offered - counts.sent,
        "resent": counts.resent,
        "reconnects": counts.reconnects,
        "faults": len(simulation.labels),
        "first_ts_ms": simulation.start_ms,
        "last_ts_ms": progress.event_ms,
        "elapsed_s": round(elapsed_s, 3),
        "messages_per_s": round(counts.sent / elapsed_s, 1) if elapsed_s else 0.0,
        "cpu_s": round(cpu_s, 3),
        "cpu_s_per_100000": round(cpu_s / counts.sent * 100_000, 3) if counts.sent else None,
    }


def _publish(batch: Batch, publisher: Publisher, topics: list[bytes], connections: int) -> None:
    if connections == 1:
        if batch.sensors:
            publisher.publish(
                0, [(topics[s], payload) for s, payload in zip(batch.sensors, batch.payloads, strict=True)]
            )
        return
    by_connection: dict[int, list[Message]] = {}
    for sensor, payload in zip(batch.sensors, batch.payloads, strict=True):
        by_connection.setdefault(sensor % connections, []).append((topics[sensor], payload))
    for connection, messages in by_connection.items():
        publisher.publish(connection, messages)


async def _wait_until(time_s: float, stop: asyncio.Event) -> None:
    delay_s = time_s - time.monotonic()
    if delay_s > 0:
        try:
            async with asyncio.timeout(delay_s):
                await stop.wait()
        except TimeoutError:
            return


async def _room_or_stop(publisher: Publisher, stop: asyncio.Event) -> None:
    """Wait until the publisher has room again, or until `stop`. Raises what `room` raises."""
    room, stopped = asyncio.ensure_future(publisher.room()), asyncio.ensure_future(stop.wait())
    await asyncio.wait((room, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if room.done():
        room.result()
    room.cancel()
