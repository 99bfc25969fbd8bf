"""Keeps the WAL of every topic small without delaying appends.

A passive checkpoint, in its own thread, copies as much as it can without waiting. If nothing was appended meanwhile,
SQLite restarts the WAL by itself. The WAL grows only if a writer never pauses; above `WAL_MAX_BYTES` the writer itself
truncates it after a commit. (Another thread would rarely find the write lock free.) Passive checkpoints have copied
most of it by then, so this is short and rare.
"""

from __future__ import annotations

import logging
import threading

from pipeline.base.errors import LogError
from pipeline.log import topics
from pipeline.log.embedded.folder import LogFolder
from pipeline.log.embedded.topic_file import TopicFile, wal_bytes

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0
EVERY_BYTES = 8 << 20  # appended by this process
WAL_MAX_BYTES = 64 << 20


def bound_wal(file: TopicFile, *, max_bytes: int | None = None) -> None:
    """Truncate the WAL if it is too large. For the writer of this file, between commits. Raises LogError."""
    if wal_bytes(file.path) > (WAL_MAX_BYTES if max_bytes is None else max_bytes):
        file.checkpoint("TRUNCATE")


class Checkpoints:
    """A thread that checkpoints all topics every second, and earlier when much is appended."""

    def __init__(self, folder: LogFolder) -> None:
        self._files = [TopicFile(folder, topic) for topic in topics.ALL]
        self._appended_bytes = 0
        self._due = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="log-checkpoints", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def appended(self, size_bytes: int) -> None:
        """Report bytes that this process appended. Called by one thread, once per commit."""
        self._appended_bytes += size_bytes
        if self._appended_bytes >= EVERY_BYTES:
            self._appended_bytes = 0
            self._due.set()

    def stop(self) -> None:
        """Stop after the current pass."""
        self._stopping = True
        self._due.set()
        self._thread.join()
        for file in self._files:
            file.close()

    def _run(self) -> None:
        while not self._stopping:
            self._due.wait(INTERVAL_S)
            self._due.clear()
            for file in self._files:
                try:
                    file.checkpoint("PASSIVE")
                except LogError as error:
                    # appends continue in the WAL and report their own failures; a later pass catches up
                    logger.warning("checkpoint of %s failed: %s", file.topic, error)
