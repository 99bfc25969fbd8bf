"""Up to where of each partition everything is durable, in one small file: the log may be trimmed below.

One number per partition serves all tables, quiet ones too: rows of a table below it are in the magnetic tier or
among the pending rows, and a table whose own position is higher skips what it has. So a quiet table needs no commits.

Partitions are numbered in the order first seen, and rows carry the number: of two rows with one key that of the later
partition wins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from store.errors import StoreFormatError
from store.objects.files import write_atomic


class PartitionPositions(Protocol):
    """The partitions by their numbers, and up to where of each everything is durable."""

    partitions: list[str]
    low_watermarks: dict[str, int]

    def number_of(self, partition: str) -> int:
        """The number of `partition`."""
        ...

    def keep_numbers(self) -> None:
        """Make the numbers of all partitions durable: before rows that carry them are."""
        ...

    def save(self, low_watermarks: Mapping[str, int]) -> None:
        """Raise the low watermarks, durably."""
        ...

    def lower(self, low_watermarks: Mapping[str, int]) -> None:
        """Let no low watermark be above these."""
        ...


class Positions:
    """The partitions and their low watermarks. One thread writes; others may read."""

    def __init__(self, path: Path) -> None:
        """Load what is at `path`. Raises StoreFormatError if it is damaged."""
        self._path = path
        self.partitions: list[str] = []
        self.low_watermarks: dict[str, int] = {}  # as on disk
        self._numbers: dict[str, int] = {}
        self._numbers_on_disk = 0
        self.is_on_disk = path.exists()
        if path.exists():
            try:
                document = json.loads(path.read_bytes())
                partitions, self.low_watermarks = list(document["streams"]), dict(document["floors"])
            except (ValueError, KeyError, TypeError) as error:
                raise StoreFormatError(
                    f"{path} is damaged: {error}; move it away, and the whole log is read again"
                ) from error
            for partition in partitions:
                self.number_of(partition)
            self._numbers_on_disk = len(partitions)

    def number_of(self, partition: str) -> int:
        """The number of `partition`, given on first sight."""
        number = self._numbers.get(partition)
        if number is None:
            number = self._numbers[partition] = len(self.partitions)
            self.partitions.append(partition)
        return number

    def keep_numbers(self) -> None:
        """Make the numbers of all partitions durable: before rows that carry them are."""
        if self._numbers_on_disk < len(self.partitions):
            self.save(self.low_watermarks)

    def save(self, low_watermarks: Mapping[str, int]) -> None:
        """Write the partitions and these low watermarks durably. A low watermark never falls."""
        raised = {
            partition: max(low_watermark, self.low_watermarks.get(partition, 0))
            for partition, low_watermark in low_watermarks.items()
        }
        merged = {**self.low_watermarks, **raised}
        partitions = list(self.partitions)  # the applying thread may add one meanwhile
        self._write(partitions, merged)

    def lower(self, low_watermarks: Mapping[str, int]) -> None:
        """Let no low watermark be above these, durably: what was durable there was found damaged, and comes from the
        log.
        """
        lowered = {
            partition: min(low_watermark, low_watermarks.get(partition, low_watermark))
            for partition, low_watermark in self.low_watermarks.items()
        }
        self._write(list(self.partitions), lowered)

    def _write(self, partitions: list[str], low_watermarks: dict[str, int]) -> None:
        write_atomic(self._path, json.dumps({"streams": partitions, "floors": low_watermarks}).encode())
        self.low_watermarks = low_watermarks
        self.is_on_disk = True
        self._numbers_on_disk = len(partitions)
