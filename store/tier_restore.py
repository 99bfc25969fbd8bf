"""Restores a magnetic tier. Until it is whole, its format says that it is not, so no worker uses it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from store import layout
from store.backup.manifest import Entry
from store.backup.place import Place
from store.errors import BackupError, DamagedObject
from store.objects.files import make_all_durable, make_folders
from store.objects.objects import ASIDE, open_at, open_objects, open_root
from store.objects.sealed import SealedObjects
from store.state_objects import RESTORING, url_of
from store.tier_backup import MAGNETIC


class TierRestore:
    """Restores the magnetic tier at `url`; `name` is that of the backup."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self._name = name
        self._root = open_root(url)
        self._format = SealedObjects(open_objects(url_of(url)))

    def refuse_others(self) -> None:
        """Raise BackupError if there is anything, except what an interrupted restore of this backup has left."""
        try:
            found = self._format.get(layout.FORMAT)
        except DamagedObject:
            found = b""
        if found == self._unfinished:
            return
        if found is not None and found.startswith(RESTORING):
            other = found.removeprefix(RESTORING).decode(errors="replace").strip()
            raise BackupError(
                f"{self.url}: the restore of another backup, {other}, did not finish here: empty it first"
            )
        if found is not None or any(ASIDE not in path.split("/") for path in open_at(self._root).list("")):
            raise BackupError(f"{self.url} is not empty: a magnetic tier is restored into an empty folder or prefix")

    def begin(self) -> None:
        """Mark it as not finished."""
        self._format.put(layout.FORMAT, self._unfinished)

    def finish(self, version: int) -> None:
        """Everything is there: make it durable, and let workers use it."""
        if isinstance(self._root, Path):
            make_all_durable(self._root)
        self._format.put(layout.FORMAT, f"{version}\n".encode())

    def file(self, place: Place, entry: Entry, work: Path) -> None:
        """Restore one file of it; it is durable after `finish`. Raises BackupError."""
        path = entry.path.removeprefix(f"{MAGNETIC}/")
        if isinstance(self._root, Path):
            write(self._root / path, place.read(entry))
            return
        fetched = work / entry.sha256
        try:
            write(fetched, place.read(entry))
            open_at(self._root).put_file(path, fetched)
        finally:
            fetched.unlink(missing_ok=True)

    @property
    def _unfinished(self) -> bytes:
        return RESTORING + self._name.encode() + b"\n"


def write(target: Path, chunks: Iterable[bytes]) -> None:
    """Write a file, and the folders it needs. It is not durable yet. Raises BackupError."""
    try:
        make_folders(target.parent)
        with target.open("wb") as file:
            file.writelines(chunks)
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror}") from error
