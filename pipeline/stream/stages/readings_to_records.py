"""[readings] → normalise → the records channel; messages that cannot become records first go to [dead_letters].

The dead letters are durable in the log before the records are passed on: after the store's position has passed a frame,
its dead letters would not be created again.

A message belongs to the assignment for which it was read. It may wait in a work batch while its partition is revoked
and assigned again; the new assignment reads from its own position, which may be further back, and must not be moved
forward by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pipeline.base import metrics
from pipeline.base.errors import FrameError, UnknownKind
from pipeline.log.dead_letter import DeadLetter, Reason, encode_dead_letters
from pipeline.log.deleting import Delete, delete_of
from pipeline.log.frame import Frame, FrameKind, decode_frame, is_request
from pipeline.log.log import Damaged
from pipeline.log.query_use import QueryUse, query_use_of
from pipeline.stream.altered_fields import AlteredFields
from pipeline.stream.batching import take
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.words import WORDS, Word, word_of
from pipeline.stream.work_batch import WorkBatch
from store.objects.damage import Outcome, report

# A work batch closes when one of these is reached. It is large enough for its fixed costs to be negligible (with small
# frames of many tables, each table has a few rows), and small compared with the second within which a reading must be
# queryable.
MAX_FRAMES = 512
MAX_BYTES = 4_000_000
WITHIN_S = 0.1

Append = Callable[[bytes], Awaitable[Any]]
Put = Callable[[WorkBatch], Awaitable[Any]]


async def readings_to_records(stream: Any, partitions: OwnedPartitions, append_dead_letters: Append, put: Put) -> None:
    """Run until the Faust stream ends."""
    read = _Stream(stream, partitions)
    async for events in take(
        read, max_events=MAX_FRAMES, max_bytes=MAX_BYTES, within_s=WITHIN_S, is_urgent=_is_request
    ):
        by_partition: dict[Partition, list[Any]] = {}
        for event in events:
            if event.partition is not None:
                by_partition.setdefault(event.partition, []).append(event.message)
        for partition, messages in by_partition.items():
            if partition.is_open:  # otherwise it was revoked meanwhile: its next owner reads these again
                await _normalise(partition, messages, partitions.altered, append_dead_letters, put)
        await asyncio.sleep(0)  # during a replay the buffer is always full: let other tasks run


@dataclass(frozen=True, slots=True)
class _Event:
    """A message, and the partition as it was assigned when the message was read."""

    message: Any
    partition: Partition | None


@dataclass(frozen=True, slots=True)
class _Stream:
    """The Faust stream with such events."""

    stream: Any
    partitions: OwnedPartitions

    async def events(self) -> AsyncIterator[_Event]:
        async with aclosing(self.stream.events()) as events:
            async for event in events:
                yield _Event(event.message, self.partitions.get(event.message.partition))


def _is_request(event: _Event) -> bool:
    return is_request(event.message.value)


async def _normalise(
    partition: Partition, messages: Iterable[Any], altered: AlteredFields, append_dead_letters: Append, put: Put
) -> None:
    """Normalise and pass on, as one work batch; a DELETE ends one, since it is about the rows before it."""
    run = _Run()
    for message in messages:
        if message.offset < partition.next_offset:
            continue
        partition.next_offset = message.offset + 1
        run.upto = message.offset
        run.take(partition.normaliser, message, partition.id)
        if run.delete is not None:
            await _pass_on(partition, run, altered, append_dead_letters, put)
            run = _Run()
    if run.upto is not None:
        await _pass_on(partition, run, altered, append_dead_letters, put)


@dataclass(slots=True)
class _Run:
    """Successive messages of a partition, up to and including `upto`: what they say, with offsets; dead letters.

    `delete` is the last of them, if it is a DELETE.
    """

    upto: int | None = None
    frames: list[tuple[int, Frame]] = field(default_factory=list)
    words: list[tuple[int, Word]] = field(default_factory=list)
    uses: list[tuple[int, QueryUse]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    delete: Delete | None = None

    def take(self, normaliser: Normaliser, message: Any, partition_id: str) -> None:
        """Add a message."""
        try:
            frame = decode_frame(message.value)
            if frame.kind in WORDS:
                self.words.append((message.offset, word_of(frame)))
            elif frame.kind is FrameKind.USAGE:
                self.uses.append((message.offset, query_use_of(frame)))
            elif frame.kind is FrameKind.DELETE:
                self.delete = delete_of(frame)
            else:
                self.frames.append((message.offset, frame))
        except FrameError as error:
            if isinstance(error, UnknownKind) and error.is_ignorable:
                metrics.frames_skipped.inc()
            elif isinstance(message.value, Damaged):
                where = f"offset {message.offset} of {partition_id}"
                report("log", f"{where}: {error}; its messages are dead letters, reason `damaged`", Outcome.LOST)
                self.letters += normaliser.damaged(message.offset, bytes(message.value), str(error))
            else:
                self.letters.append(normaliser.damaged_frame(message.offset, message.value, str(error)))


async def _pass_on(
    partition: Partition, run: _Run, altered: AlteredFields, append_dead_letters: Append, put: Put
) -> None:
    assert run.upto is not None
    began_s = time.perf_counter()
    normalised = partition.normaliser.normalise_many(run.frames)
    metrics.stage_seconds.labels("normalise").observe(time.perf_counter() - began_s)
    letters = run.letters + normalised.dead_letters
    if letters:
        await append_dead_letters(encode_dead_letters(letters))
        _count(letters)
    newest = max((frame.arrival_ns[-1] for _, frame in run.frames), default=0)
    altered.note(normalised.altered, newest)
    batches = tuple(normalised.batches)
    decisions, words, uses = tuple(normalised.decisions), tuple(run.words), tuple(run.uses)
    await put(WorkBatch(partition, run.upto, batches, newest, decisions, words, uses, run.delete))
    count = sum(len(frame) for _, frame in run.frames)
    metrics.messages_normalised.inc(count)
    metrics.work_batch_messages.observe(count)


def _count(letters: list[DeadLetter]) -> None:
    for letter in letters:
        metrics.dead_letters.labels(Reason(letter.reason).value).inc()
