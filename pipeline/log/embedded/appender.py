"""Appends to the embedded log: one thread per process collects appends of the event loop and commits them together.

Appends that arrive during a commit are part of the next one, so the number of fsyncs depends on the disk, not on the
number of appends. The event loop is woken once per commit.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.errors import LogError, LogFull
from pipeline.log import topics
from pipeline.log.embedded.checkpoints import Checkpoints, bound_wal
from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.limits import Limits
from pipeline.log.embedded.topic_file import TopicFile, wal_bytes

logger = logging.getLogger(__name__)

COMMIT_MAX_BYTES = 8 << 20  # limits the duration and the memory of one commit
HELD_MAX_AGE_S = 0.1  # other processes append and trim too
DISK_MAX_AGE_S = 1.0


@dataclass(slots=True)
class _Append:
    topic: str
    partition: int
    value: bytes
    future: asyncio.Future[int]


class LocalAppender:
    """The `Appender` of the embedded log. Several processes may have one each on the same folder."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._partitions = 1

    async def start(self) -> None:
        """Open the log. Raises LogError."""
        self._loop = asyncio.get_running_loop()
        committer = await asyncio.to_thread(_Committer, self._path, self._limits)
        self._partitions = committer.partitions
        self._thread = threading.Thread(target=self._run, args=(committer,), name="log-appender", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Finish pending appends, then close."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(thread.join)

    def partitions_of(self, topic: str) -> int:  # noqa: ARG002  all topics have the same
        """The number of partitions of a topic."""
        return self._partitions

    def append(self, topic: str, value: bytes, partition: int = 0) -> asyncio.Future[int]:
        """See `Appender`. Raises LogError before `start` and after `stop`."""
        if self._thread is None:
            raise LogError("the log's appender does not run")
        future: asyncio.Future[int] = self._loop.create_future()
        self._queue.put(_Append(topic, partition, value, future))
        return future

    def _run(self, committer: _Committer) -> None:
        running = True
        while running:
            batch, running = self._next_batch()
            by_topic: dict[str, list[_Append]] = {}
            for append in batch:
                by_topic.setdefault(append.topic, []).append(append)
            for topic, appends in by_topic.items():
                results = committer.commit(topic, [(append.partition, append.value) for append in appends])
                self._loop.call_soon_threadsafe(_resolve, appends, results)
        committer.close()

    def _next_batch(self) -> tuple[list[_Append], bool]:
        batch: list[_Append] = []
        size_bytes = 0
        append = self._queue.get()
        while append is not None:
            batch.append(append)
            size_bytes += len(append.value)
            if size_bytes >= COMMIT_MAX_BYTES:
                return batch, True
            try:
                append = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False


def _resolve(appends: list[_Append], results: list[int] | LogError) -> None:
    for number, append in enumerate(appends):
        if append.future.done():  # the caller was cancelled
            continue
        if isinstance(results, LogError):
            append.future.set_exception(results)
        else:
            append.future.set_result(results[number])


class _Committer:
    """The part of the appender that runs in its thread: files and their sizes. Not for other threads."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._folder = open_folder(path)
        self.partitions = self._folder.partitions
        self._limits = limits
        self._files = {topic: TopicFile(self._folder, topic) for topic in topics.ALL}
        self._renew_wals()
        self._held_bytes = _Aged(HELD_MAX_AGE_S, self._measure_held)
        self._disk_free_bytes = _Aged(DISK_MAX_AGE_S, self._measure_free)
        self._checkpoints = Checkpoints(self._folder)
        self._checkpoints.start()

    def commit(self, topic: str, messages: list[tuple[int, bytes]]) -> list[int] | LogError:
        """The offsets of these messages, which are durable; or the reason why none of them was appended."""
        size_bytes = sum(len(value) for _, value in messages)
        try:
            held_bytes, free_bytes = self._held_bytes.get() + size_bytes, self._disk_free_bytes.get()
            refusal = self._limits.refusal(topic, held_bytes, free_bytes)
            if refusal is not None:
                return LogFull(f"log {self._folder.path} is full: {refusal}")
            file = self._file(topic)
            offsets = file.append(messages)
        except LogError as error:
            return error
        except OSError as error:
            return LogError(f"log {self._folder.path}: {error}")
        self._held_bytes.value += size_bytes
        self._disk_free_bytes.value -= 2 * size_bytes  # in the WAL now, in the file soon
        self._checkpoints.appended(size_bytes)
        try:
            bound_wal(file)
        except LogError as error:
            logger.warning("the WAL of %s stays large: %s", topic, error)  # these messages are durable all the same
        return offsets

    def close(self) -> None:
        self._checkpoints.stop()
        for file in self._files.values():
            file.close()

    def _renew_wals(self) -> None:
        """Copy what an ended process left in the WALs into the files.

        If it ended because an fsync had failed, the WAL is in the page cache and perhaps not on the disk, and what is
        appended behind a gap would be lost with it.
        """
        for file in self._files.values():
            with suppress(LogFull):  # a full disk has not lost what it had
                file.checkpoint("TRUNCATE")

    def _file(self, topic: str) -> TopicFile:
        file = self._files.get(topic)
        if file is None:
            file = self._files[topic] = TopicFile(self._folder, topic)
        return file

    def _measure_held(self) -> int:
        return sum(file.held_bytes() for file in self._files.values())

    def _measure_free(self) -> int:
        free_bytes = self._measure_free_once()
        if free_bytes < self._limits.min_free_bytes:
            for file in self._files.values():
                bound_wal(file, max_bytes=0)
            free_bytes = self._measure_free_once()
        return free_bytes

    def _measure_free_once(self) -> int:
        disk = os.statvfs(self._folder.path)
        # the file may still grow by the content of the WAL; without that space a full log could not be drained
        own_bytes = sum(file.free_bytes() - wal_bytes(file.path) for file in self._files.values())
        return disk.f_bavail * disk.f_frsize + own_bytes


class _Aged:
    """A measured number that is measured again when it is older than `max_age_s`."""

    def __init__(self, max_age_s: float, measure: Callable[[], int]) -> None:
        self.value = 0
        self._max_age_s = max_age_s
        self._measure = measure
        self._due_s = 0.0

    def get(self) -> int:
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self.value = self._measure()
            self._due_s = now_s + self._max_age_s
        return self.value
