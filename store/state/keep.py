"""What the owner of a partition leaves for its successor: objects named by the position they are good for.

`state/<partition>/<kind>/<offset>` is written once and never changed, and of a kind the highest offset counts. So a
former owner that was paused, wakes up and saves what it knew then adds something lower that nobody reads, or something
higher that is as true of the log up to there as what its successor saves; nobody has to find out first whether it is
still the owner. What is saved at an offset must do for every later reader that goes on from that offset or below: a
successor replays the log from there.
"""

from __future__ import annotations

import pyarrow as pa

from store import layout
from store.errors import StoreFormatError
from store.objects.objects import Objects

_PLAIN, _ZSTD = b"\0", b"\1"
_COMPRESSED_FROM = 512  # bytes
_OFFSET_DIGITS = 20
_MADE_ANEW = "delete it, and it is made anew"


class PartitionState:
    """What is kept of one partition. Any thread."""

    def __init__(self, objects: Objects, partition: str) -> None:
        self._objects = objects
        self._root = f"{layout.STATE}/{partition}/"

    def save(self, kind: str, offset: int, data: bytes) -> None:
        """Keep `data` as good for `offset` (≥ 0), durably, and let go of what is good for less.

        What is there for this very offset already stays: who saved it knew the same log up to there.
        """
        self._objects.create(self._path(kind, offset), _pack(data))
        for path, kept in self._offsets(kind):
            if kept < offset:
                self._objects.discard(path)

    def latest(self, kind: str, remedy: str = _MADE_ANEW) -> tuple[int, bytes] | None:
        """What is good for the highest offset; None if nothing is kept.

        Raises StoreFormatError if it is damaged; `remedy` is its last words.
        """
        while True:
            kept = self._offsets(kind)
            if not kept:
                return None
            path, offset = max(kept, key=lambda entry: entry[1])
            data = self._objects.get(path)
            if data is not None:  # else a higher one has come meanwhile
                return offset, _unpack(path, data, remedy)

    def kinds(self, prefix: str = "") -> list[str]:
        """The kinds that are kept, those below `prefix` (whole parts of their paths), ascending."""
        found = (path.removeprefix(self._root) for path in self._objects.list(f"{self._root}{prefix}".rstrip("/")))
        return sorted({path.rsplit("/", 1)[0] for path in found if "/" in path})

    def forget(self, kind: str) -> None:
        """Let go of all that is kept of `kind`."""
        for path, _ in self._offsets(kind):
            self._objects.delete(path)

    def _path(self, kind: str, offset: int) -> str:
        return f"{self._root}{kind}/{offset:0{_OFFSET_DIGITS}d}"

    def _offsets(self, kind: str) -> list[tuple[str, int]]:
        prefix = f"{self._root}{kind}"
        names = ((path, path.removeprefix(f"{prefix}/")) for path in self._objects.list(prefix))
        return [(path, int(name)) for path, name in names if len(name) == _OFFSET_DIGITS and name.isdigit()]


def _pack(data: bytes) -> bytes:
    if len(data) < _COMPRESSED_FROM:
        return _PLAIN + data
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return _ZSTD + len(data).to_bytes(8, "little") + packed


def _unpack(path: str, data: bytes, remedy: str) -> bytes:
    try:
        if data[:1] == _PLAIN:
            return data[1:]
        if data[:1] == _ZSTD:
            size = int.from_bytes(data[1:9], "little")
            unpacked: bytes = pa.decompress(data[9:], decompressed_size=size, codec="zstd", asbytes=True)
            return unpacked
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreFormatError(f"{path} is damaged: {error}; {remedy}") from error
    raise StoreFormatError(f"{path} is damaged: it begins with {data[:1]!r}; {remedy}")
