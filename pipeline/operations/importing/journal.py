"""What of an import is stored, in a folder: so that it goes on where it ended, however it ended.

A chunk is noted when the server has all of its rows durably. Rows of a chunk that was sent and not noted are sent again
and are the same. `import.json` has the numbers, and a file for each chunk the times and hashes of the rows that the
server took, ascending by time, for the comparison at the end. Chunks are those of a file, or of all files sorted
together (`SORTED`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from pipeline.base.errors import ImportFailed
from pipeline.operations.importing.row_hashes import UInt64s

FORMAT_VERSION = 1
_STATE = "import.json"
WRITE_EVERY_S = 1.0  # with ten thousand files it has a megabyte
_EXAMPLES = 5  # of rejected rows, by file and reason
_ROW = np.dtype([("time_ns", "<i8"), ("hash", "<u8"), ("file", "<u4")])

OUTCOMES = ("new", "same", "replaced", "rejected")

SORTED = -1  # in place of the number of a file

Rows = npt.NDArray[np.void]


class Rejected(msgspec.Struct):
    """Rows of a file that were not stored for one reason: how many, and the numbers of the first of them, from 1."""

    count: int = 0
    examples: list[int] = []


class FileState(msgspec.Struct):
    """What became of the rows of one file."""

    path: str
    size_bytes: int
    rows: int = 0
    new: int = 0
    same: int = 0
    replaced: int = 0
    rejected: dict[str, Rejected] = {}


class Chunks(msgspec.Struct):
    """The chunks of one file, or of all together: those that are stored, and how many there are, if it is known."""

    stored: list[int] = []
    count: int | None = None


class _State(msgspec.Struct):
    format_version: int
    files: list[FileState]
    chunks: dict[int, Chunks]


_decoder = msgspec.json.Decoder(_State)


@dataclass(slots=True)
class Outcomes:
    """What became of rows: by file how many have each outcome, and by file and reason the numbers of those rejected."""

    counts: dict[int, dict[str, int]] = field(default_factory=dict)
    rejected: dict[tuple[int, str], list[int]] = field(default_factory=dict)

    def count(self, file: int, outcome: str, rows: int) -> None:
        """So many rows of a file have this outcome: new, same, replaced, rejected."""
        of = self.counts.setdefault(file, dict.fromkeys(OUTCOMES, 0))
        of[outcome] += rows

    def reject(self, file: int, reason: str, row_numbers: Sequence[int]) -> None:
        """These rows of a file are rejected."""
        self.rejected.setdefault((file, reason), []).extend(row_numbers)


def rows_of(times_ns: npt.NDArray[np.int64], hashes: UInt64s, files: npt.NDArray[np.int64] | int) -> Rows:
    """Rows in the form of the journal."""
    found = np.empty(len(times_ns), _ROW)
    found["time_ns"], found["hash"], found["file"] = times_ns, hashes, files
    return found


class Journal:
    """The journal of one import. Any thread."""

    def __init__(self, folder: Path, files: Sequence[tuple[str, int]]) -> None:
        """Open it, or begin one; `files` are paths and sizes. Raises ImportFailed."""
        self.folder = folder
        self._lock = threading.Lock()
        self._written_s = 0.0
        with self._errors():
            folder.mkdir(parents=True, exist_ok=True)
            known = self._read()
        if known is None or [(of.path, of.size_bytes) for of in known.files] != [*files]:
            known = _State(FORMAT_VERSION, [FileState(path, size) for path, size in files], {})
        self._state = known
        self.is_continued = any(of.stored for of in known.chunks.values())

    @property
    def files(self) -> list[FileState]:
        """What became of the rows of each file."""
        return self._state.files

    def note(self, of: int, chunk: int, rows: Rows, outcomes: Outcomes) -> None:
        """Note that a chunk is stored: `of` a file, or SORTED; `rows`: those that the server took."""
        rows = rows[np.argsort(rows["time_ns"], kind="stable")]
        with self._lock, self._errors():
            place = self._rows_of(of, chunk)
            with place.with_suffix(".new").open("wb") as file:
                rows.tofile(file)
            place.with_suffix(".new").replace(place)
            self._of(of).stored.append(chunk)
            for number, counts in outcomes.counts.items():
                state = self.files[number]
                state.rows += sum(counts.values())
                state.new, state.same = state.new + counts["new"], state.same + counts["same"]
                state.replaced += counts["replaced"]
            for (number, reason), places in outcomes.rejected.items():
                found = self.files[number].rejected.setdefault(reason, Rejected())
                found.count += len(places)
                found.examples = sorted([*found.examples, *places])[:_EXAMPLES]
            if time.monotonic() - self._written_s >= WRITE_EVERY_S:
                self._write()

    def stored(self, of: int) -> frozenset[int]:
        """The chunks that are stored."""
        with self._lock:
            return frozenset(self._of(of).stored)

    def is_stored(self, of: int) -> bool:
        """Whether all chunks are stored."""
        with self._lock:
            return len(self._of(of).stored) == self._of(of).count

    def end(self, of: int, count: int) -> None:
        """Note how many chunks there are."""
        with self._lock:
            self._of(of).count = count

    def save(self) -> None:
        """Write what was noted since the last time: it is written once a second at most. Raises ImportFailed."""
        with self._lock, self._errors():
            self._write()

    def taken(self) -> list[Rows]:
        """For each chunk the rows that the server took."""
        places = (self._rows_of(of, chunk) for of, found in self._state.chunks.items() for chunk in found.stored)
        return [np.memmap(place, _ROW, "r") for place in places if place.stat().st_size]

    def remove(self) -> None:
        """Forget the import: it is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _of(self, of: int) -> Chunks:
        return self._state.chunks.setdefault(of, Chunks())

    def _rows_of(self, of: int, chunk: int) -> Path:
        return self.folder / f"{'sorted' if of == SORTED else of}-{chunk}.rows"

    def _read(self) -> _State | None:
        try:
            state = _decoder.decode((self.folder / _STATE).read_bytes())
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        return state if state.format_version == FORMAT_VERSION else None

    def _write(self) -> None:
        new = self.folder / f"{_STATE}.new"
        new.write_bytes(msgspec.json.encode(self._state))
        new.replace(self.folder / _STATE)
        self._written_s = time.monotonic()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ImportFailed(f"the journal {self.folder} cannot be written: {error.strerror}") from error


def journal_folder(*identity: str) -> Path:
    """Where the journal of an import is, by what it imports, how and whereto."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    name = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:16]
    return Path(home) / "streamgauge" / "imports" / name
