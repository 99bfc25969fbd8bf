"""The state that the owner of a partition saves for the next owner: objects named by the position they are valid for.

`state/<partition>/<kind>/<offset>` is written once and never changed; for each kind the highest offset is current. So a
paused former owner that resumes and saves its state either adds a lower offset, which nobody reads, or a higher one,
which is as correct as the new owner's, since both follow from the same log. No worker has to check first whether it is
still the owner. State saved at an offset must be valid for every later reader that continues from that offset or below:
the next owner replays the log from there.
"""

from __future__ import annotations

import pyarrow as pa

from store import layout
from store.errors import DamagedObject
from store.objects.objects import Objects
from store.objects.sealed import set_aside
from store.state.compressed import compressed, decompressed

_PLAIN, _ZSTD = b"\0", b"\1"
_COMPRESSED_FROM = 512  # bytes
_OFFSET_DIGITS = 20


class PartitionState:
    """The saved state of one partition. Any thread."""

    def __init__(self, objects: Objects, partition: str) -> None:
        self._objects = objects
        self._root = f"{layout.STATE}/{partition}/"

    def save(self, kind: str, offset: int, data: bytes) -> int:
        """Save `data` durably as valid for `offset` (≥ 0), and delete what is valid for lower offsets.

        Returns how many bytes this took.

        If there is already an object for this offset, it is not changed: it was derived from the same log up to there.
        """
        packed = _pack(data)
        self._objects.create(self._path(kind, offset), packed)
        for path, kept in self._offsets(kind):
            if kept < offset:
                self._objects.discard(path)
        return len(packed)

    def latest(self, kind: str) -> tuple[int, bytes] | None:
        """The highest saved offset and its data; None if nothing is saved.

        Raises DamagedObject if the data is damaged: then it was set aside, and the next call finds what else is there.
        """
        while True:
            kept = self._offsets(kind)
            if not kept:
                return None
            path, offset = max(kept, key=lambda entry: entry[1])
            try:
                data = self._objects.get(path)
                if data is not None:  # else a higher one has replaced it in the meantime
                    return offset, _unpack(path, data)
            except DamagedObject as error:
                raise DamagedObject(f"{error}; it is set aside, as {set_aside(self._objects, path)}") from error

    def kinds(self, prefix: str = "") -> list[str]:
        """The saved kinds below `prefix` (whole parts of their paths), ascending."""
        found = (path.removeprefix(self._root) for path in self._objects.list(f"{self._root}{prefix}".rstrip("/")))
        return sorted({path.rsplit("/", 1)[0] for path in found if "/" in path})

    def forget(self, kind: str) -> None:
        """Delete everything saved of `kind`."""
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
    return _ZSTD + len(data).to_bytes(8, "little") + compressed(data)


def _unpack(path: str, data: bytes) -> bytes:
    try:
        if data[:1] == _PLAIN:
            return data[1:]
        if data[:1] == _ZSTD:
            return decompressed(data[9:], int.from_bytes(data[1:9], "little"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedObject(f"{path} is damaged: {error}") from error
    raise DamagedObject(f"{path} is damaged: it begins with {data[:1]!r}")
