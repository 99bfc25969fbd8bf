"""The end of each partition of a topic, as it was last acknowledged: it tells when SQLite has lost the last commits.

It is written after each commit and not fsync'ed: after a crash of the process it is current, after a power failure it
may be older. So an end before this mark is damage, and one after it is not. Users of a topic share the lock on the
file; who opens it alone may repair the topic.

A slot of 32 bytes per partition: the next offset (uint64, big-endian), and its checksum.
"""

from __future__ import annotations

import os
from pathlib import Path

from store.objects.checksum import SIZE, checksum, matches
from store.objects.file_lock import SharedLock

_SLOT_BYTES = 32
_OFFSET_BYTES = 8


class EndMark:
    """The mark at `path`, opened by one user of the topic."""

    def __init__(self, path: Path, partition_ids: list[str]) -> None:
        self._names = [f"{partition_id}/end" for partition_id in partition_ids]
        self._lock = SharedLock(path)

    @property
    def is_alone(self) -> bool:
        """Whether nobody else uses the topic."""
        return self._lock.is_alone

    def share(self) -> None:
        """Let others use the topic."""
        self._lock.share()

    def get(self, partition: int) -> int:
        """The next offset as it was last acknowledged; 0 if that is not known."""
        slot = os.pread(self._lock.descriptor, _OFFSET_BYTES + SIZE, partition * _SLOT_BYTES)
        return _end_in(slot, self._names[partition])

    def set(self, partition: int, next_offset: int) -> None:
        """Note that everything below `next_offset` is durable."""
        offset = next_offset.to_bytes(_OFFSET_BYTES)
        slot = offset + checksum(offset, self._names[partition])
        os.pwrite(self._lock.descriptor, slot, partition * _SLOT_BYTES)

    def close(self) -> None:
        """Stop using the topic."""
        self._lock.release()


def read_ends(path: Path, partition_ids: list[str]) -> list[int]:
    """The next offset of each partition as it was last acknowledged, 0 if that is not known; without any lock."""
    data = path.read_bytes() if path.exists() else b""
    slots = (data[at * _SLOT_BYTES :][: _OFFSET_BYTES + SIZE] for at in range(len(partition_ids)))
    return [_end_in(slot, f"{of}/end") for slot, of in zip(slots, partition_ids, strict=True)]


def _end_in(slot: bytes, name: str) -> int:
    offset = slot[:_OFFSET_BYTES]
    return int.from_bytes(offset) if matches(offset, name, slot[_OFFSET_BYTES:]) else 0
