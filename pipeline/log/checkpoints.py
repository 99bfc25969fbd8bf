"""Keeps the WAL of every topic small, beside the appends and never in their way.

A passive checkpoint copies what it can without waiting for anybody. When nothing was appended since, SQLite begins the
WAL anew by itself. Only a writer that never pauses makes the WAL grow; past `WAL_MAX_BYTES` a truncating checkpoint,
right after a passive one so that little is left to copy, holds appends back for a moment.
"""

from __future__ import annotations

import logging
import threading

from pipeline.errors import LogError
from pipeline.log import topics
from pipeline.log.folder import LogFolder
from pipeline.log.topic_file import TopicFile, wal_bytes

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0
EVERY_BYTES = 8 << 20  # of appends by this process
WAL_MAX_BYTES = 64 << 20
BUSY_TIMEOUT_S = 0.2  # a truncating checkpoint waits for readers while it holds writers back


def checkpoint(file: TopicFile) -> None:
    """One pass over one topic. Raises LogError."""
    if wal_bytes(file.path) == 0:
        return
    file.checkpoint("PASSIVE")
    if wal_bytes(file.path) > WAL_MAX_BYTES:
        file.checkpoint("TRUNCATE")


class Checkpoints:
    """A thread that checkpoints all topics every second, and sooner when much is appended."""

    def __init__(self, folder: LogFolder) -> None:
        self._files = [TopicFile(folder, topic, busy_timeout_s=BUSY_TIMEOUT_S) for topic in topics.ALL]
        self._appended_bytes = 0
        self._due = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="log-checkpoints", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def appended(self, size_bytes: int) -> None:
        """This process has appended so much. Called by one thread, once per commit."""
        self._appended_bytes += size_bytes
        if self._appended_bytes >= EVERY_BYTES:
            self._appended_bytes = 0
            self._due.set()

    def stop(self) -> None:
        """End, after the pass under way."""
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
                    checkpoint(file)
                except LogError as error:
                    # appends go on into the WAL and report their own failures; a later pass catches up
                    logger.warning("checkpoint of %s failed: %s", file.topic, error)
