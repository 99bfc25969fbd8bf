"""Up to where of each stream everything is durable, in one small file: the log may be trimmed below.

One number per stream serves all tables, quiet ones too: rows of a table below it are in the magnetic tier or in the
checkpoint, and a table whose own position is higher skips what it has. So a quiet table needs no commits.

Streams are numbered in the order first seen, and rows carry the number: of two rows with one key the later stream's
wins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from store.errors import StoreFormatError
from store.objects.files import write_atomic


class StreamPositions(Protocol):
    """The streams by their numbers, and up to where of each everything is durable."""

    streams: list[str]
    floors: dict[str, int]

    def number_of(self, stream: str) -> int:
        """The number of `stream`."""
        ...

    def keep_numbers(self) -> None:
        """Make the numbers of all streams durable: before rows that carry them are."""
        ...

    def save(self, floors: Mapping[str, int]) -> None:
        """Raise the floors, durably."""
        ...

    def lower(self, floors: Mapping[str, int]) -> None:
        """Let no floor be above these."""
        ...


class Positions:
    """The streams and their floors. One thread writes; others may read."""

    def __init__(self, path: Path) -> None:
        """Load what is at `path`. Raises StoreFormatError if it is damaged."""
        self._path = path
        self.streams: list[str] = []
        self.floors: dict[str, int] = {}  # as on disk
        self._numbers: dict[str, int] = {}
        self._numbers_on_disk = 0
        self.is_on_disk = path.exists()
        if path.exists():
            try:
                document = json.loads(path.read_bytes())
                streams, self.floors = list(document["streams"]), dict(document["floors"])
            except (ValueError, KeyError, TypeError) as error:
                raise StoreFormatError(
                    f"{path} is damaged: {error}; move it away, and the whole log is read again"
                ) from error
            for stream in streams:
                self.number_of(stream)
            self._numbers_on_disk = len(streams)

    def number_of(self, stream: str) -> int:
        """The number of `stream`, given on first sight."""
        number = self._numbers.get(stream)
        if number is None:
            number = self._numbers[stream] = len(self.streams)
            self.streams.append(stream)
        return number

    def keep_numbers(self) -> None:
        """Make the numbers of all streams durable: before rows that carry them are."""
        if self._numbers_on_disk < len(self.streams):
            self.save(self.floors)

    def save(self, floors: Mapping[str, int]) -> None:
        """Write the streams and these floors durably. A floor never falls."""
        raised = {stream: max(floor, self.floors.get(stream, 0)) for stream, floor in floors.items()}
        merged = {**self.floors, **raised}
        streams = list(self.streams)  # the applying thread may add one meanwhile
        self._write(streams, merged)

    def lower(self, floors: Mapping[str, int]) -> None:
        """Let no floor be above these, durably: what was durable there was found damaged, and comes from the log."""
        lowered = {stream: min(floor, floors.get(stream, floor)) for stream, floor in self.floors.items()}
        self._write(list(self.streams), lowered)

    def _write(self, streams: list[str], floors: dict[str, int]) -> None:
        write_atomic(self._path, json.dumps({"streams": streams, "floors": floors}).encode())
        self.floors = floors
        self.is_on_disk = True
        self._numbers_on_disk = len(streams)
