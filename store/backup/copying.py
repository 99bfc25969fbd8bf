"""Copies files into a place of backups: each content once, and what never changes is not even read again."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from store.backup.manifest import Entry, Manifest
from store.backup.place import Place
from store.errors import BackupError
from store.magnetic.checked_files import fault_of
from store.objects.location import S3Location
from store.objects.objects import CHUNK_BYTES, open_at

Item = TypeVar("Item")
Result = TypeVar("Result")
THREADS = 2  # the stream needs the rest of the machine


class Progress(Protocol):
    """Is told how far a backup or a restore is. Any thread."""

    def begin(self, what: str, total_bytes: int | None = None) -> None:
        """The next step; None: its size is not known."""
        ...

    def done(self, size_bytes: int) -> None:
        """So much more of the step is done."""
        ...

    def warn(self, text: str) -> None:
        """Something that does not end it, and that its user must know."""
        ...


class Copier:
    """What one backup has copied so far. Its methods are for one thread."""

    def __init__(self, place: Place, work: Path, before: Manifest | None, progress: Progress) -> None:
        """`work` is a folder for temporary files, `before` the last backup."""
        self.entries: list[Entry] = []
        self.progress = progress
        self.new_bytes = 0
        self._place = place
        self._work = work
        self._present = place.hashes()
        self._known = {} if before is None else {(entry.path, entry.size_bytes): entry for entry in before.files}

    def data(self, path: str, data: bytes) -> None:
        """Copy what is in memory."""
        with self._temporary() as source:
            source.write_bytes(data)
            self.file(path, source)

    def file(self, path: str, source: Path) -> None:
        """Copy a file that nobody changes now."""
        self.entries.append(self._copied(path, source))

    def unchanging(self, folder: str, root: Path | S3Location, files: Iterable[tuple[str, int]]) -> list[Entry]:
        """Copy files below `root` that never change; they are not part of the backup yet. `folder` is that of `root`.

        `files`: path and size of each; one that was in the last backup is not read again. Raises FileNotFoundError or
        NoObject for one that does not exist any more.
        """

        def copied(path: str, size_bytes: int) -> Entry:
            whole = f"{folder}/{path}"
            entry = self._known.get((whole, size_bytes))
            if entry is None or entry.sha256 not in self._present:
                entry = self._known[whole, size_bytes] = self._fetched(whole, root, path, size_bytes)
            self.progress.done(size_bytes)
            return entry

        return in_threads(lambda file: copied(*file), files)

    def _fetched(self, whole: str, root: Path | S3Location, path: str, size_bytes: int) -> Entry:
        if isinstance(root, Path):
            source = root / path
            if (fault := fault_of(source, size_bytes)) is not None:
                source.stat()  # raises FileNotFoundError
                self.progress.warn(f"{source} is damaged, and copied as it is: {fault}")
            return self._copied(whole, source)
        with self._temporary() as fetched:
            with fetched.open("wb") as file:
                file.writelines(open_at(root).chunks(path))
            return self._copied(whole, fetched)

    def _copied(self, path: str, source: Path) -> Entry:
        entry = Entry(path, *_hash_of(source))
        if entry.sha256 not in self._present:
            self._place.put(entry.sha256, source)
            self._present.add(entry.sha256)
            self.new_bytes += entry.size_bytes
        return entry

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        path = self._work / secrets.token_hex(8)
        try:
            yield path
        except OSError as error:
            if error.filename == str(path):
                raise BackupError(f"temporary files in {self._work}: {error.strerror}") from error
            raise
        finally:
            path.unlink(missing_ok=True)


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The result of `work` for each item, in order. If one fails, no other is begun."""
    with ThreadPoolExecutor(THREADS) as threads:
        try:
            return list(threads.map(work, items))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _hash_of(source: Path) -> tuple[str, int]:
    found, size_bytes = hashlib.sha256(), 0
    with source.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
            size_bytes += len(chunk)
    return found.hexdigest(), size_bytes
