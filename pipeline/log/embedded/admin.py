"""The embedded log for code outside the stream: sizes, trimming, and reading for tools. Safe for several threads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path

from pipeline.base.errors import FrameError
from pipeline.log.embedded.checkpoints import bound_wal
from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.frame import decode_frame
from pipeline.log.log import Extent, Message
from pipeline.log.topics import ALL as TOPICS

READ_MAX_BYTES = 16 << 20


class LocalAdmin:
    """The `LogAdmin` of the embedded log."""

    others_take_over = False

    def __init__(self, path: Path) -> None:
        self._folder = open_folder(path)
        self._files: dict[str, TopicFile] = {}
        self._lock = threading.Lock()
        self.log_id = self._folder.log_id
        self.partitions = self._folder.partitions

    def partitions_of(self, topic: str) -> int:  # noqa: ARG002  all topics have the same
        """The number of partitions of a topic."""
        return self.partitions

    def partition_id(self, topic: str, partition: int = 0) -> str:
        """`<log id>/<topic>/<partition>`: the name under which positions in this partition are stored."""
        return self._folder.partition_id(topic, partition)

    def extent(self, topic: str, partition: int = 0) -> Extent:
        """The current offsets and size of the partition."""
        with self._lock:
            return self._file(topic).extent(partition)

    def read(self, topic: str, from_offset: int, limit: int, partition: int = 0) -> list[Message]:
        """Up to `limit` messages (and about 16 MB) from the first kept offset ≥ `from_offset` on."""
        with self._lock:
            return self._file(topic).read(partition, from_offset, limit, READ_MAX_BYTES)

    def trim(self, topic: str, below: int, partition: int = 0) -> None:
        """Remove messages with offsets < `below`, in short steps, between which appends continue."""
        more = True
        while more:
            with self._lock:
                more = self._file(topic).trim_step(partition, below)
        self._tidy(topic)

    def first_since(self, topic: str, time_ns: int, partition: int = 0) -> int:
        """See `LogAdmin`: by the arrival stamps in the frames."""
        extent = self.extent(topic, partition)
        return bisect_left(
            range(extent.next_offset),
            time_ns,
            extent.first,
            key=lambda offset: self._first_arrival_ns(topic, offset, partition),
        )

    def owners(self, own: str) -> Mapping[tuple[str, int], str]:
        """See `LogAdmin`: there is one worker."""
        return {(topic, number): own for topic in TOPICS for number in range(self.partitions)}

    def members(self, own: str) -> frozenset[str]:
        """See `LogAdmin`: there is one worker."""
        return frozenset({own})

    def remove(self, client_id: str) -> None:
        """Do nothing: there is one worker."""

    def _first_arrival_ns(self, topic: str, offset: int, partition: int) -> int:
        """The arrival of the first message of the frame at `offset`; 0 if it is not a frame."""
        try:
            return decode_frame(self.read(topic, offset, 1, partition)[0].value).arrival_ns[0]
        except (FrameError, IndexError):
            return 0

    def close(self) -> None:
        """Close the log."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _tidy(self, topic: str) -> None:
        more = True
        while more:
            with self._lock:
                more = self._file(topic).give_back()
                bound_wal(self._file(topic))
        with self._lock:
            self._file(topic).checkpoint("PASSIVE")

    def _file(self, topic: str) -> TopicFile:
        file = self._files.get(topic)
        if file is None:
            file = self._files[topic] = TopicFile(self._folder, topic)
        return file
