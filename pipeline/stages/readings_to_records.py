"""[readings] → normalise → the records channel; what cannot become a record goes to [dead_letters] first.

The dead letters are durable in the log before the records go on: once the store's position has passed a frame, nothing
would make its dead letters again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pipeline import metrics
from pipeline.dead_letter import DeadLetter, Reason, encode_dead_letters
from pipeline.errors import FrameError
from pipeline.frame import Frame, decode_frame
from pipeline.normalise.normaliser import Normaliser
from pipeline.work import WorkBatch

# A work batch closes when either is reached: large enough that a batch's fixed costs vanish, small beside the second
# within which a reading is to be queryable.
MAX_FRAMES = 32
WITHIN_S = 0.1

Append = Callable[[bytes], Awaitable[Any]]
Put = Callable[[WorkBatch], Awaitable[Any]]


async def readings_to_records(stream: Any, normaliser: Normaliser, append_dead_letters: Append, put: Put) -> None:
    """Run until the Faust stream ends."""
    async for events in stream.take_events(MAX_FRAMES, within=WITHIN_S):
        began_s = time.perf_counter()
        frames: list[tuple[int, Frame]] = []
        letters: list[DeadLetter] = []
        for event in events:
            try:
                frames.append((event.message.offset, decode_frame(event.value)))
            except FrameError as error:
                letters.append(normaliser.damaged_frame(event.message.offset, event.value, str(error)))
        normalised = normaliser.normalise_many(frames)
        metrics.stage_seconds.labels("normalise").observe(time.perf_counter() - began_s)
        letters += normalised.dead_letters
        if letters:
            await append_dead_letters(encode_dead_letters(letters))
            _count(letters)
        newest = max((frame.arrival_ns[-1] for _, frame in frames), default=0)
        await put(WorkBatch(normaliser.stream, events[-1].message.offset, tuple(normalised.batches), newest))
        messages = sum(len(frame) for _, frame in frames)
        metrics.messages_normalised.inc(messages)
        metrics.work_batch_messages.observe(messages)
        await asyncio.sleep(0)  # catching up, the buffer is always full: let the other tasks have their turn


def _count(letters: list[DeadLetter]) -> None:
    for letter in letters:
        metrics.dead_letters.labels(Reason(letter.reason).value).inc()
