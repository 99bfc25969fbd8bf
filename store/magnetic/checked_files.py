"""Whether Parquet files of a local folder are as they were written: by the checksum in their names, once per process.

A file is checked when this process reads it first, and in turn by the maintenance, because DuckDB checks nothing. A
flipped bit is repaired. What is damaged more may not be read: the maintenance removes it from its table.
"""

from __future__ import annotations

import mmap
import re
import threading
from pathlib import Path

from store.errors import DamagedRows
from store.magnetic.parquet import DataFile
from store.objects.checksum import REPAIR_MAX_BYTES, SIZE, matches, repair
from store.objects.damage import Outcome, report
from store.objects.files import put_in_place, write_durably

_NAME = re.compile(rf"[0-9a-f]{{8}}-([0-9a-f]{{{2 * SIZE}}})\.parquet")
KIND = "parquet"


class CheckedFiles:
    """What a process knows of its files. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sound: set[Path] = set()
        self._damaged: dict[Path, str] = {}

    def check(self, folder: Path, file: DataFile) -> None:
        """Raise DamagedRows if the file is not as it was written. Reads all of it, the first time."""
        path = folder / file.path
        if path in self._sound:
            return
        with self._lock:
            if path not in self._damaged and path not in self._sound:
                fault = self._fault_of(path, file)
                if fault is None:
                    self._sound.add(path)
                else:
                    self._damaged[path] = fault
            fault = self._damaged.get(path)
        if fault is not None:
            raise DamagedRows(f"{path} is damaged: {fault}; it is being removed from its table", file.path)

    def check_again(self, folder: Path, file: DataFile) -> None:
        """Raise DamagedRows if the file is not as it was written; also if it was before."""
        self._sound.discard(folder / file.path)
        self.check(folder, file)

    def look(self, folder: Path, files: tuple[DataFile, ...]) -> None:
        """Find files that are missing or too short, without reading them."""
        for file in files:
            path = folder / file.path
            if path not in self._sound and (fault := _fault_of_size(path, file.size_bytes)) is not None:
                self._damaged[path] = fault

    def damaged(self, folder: Path, files: tuple[DataFile, ...]) -> list[tuple[DataFile, str]]:
        """The files known to be damaged, and what is wrong with them."""
        if not self._damaged:
            return []
        return [(file, fault) for file in files if (fault := self._damaged.get(folder / file.path)) is not None]

    def is_sound(self, folder: Path, file: DataFile) -> bool:
        """Whether this process has read the file, and found it as it was written."""
        return folder / file.path in self._sound

    def unchecked(self, folder: Path, files: tuple[DataFile, ...]) -> DataFile | None:
        """A file that was not checked yet."""
        return next((file for file in files if folder / file.path not in self._sound), None)

    def forget(self, path: Path) -> None:
        """The file is gone."""
        self._sound.discard(path)
        self._damaged.pop(path, None)

    def _fault_of(self, path: Path, file: DataFile) -> str | None:
        fault = fault_of(path, file.size_bytes)
        expected = checksum_in(path.name)
        if fault is None or expected is None or not path.exists() or file.size_bytes > REPAIR_MAX_BYTES:
            return fault
        repaired = repair(path.read_bytes(), path.parent.name, expected)
        if repaired is None:
            return fault
        aside = path.with_name(f"{path.name}.repaired")
        write_durably(aside, repaired)
        put_in_place(aside, path)
        report(KIND, f"{path}: one bit was flipped, and is repaired", Outcome.REPAIRED)
        return None


CHECKED = CheckedFiles()


def checksum_in(name: str) -> bytes | None:
    """The checksum in the name of a file; None for one of an earlier version."""
    found = _NAME.fullmatch(name)
    return None if found is None else bytes.fromhex(found[1])


def fault_of(path: Path, size_bytes: int) -> str | None:
    """What is wrong with a file, which is not changed; None if nothing is, or if it has no checksum."""
    fault = _fault_of_size(path, size_bytes)
    expected = checksum_in(path.name)
    if fault is not None or expected is None or not size_bytes:
        return fault
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        is_sound = matches(content, path.parent.name, expected)
    return None if is_sound else "its content does not match the checksum in its name"


def _fault_of_size(path: Path, size_bytes: int) -> str | None:
    try:
        found = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return "it is missing"
    return None if found == size_bytes else f"it has {found} bytes, and was written with {size_bytes}"
