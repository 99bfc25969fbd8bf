"""What of an import is stored, in a folder: so that it goes on where it ended, however it ended.

A chunk is noted when the server has all of its rows durably. Rows of a chunk that was sent and not noted are sent again
and are the same. `import.json` has the numbers, and a file for each chunk the times and hashes of the rows that the
server took, ascending by time, for the comparison at the end.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from pipeline.base.errors import ImportFailed
from pipeline.operations.importing.row_hashes import UInt64s

FORMAT_VERSION = 1
_STATE = "import.json"
_EXAMPLES = 5  # of rejected rows, by file and reason
_ROW = np.dtype([("time_ns", "<i8"), ("hash", "<u8")])

Rows = npt.NDArray[np.void]


class Rejected(msgspec.Struct):
    """Rows of a file that were not stored for one reason: how many, and the numbers of the first of them, from 1."""

    count: int = 0
    examples: list[int] = []


class FileState(msgspec.Struct):
    """What became of the rows of one file.

    chunks       that are stored
    chunk_count  how many it has; None: not known yet
    """

    path: str
    size_bytes: int
    chunks: list[int] = []
    chunk_count: int | None = None
    rows: int = 0
    new: int = 0
    same: int = 0
    replaced: int = 0
    rejected: dict[str, Rejected] = {}


class _State(msgspec.Struct):
    format_version: int
    files: list[FileState]


_decoder = msgspec.json.Decoder(_State)


class Journal:
    """The journal of one import. Any thread."""

    def __init__(self, folder: Path, files: Sequence[tuple[str, int]]) -> None:
        """Open it, or begin one; `files` are paths and sizes. Raises ImportFailed."""
        self.folder = folder
        self._lock = threading.Lock()
        fresh = [FileState(path, size) for path, size in files]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            known = self._read()
        except OSError as error:
            raise ImportFailed(f"the journal {folder} cannot be written: {error.strerror}") from error
        same = known is not None and [(of.path, of.size_bytes) for of in known] == [*files]
        self.files = known if known is not None and same else fresh
        self.is_continued = any(of.chunks for of in self.files)

    def note(
        self, number: int, chunk: int, rows: int, outcomes: Mapping[str, int], rejected: Mapping[str, Sequence[int]],
        times: npt.NDArray[np.int64], hashes: UInt64s,
    ) -> None:  # fmt: skip
        """Note that a chunk of the file with this number is stored; `rejected`: row numbers by reason."""
        taken = np.empty(len(times), _ROW)
        taken["time_ns"], taken["hash"] = times, hashes
        place = self._rows_of(number, chunk)
        with place.with_suffix(".new").open("wb") as file:
            taken.tofile(file)
        place.with_suffix(".new").replace(place)
        with self._lock:
            of = self.files[number]
            of.chunks.append(chunk)
            of.rows += rows
            of.new, of.same = of.new + outcomes["new"], of.same + outcomes["same"]
            of.replaced += outcomes["replaced"]
            for reason, places in rejected.items():
                found = of.rejected.setdefault(reason, Rejected())
                found.count += len(places)
                found.examples = sorted([*found.examples, *places])[:_EXAMPLES]
            self._write()

    def is_stored(self, number: int) -> bool:
        """Whether all chunks of the file are stored."""
        with self._lock:
            return len(self.files[number].chunks) == self.files[number].chunk_count

    def end_file(self, number: int, chunk_count: int) -> None:
        """Note how many chunks the file has."""
        with self._lock:
            self.files[number].chunk_count = chunk_count
            self._write()

    def taken(self) -> dict[tuple[int, int], Rows]:
        """For each chunk, by file and number, the rows that the server took."""
        return {
            (number, chunk): np.memmap(place, _ROW, "r") if (place := self._rows_of(number, chunk)).stat().st_size
            else np.empty(0, _ROW)
            for number, of in enumerate(self.files)
            for chunk in of.chunks
        }  # fmt: skip

    def remove(self) -> None:
        """Forget the import: it is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _rows_of(self, number: int, chunk: int) -> Path:
        return self.folder / f"{number}-{chunk}.rows"

    def _read(self) -> list[FileState] | None:
        try:
            state = _decoder.decode((self.folder / _STATE).read_bytes())
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        return state.files if state.format_version == FORMAT_VERSION else None

    def _write(self) -> None:
        new = self.folder / f"{_STATE}.new"
        new.write_bytes(msgspec.json.encode(_State(FORMAT_VERSION, self.files)))
        new.replace(self.folder / _STATE)


def journal_folder(*identity: str) -> Path:
    """Where the journal of an import is, by what it imports, how and whereto."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    name = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:16]
    return Path(home) / "streamgauge" / "imports" / name
