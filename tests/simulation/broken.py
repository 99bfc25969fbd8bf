"""What takes the place of something of the product when a fault is planted: each is given what is there.

They are named by what they do wrong; `tests.simulation.plants` says where they are put.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.receivers.alerts_partition import AlertsPartition
from pipeline.alerting.receivers.retry_policy import Delivered
from pipeline.base.errors import FrameError
from pipeline.gateway.listener.receipts import Receipts
from pipeline.gateway.mqtt.encode import pubrecs
from pipeline.gateway.mqtt_to_readings import MqttToReadings
from pipeline.log.frame import Frame, FrameKind, encode_frame
from pipeline.log.topics import DEAD_LETTERS, READINGS
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.writes import LogWriter
from rules import to_event
from store.endpoint.payload import encode_write
from store.memory.tier import MemoryTier
from store.record import Applied
from store.table.core import Core
from store.table.progress import Progress


def nothing(_there: Any) -> Any:
    return lambda *_, **__: None


# --- the gateway ---


def acknowledges_first(there: Any) -> Any:
    def close_batch(stage: MqttToReadings) -> None:
        acks, stage.batch.acks = stage.batch.acks, {}
        for publisher, packet_ids in acks.items():
            publisher.acknowledge(packet_ids)
        there(stage)

    return close_batch


def takes_refusal_for_success(there: Any) -> Any:
    def answered(stage: MqttToReadings, append: Any, began_s: float, future: Any) -> None:
        is_refused = not future.cancelled() and future.exception() is not None
        done = stage._loop.create_future()
        done.set_result(0)
        there(stage, append, began_s, done if is_refused else future)

    return answered


def forgets_what_was_refused(there: Any) -> Any:
    def landed(stage: MqttToReadings) -> None:
        if stage._new_refusal is not None:
            stage._waiting.clear()
        there(stage)

    return landed


def holds_nothing(_there: Any) -> Any:
    def hold(receipts: Receipts, packet_id: bytes) -> bool:
        receipts._held.add(packet_id)
        receipts._waiting.add(packet_id)
        return True

    return hold


def receives_before_it_is_durable(there: Any) -> Any:
    def hold(receipts: Receipts, packet_id: bytes) -> bool:
        is_new: bool = there(receipts, packet_id)
        if is_new:
            receipts._waiting.discard(packet_id)
            receipts._send(pubrecs([packet_id]))
        return is_new

    return hold


# --- the stream ---


def takes_torn_frames(there: Any) -> Any:
    def decode(value: bytes) -> Frame:
        try:
            return there(value)  # type: ignore[no-any-return]
        except FrameError:
            return Frame(1, FrameKind.MQTT, [0], [], [], [])

    return decode


def does_not_wait_for_dead_letters(there: Any) -> Any:
    def appending(worker: Any, topic: str) -> Any:
        append = there(worker, topic)

        async def at_once(value: bytes) -> None:
            worker.spawn(append(value))

        return at_once if topic == DEAD_LETTERS else append

    return appending


def new_letter_ids(there: Any) -> Any:
    numbers = iter(range(1 << 30))

    def dead_letter(normaliser: Normaliser, *arguments: Any) -> Any:
        letter = there(normaliser, *arguments)
        return type(letter)(f"{next(numbers)}:{letter.id}", *(getattr(letter, f) for f in letter.__struct_fields__[1:]))

    return dead_letter


def one_later(there: Any) -> Any:
    def start_offset(*arguments: Any) -> int | None:
        start = there(*arguments)
        return None if start is None else start + 1

    return start_offset


# --- rules ---


def evaluates_unlocked(_there: Any) -> Any:
    async def records_to_alerts(stream: Any, append: Any) -> None:
        async for work in stream:
            rules = work.partition.rules
            transitions = [transition for batch in work.batches for transition in rules.engine.evaluate(batch)]
            rules.evaluated(work.offset)
            if transitions:
                await append(orjson.dumps([to_event(transition) for transition in transitions]))

    return records_to_alerts


def random_alert_ids(there: Any) -> Any:
    numbers = iter(range(1 << 30))
    return lambda *facts: there(*facts[:-1], facts[-1] + next(numbers))


# --- deliveries ---


def notes_before_it_posts(there: Any) -> Any:
    async def deliver(line: Any, delivery: Any) -> None:
        await line._note(delivery, Delivered())
        await there(line, delivery)

    return deliver


def silence_is_success(there: Any) -> Any:
    return lambda delivery, attempt, *rest, **named: (
        Delivered() if attempt.status is None else there(delivery, attempt, *rest, **named)
    )


def failure_is_success(there: Any) -> Any:
    return lambda delivery, attempt, *rest, **named: (
        Delivered() if attempt.status == 500 else there(delivery, attempt, *rest, **named)
    )


def settles_for_all(_there: Any) -> Any:
    def settle(archive: AlertArchive, delivery: Any, state: Any, now_ns: int, error: str | None, _: Any) -> None:
        with archive._file.writing() as db:
            db.execute(
                "UPDATE deliveries SET state = ?, settled_ns = ?, error = ? WHERE id = ?",
                (state, now_ns, error, delivery.id),
            )

    return settle


def by_the_hosts_clock(there: Any) -> Any:
    def init(partition: AlertsPartition, *arguments: Any) -> None:
        there(partition, *arguments)
        partition.clock_ns = partition.wall_ns

    return init


def trims_one_too_far(there: Any) -> Any:
    return lambda trimmer, topic, partition, below: there(trimmer, topic, partition, below + 1)


# --- WriteRecords ---


def answers_first(_there: Any) -> Any:
    async def write(writer: LogWriter, table: Any, records: Any, partition: int) -> Applied:
        payload = encode_write(table.database, table.table, records)
        frame = encode_frame(FrameKind.WRITE_RECORDS, [writer._stamps.take()], [table.account], [""], [payload])
        await writer._appender.append(READINGS, frame, partition)
        return Applied(np.zeros(len(records), np.uint8), np.zeros(len(records), np.int64))

    return write


def ignores_versions(there: Any) -> Any:
    return lambda stored, version, values: there(stored, version + 100, values)


# --- the store ---


def forgets_rows_during_a_flush(there: Any) -> Any:
    def flushed(progress: Progress, upto: Any, now_ns: int, store_rows: int) -> None:
        there(progress, upto, now_ns, store_rows)
        progress.unflushed, progress._since = {}, None

    return flushed


def saves_series_without_the_newest(there: Any) -> Any:
    return lambda saved, index, last_ns, *rest: there(saved, index, last_ns[:-1], *rest)


def older_values_win(there: Any) -> Any:
    def merge(keys: Any, columns: Any, measure_of: Any) -> Any:
        found = there(keys[::-1], {name: values[::-1] for name, values in columns.items()}, measure_of)
        return replace(found, replaces=found.replaces[::-1], adds=found.adds[::-1])

    return merge


def forgets_what_it_evicts(there: Any) -> Any:
    def evict(memory: MemoryTier, chunk: Any) -> None:
        whole_from_ns = memory.whole_from_ns
        there(memory, chunk)
        memory.whole_from_ns = whole_from_ns

    return evict


def one_more(there: Any) -> Any:
    return lambda progress, partition, offset: there(progress, partition, offset + 1)


def low_watermark_one_higher(there: Any) -> Any:
    return lambda positions, marks, *rest: there(
        positions, {partition: mark + 1 for partition, mark in marks.items()}, *rest
    )


def cuts_one_too_far(there: Any) -> Any:
    def cut(core: Core, advanced: Any, now_ns: int) -> Any:
        made = there(core, advanced, now_ns)
        return replace(made, positions={partition: offset + 1 for partition, offset in made.positions.items()})

    return cut


def saves_no_superseded_times(there: Any) -> Any:
    return lambda saved, index, last_ns, superseded_ns, *others: there(
        saved, index, last_ns, superseded_ns[:0], *others
    )


def knows_times_only(there: Any) -> Any:
    def keys(rows: Any, *arguments: Any, **named: Any) -> Any:
        return there(replace(rows, series=np.zeros_like(rows.series)), *arguments, **named)

    return keys
