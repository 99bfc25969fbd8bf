"""The files of all partitions, within a bound of memory however many rows and partitions there are.

Rows wait in RAM until there are enough of them; then those of the largest partition are written. Only some files are
open at once, because each that goes to a bucket has a buffer: the one that was written longest ago is ended, and its
partition may get another one later.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pyarrow as pa

from store.objects.new_files import NewFile
from store.unload.result_files import ResultFile, Written

WAITING_MAX_BYTES = 16 * 2**20
OPEN_MAX = 8


class PartitionFiles:
    """Writes rows to files by partition. One thread."""

    def __init__(
        self,
        make: Callable[[str], tuple[str, ResultFile]],
        file_max_bytes: int,
        waiting_max_bytes: int = WAITING_MAX_BYTES,
    ) -> None:
        """`make` returns a new file for a partition, and its path."""
        self._make = make
        self._file_max_bytes = file_max_bytes
        self._waiting_max_bytes = waiting_max_bytes
        self._waiting: dict[str, list[pa.Table]] = {}
        self._sizes: dict[str, int] = {}  # of what waits
        self._open: dict[str, tuple[str, ResultFile]] = {}  # the one that was written last is the last one
        self._made: list[NewFile] = []
        self.written: list[Written] = []

    def add(self, partition: str, rows: pa.Table) -> None:
        """Add rows. Raises OSError."""
        self._waiting.setdefault(partition, []).append(rows)
        self._sizes[partition] = self._sizes.get(partition, 0) + rows.nbytes
        while sum(self._sizes.values()) > self._waiting_max_bytes:
            self._write(max(self._sizes, key=self._sizes.__getitem__))

    def finish(self) -> None:
        """Write everything; all files are whole then. Raises OSError."""
        for partition in list(self._waiting):
            self._write(partition)
        for partition in list(self._open):
            self._end(partition)

    def discard(self) -> None:
        """Leave nothing of what was written."""
        for new in self._made:
            with suppress(OSError):
                new.discard()

    def _write(self, partition: str) -> None:
        rows = pa.concat_tables(self._waiting.pop(partition))
        del self._sizes[partition]
        path, file = self._open.pop(partition) if partition in self._open else self._begun(partition)
        self._open[partition] = path, file
        file.write(rows)
        if file.new.stream.tell() >= self._file_max_bytes:
            self._end(partition)

    def _begun(self, partition: str) -> tuple[str, ResultFile]:
        if len(self._open) == OPEN_MAX:
            self._end(next(iter(self._open)))
        path, file = self._make(partition)
        self._made.append(file.new)
        return path, file

    def _end(self, partition: str) -> None:
        path, file = self._open.pop(partition)
        file.end()
        size_bytes = file.new.stream.tell()
        file.new.finish()
        self.written.append(Written(path, size_bytes, file.rows))
