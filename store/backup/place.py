"""The place where backups are kept: a folder, or a prefix in a bucket.

    format                      the format version of what is here
    files/<2 digits>/<sha256>   contents, each once, named by their hash: several backups share them
    backups/<time>.json         one manifest per backup, written last: a backup without it does not exist
    damaged/<sha256>            files whose content was found not to have its hash

Nothing is ever changed: so an interrupted backup leaves files that the next one finds, and no half of a backup. One
process at a time makes backups in a place, or removes them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from store.backup.manifest import FORMAT_VERSION, Entry, Manifest, decode, encode
from store.errors import BackupError, NoObject
from store.objects.objects import open_objects

FORMAT = "format"
FILES = "files"
BACKUPS = "backups"
DAMAGED = "damaged"
_VERSION = f"streamgauge backups {FORMAT_VERSION}\n".encode()
_NAME = re.compile(r"\d{8}T\d{6}(\.\d+)?Z")


class Place:
    """The backups at `url`. Any thread."""

    def __init__(self, url: str, *, is_new: bool = False) -> None:
        """Open it; with `is_new` it is made if it is not there. Raises BackupError, MagneticTierError."""
        self._objects = open_objects(url, os.environ)
        self.url = self._objects.url
        found = self._objects.get(FORMAT)
        if found is None and is_new:
            if self._objects.list(""):
                raise BackupError(f"{self.url} is not empty, and no place of backups: name an empty folder or prefix")
            self._objects.create(FORMAT, _VERSION)
        elif found is None:
            raise BackupError(f"{self.url} has no backups")
        elif found != _VERSION:
            raise BackupError(
                f"{self.url}/{FORMAT} is {found[:40]!r}; this streamgauge reads {_VERSION.decode().strip()!r}"
            )

    def names(self) -> list[str]:
        """The names of all backups, which are their times, oldest first."""
        found = (path.rpartition("/")[2].removesuffix(".json") for path in self._objects.list(BACKUPS))
        return sorted(name for name in found if _NAME.fullmatch(name))

    def manifest(self, name: str) -> Manifest:
        """The backup of this name. Raises BackupError."""
        path = f"{BACKUPS}/{name}.json"
        data = self._objects.get(path)
        if data is None:
            raise BackupError(f"{self.url} has no backup {name}")
        return decode(data, f"{self.url}/{path}")

    def newest(self, at: str | None = None) -> str:
        """The name of the newest backup, or of the newest one made at `at` (RFC 3339) or before. Raises BackupError."""
        names = self.names()
        known = [name for name in names if at is None or name <= name_of(at)]
        if known:
            return known[-1]
        oldest = f"the oldest backup is {names[0]}" if names else "there is none"
        raise BackupError(f"{self.url} has no backup{'' if at is None else f' of {at} or before'}: {oldest}")

    def hashes(self) -> set[str]:
        """The hashes of all files that are here."""
        return {path.rpartition("/")[2] for path in self._objects.list(FILES)}

    def put(self, sha256: str, source: Path) -> None:
        """Keep the content of a file, which has this hash."""
        self._objects.put_file(_path(sha256), source)

    def finish(self, manifest: Manifest) -> str:
        """Let a backup exist, of which everything is here; returns its name. Raises BackupError."""
        missing = {entry.sha256 for entry in manifest.files} - self.hashes()
        if missing:
            raise BackupError(
                f"{self.url}: {len(missing)} files of this backup have gone while it was made; let one process at a "
                "time make backups here, and try again"
            )
        name = name_of(manifest.at)
        if not self._objects.create(f"{BACKUPS}/{name}.json", encode(manifest)):
            raise BackupError(f"{self.url} has a backup {name} already")
        return name

    def read(self, entry: Entry) -> Iterator[bytes]:
        """The content of a file, in parts. Raises BackupError, at its end if it is not what it was."""
        found, size_bytes = hashlib.sha256(), 0
        try:
            for chunk in self._objects.chunks(_path(entry.sha256)):
                found.update(chunk)
                size_bytes += len(chunk)
                yield chunk
        except NoObject as error:
            raise BackupError(f"{self.url}: {_path(entry.sha256)} is missing, the content of {entry.path}") from error
        if found.hexdigest() != entry.sha256:
            raise BackupError(
                f"{self.url}: {_path(entry.sha256)} is damaged: its {size_bytes} bytes do not have this hash, so "
                f"{entry.path} cannot be restored"
            )

    def verify(self, manifest: Manifest, told: Callable[[int], None]) -> Iterator[str]:
        """What is wrong with each file that is damaged or missing. `told` gets the size of each file that was read.

        A damaged one is moved away, so that the next backup copies it again, if it still exists where it was copied.
        """
        for entry in {entry.sha256: entry for entry in manifest.files}.values():
            try:
                for _ in self.read(entry):
                    pass
            except BackupError as error:
                yield str(error)
                self._set_aside(entry.sha256)
            told(entry.size_bytes)

    def prune(self, keep: int) -> tuple[list[str], int]:
        """Remove all but the newest `keep` backups, and files that none of these has; what was removed.

        Raises BackupError if a manifest that is kept cannot be read: then no file is removed.
        """
        names = self.names()
        kept, removed = names[-keep:], names[:-keep]
        needed = {entry.sha256 for name in kept for entry in self.manifest(name).files}
        for name in removed:
            self._objects.delete(f"{BACKUPS}/{name}.json")
        unneeded = self.hashes() - needed
        for sha256 in unneeded:
            self._objects.discard(_path(sha256))
        return removed, len(unneeded)

    def _set_aside(self, sha256: str) -> None:
        data = self._objects.get(_path(sha256))
        if data is not None:
            self._objects.put(f"{DAMAGED}/{sha256}", data)
            self._objects.delete(_path(sha256))


def name_of(at: str) -> str:
    """The name of a backup made at this time (RFC 3339, UTC): without what file systems do not like."""
    return at.replace("-", "").replace(":", "")


def _path(sha256: str) -> str:
    return f"{FILES}/{sha256[:2]}/{sha256}"
