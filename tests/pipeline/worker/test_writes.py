"""The answers to WriteRecords find who waits for them, whichever comes first."""

import asyncio
import threading
from collections.abc import Awaitable

import numpy as np
import pytest

from pipeline.log.frame import FrameKind, decode_frame
from pipeline.log.testing import FakeAppender
from pipeline.stream.writes import UNCLAIMED_MAX, LogWriter, PendingWrites
from store.endpoint.payload import WriteRecord, encode_write
from store.record import Applied, MeasureType, TableId
from tests.support.manual_clock import stamps_by


def outcome(version: int) -> Applied:
    return Applied(np.zeros(1, np.uint8), np.array([version], np.int64))


async def test_an_outcome_that_comes_before_its_waiter_is_kept_for_it() -> None:
    pending = PendingWrites()
    pending.applied(7, outcome(70))
    pending.applied(8, outcome(80))

    assert (await pending.outcome(7, 5)).existing_version[0] == 70


async def test_an_outcome_that_comes_later_from_another_thread_wakes_its_waiter() -> None:
    pending = PendingWrites()
    waiting = asyncio.create_task(pending.outcome(7, 5))
    await asyncio.sleep(0)
    threading.Thread(target=pending.applied, args=(7, outcome(70))).start()

    assert (await waiting).existing_version[0] == 70


async def test_who_waits_too_long_is_told_and_the_stream_goes_on() -> None:
    """The outcome that comes after all has nobody to go to; it must not fail the stage."""
    pending = PendingWrites()
    with pytest.raises(TimeoutError):
        await pending.outcome(7, 0.001)

    pending.applied(7, outcome(70))


async def test_an_outcome_at_the_moment_its_waiter_gives_up_does_not_fail_the_stage() -> None:
    pending = PendingWrites()
    pending._of(7).cancel()

    pending.applied(7, outcome(70))


async def test_outcomes_that_nobody_claims_are_forgotten_by_age() -> None:
    """After a crash, the replay applies requests whose clients are gone."""
    pending = PendingWrites()
    for offset in range(UNCLAIMED_MAX + 5):
        pending.applied(offset, outcome(offset))

    assert len(pending._outcomes) == UNCLAIMED_MAX
    assert (await pending.outcome(UNCLAIMED_MAX, 5)).existing_version[0] == UNCLAIMED_MAX
    with pytest.raises(TimeoutError):
        await pending.outcome(0, 0.001)


async def test_a_request_is_one_frame_and_answered_once_it_is_applied() -> None:
    appender, pending = FakeAppender(), PendingWrites()
    records = [WriteRecord((), "cpu", 7, 1, (("load", MeasureType.DOUBLE, 0.5),))]

    def outcome_of(_: int, offset: int) -> Awaitable[Applied]:
        return pending.outcome(offset, 5)

    writer = LogWriter(appender, outcome_of, lambda *_: 0, stamps_by(lambda: 123_000))
    writing = asyncio.create_task(writer.write(TableId("farm-7", "db", "t"), records))
    await asyncio.sleep(0.01)
    is_answered_before = writing.done()
    pending.applied(0, outcome(5))

    answer = await writing

    frame = decode_frame(appender.appended[0][1])
    assert not is_answered_before
    assert answer.existing_version[0] == 5
    assert (frame.kind, frame.arrival_ns, frame.accounts, frame.payloads) == (
        FrameKind.WRITE_RECORDS,
        [123_000],
        ["farm-7"],
        [encode_write("db", "t", records)],
    )
