"""What takes the place of something of the product when a fault is planted: each is given what is there.

They are named by what they do wrong; `tests.simulation.plants` says where they are put.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.webhooks.retry_policy import Delivered
from pipeline.base.errors import FrameError
from pipeline.gateway.listener.receipts import Receipts
from pipeline.gateway.mqtt.encode import pubrecs
from pipeline.gateway.mqtt_to_readings import MqttToReadings
from pipeline.log.frame import Frame, FrameKind
from pipeline.log.topics import DEAD_LETTERS
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.rule_state import RuleState
from store.table.core import Core


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


def random_alert_ids(there: Any) -> Any:
    numbers = iter(range(1 << 30))
    return lambda *facts: there(*facts[:-1], facts[-1] + next(numbers))


def saves_where_the_pass_ended(_there: Any) -> Any:
    async def save_pass(state: RuleState) -> None:
        import asyncio

        for block in list(state.engine.blocks()):
            data = state.engine.snapshot(block)
            covered = state.engine.positions(block).get(state._keep.partition_id, -1)
            await asyncio.to_thread(state._keep.save, block, data, covered)
        reached = state._next
        if reached is not None and reached != state.low_watermark:
            await asyncio.to_thread(state._keep.save_low_watermark, reached)
            state.low_watermark = reached

    return save_pass


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
    def settle(archive: AlertArchive, delivery: Any, state: Any, now_ns: int, error: str | None) -> None:
        with archive._file.writing() as db:
            db.execute(
                "UPDATE deliveries SET state = ?, settled_ns = ?, error = ? WHERE id = ?",
                (state, now_ns, error, delivery.id),
            )

    return settle


# --- the store ---


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
    return lambda saved, index, last_ns, superseded_ns, offset: there(saved, index, last_ns, superseded_ns[:0], offset)


def knows_times_only(there: Any) -> Any:
    def keys(rows: Any, *arguments: Any, **named: Any) -> Any:
        return there(replace(rows, series=np.zeros_like(rows.series)), *arguments, **named)

    return keys
