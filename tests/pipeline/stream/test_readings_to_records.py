"""Frames become records once, in order, by the owner that read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from prometheus_client import REGISTRY

from pipeline.log.dead_letter import DeadLetter, Reason, decode_dead_letters
from pipeline.log.deleting import Delete, encode_delete
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.log import Damaged
from pipeline.log.tick import Tick, encode_tick
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.stages.readings_to_records import readings_to_records
from store.record import SeriesRegistry

ID = "0123/readings/0"
SKIPPED = "streamgauge_stream_frames_skipped_total"


def partition(next_offset: int) -> Partition:
    normaliser = Normaliser([Route("farm", "air", TopicTemplate("farm/{sensor}"))], SeriesRegistry(), ID)
    return Partition(0, ID, None, normaliser, None, None, next_offset)  # type: ignore[arg-type]  # not used here


def event(offset: int) -> Any:
    value = encode_frame(FrameKind.MQTT, [offset + 1], ["default"], ["farm/s1"], [b'{"n": %d}' % offset])
    return SimpleNamespace(message=SimpleNamespace(partition=0, offset=offset, value=value))


async def test_what_a_former_assignment_has_read_does_not_move_the_next_one_forward() -> None:
    """It waits in a work batch while the partition is revoked and assigned again, to be read from further back."""
    before, after = partition(5), partition(3)
    owned = OwnedPartitions(1, [before])
    done: list[tuple[Partition, int]] = []

    async def events() -> AsyncIterator[Any]:
        yield event(5)
        owned.remove(before)
        owned.add(after)
        await asyncio.sleep(1)  # longer than a work batch waits
        yield event(3)
        yield event(4)

    async def put(work: Any) -> None:
        done.append((work.partition, work.offset))

    async def append(_value: bytes) -> None:
        raise AssertionError("there are no dead letters")

    await readings_to_records(SimpleNamespace(events=events), owned, append, put)

    assert done == [(after, 4)]


async def test_a_delete_ends_a_work_batch() -> None:
    """It is about the records before it, and none after it, however many frames wait."""
    delete = Delete("default", "farm", "air", "DELETE FROM farm.air WHERE true", 7, is_purge=False)
    done: list[tuple[int, int, Delete | None]] = []

    async def events() -> AsyncIterator[Any]:
        yield event(0)
        yield SimpleNamespace(message=SimpleNamespace(partition=0, offset=1, value=encode_delete(delete, 8)))
        yield event(2)

    async def put(work: Any) -> None:
        done.append((work.offset, sum(map(len, work.batches)), work.delete))

    async def append(_value: bytes) -> None:
        raise AssertionError("there are no dead letters")

    await readings_to_records(SimpleNamespace(events=events), OwnedPartitions(1, [partition(0)]), append, put)

    assert done == [(1, 1, delete), (2, 1, None)]


async def test_a_frame_that_the_log_has_damaged_becomes_dead_letters_and_the_rest_goes_on() -> None:
    owned = OwnedPartitions(1, [partition(0)])
    offsets: list[int] = []
    letters: list[DeadLetter] = []

    async def events() -> AsyncIterator[Any]:
        for offset, kind in ((0, bytes), (1, Damaged), (2, bytes)):
            found = event(offset)
            found.message.value = kind(found.message.value)
            yield found
        found = event(3)
        found.message.value = Damaged(b"")
        yield found

    async def put(work: Any) -> None:
        offsets.append(work.offset)

    async def append(value: bytes) -> None:
        letters.extend(decode_dead_letters(value).letters)

    await readings_to_records(SimpleNamespace(events=events), owned, append, put)

    assert offsets[-1] == 3
    assert [(letter.id[-3:], letter.reason, letter.payload) for letter in letters] == [
        ("1:0", Reason.DAMAGED, b'{"n": 1}'),
        ("3:0", Reason.DAMAGED, b""),
    ]


async def test_a_frame_without_messages_of_a_newer_version_is_skipped_and_counted() -> None:
    """While workers are upgraded one by one. One of another unknown kind may have messages: it is a dead letter."""
    before = REGISTRY.get_sample_value(SKIPPED) or 0
    letters: list[DeadLetter] = []
    offsets: list[int] = []

    async def events() -> AsyncIterator[Any]:
        for offset, kind in enumerate((b"mqtt", b"?new", b"anew")):
            found = event(offset)
            found.message.value = found.message.value.replace(b"mqtt", kind)
            yield found

    async def put(work: Any) -> None:
        offsets.append(work.offset)

    async def append(value: bytes) -> None:
        letters.extend(decode_dead_letters(value).letters)

    await readings_to_records(SimpleNamespace(events=events), OwnedPartitions(1, [partition(0)]), append, put)

    assert (offsets[-1], REGISTRY.get_sample_value(SKIPPED)) == (2, before + 1)
    assert [(letter.id[-3:], letter.reason) for letter in letters] == [("2:0", Reason.DAMAGED_FRAME)]


async def test_ticks_between_frames_divide_no_work_batch() -> None:
    """The store would have ever smaller batches the more there is to catch up with."""
    owned = OwnedPartitions(1, [partition(0)])
    done: list[Any] = []

    async def events() -> AsyncIterator[Any]:
        for offset in range(4):
            found = event(offset)
            if offset % 2:
                found.message.value = encode_tick(Tick("g", offset, offset + 1))
            yield found

    async def put(work: Any) -> None:
        done.append(work)

    async def append(_value: bytes) -> None:
        raise AssertionError("there are no dead letters")

    await readings_to_records(SimpleNamespace(events=events), owned, append, put)

    (work,) = done
    assert [batch.offset.tolist() for batch in work.batches] == [[0, 2]]
    assert (work.offset, work.words) == (3, ((1, Tick("g", 1, 2)), (3, Tick("g", 3, 4))))
