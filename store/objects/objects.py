"""Small objects below one root that several processes share: a local folder, or a prefix in a bucket.

The rule: an object is complete or absent, also after a power failure, and if two processes create the same one, only
one succeeds. Not for rows: those are in Delta tables. Paths are relative, with parts joined by `/`; `list` and `get`
never return partially written objects. Any number of threads and processes may use both implementations.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from store.errors import MagneticTierError, NoObject
from store.objects.files import fsync_file, fsync_folder, make_folders, put_in_place, write_durably
from store.objects.location import S3Location, locate

CHUNK_BYTES = 4 << 20  # of an object that is read in parts
ASIDE = ".aside"  # in the root of a local folder: objects being written
_ABANDONED_S = 86_400


class Objects(Protocol):
    """Objects below one root. Failures raise MagneticTierError, or MagneticUnavailable if a retry may succeed."""

    url: str

    def put(self, path: str, data: bytes) -> None:
        """Replace the object by `data`, durably; concurrent readers get the complete old or new one."""
        ...

    def create(self, path: str, data: bytes) -> bool:
        """Create the object, durably; False if it already exists. After MagneticUnavailable it may exist or not."""
        ...

    def get(self, path: str) -> bytes | None:
        """The object's bytes, None if it does not exist."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Paths of all objects below the folder `prefix`, at any depth, ascending; "" is the root."""
        ...

    def delete(self, path: str) -> None:
        """Remove the object, durably, if it exists."""
        ...

    def discard(self, path: str) -> None:
        """Remove an object that nobody reads any more; it may exist again after a power failure."""
        ...


class LargeObjects(Objects, Protocol):
    """Objects that need not fit into memory."""

    def put_file(self, path: str, source: Path) -> None:
        """Replace the object by the content of the file `source`, durably; as `put`."""
        ...

    def chunks(self, path: str) -> Iterator[bytes]:
        """The object's bytes, in parts. Raises NoObject if it does not exist."""
        ...


def open_objects(url: str, environment: Mapping[str, str] | None = None) -> LargeObjects:
    """The objects at `url`: a folder (created if necessary), file:///folder or s3://bucket/prefix.

    `environment` defaults to that of the process. Sends no request to a bucket yet. Raises MagneticTierError.
    """
    return open_at(locate(url, os.environ if environment is None else environment))


def open_at(location: Path | S3Location) -> LargeObjects:
    """The objects at a location from `locate`."""
    if isinstance(location, Path):
        return LocalObjects(location)
    from store.objects.s3 import S3Objects  # noqa: PLC0415 - a local store does without the S3 client

    return S3Objects(location)


def open_root(url: str) -> Path | S3Location:
    """The location of the tables of a magnetic tier at `url`; creates a missing folder. Raises MagneticTierError."""
    location = locate(url, os.environ)
    if not isinstance(location, Path):
        return location
    folder = location.resolve()
    if "%" in str(folder):  # `deltalake` would not find it, because it decodes paths as URLs
        raise MagneticTierError(f"magnetic tier at {folder}: a path with a percent sign cannot be used; choose another")
    make_folders(folder)
    return folder


def check_path(path: str) -> str:
    """`path` if it is valid. Raises ValueError, since paths never come from users."""
    if any(part in {"", ".", "..", ASIDE} for part in path.split("/")):
        raise ValueError(f"{path!r} is not a path of an object: parts joined by /, none empty, `.`, `..` or {ASIDE}")
    return path


class LocalObjects:
    """Objects as files below a folder."""

    def __init__(self, root: Path) -> None:
        """Use the folder `root`, created if necessary."""
        self._root = root.absolute()
        self.url = str(self._root)
        try:
            make_folders(self._root)
            self._forget_abandoned()
        except OSError as error:
            raise MagneticTierError(f"{self.url}: {error}") from error

    def put(self, path: str, data: bytes) -> None:
        """See `Objects`."""
        target = self._root / check_path(path)
        try:
            aside = self._write_aside(target, data)
            put_in_place(aside, target)
        except OSError as error:
            raise self._error(path, "written", error) from error

    def create(self, path: str, data: bytes) -> bool:
        """See `Objects`."""
        target = self._root / check_path(path)
        try:
            aside = self._write_aside(target, data)
            try:
                os.link(aside, target)
            except FileExistsError:
                return False
            finally:
                # also if another process was faster: this process may read the object now, so it must survive
                fsync_folder(target.parent)
                aside.unlink()
        except OSError as error:
            raise self._error(path, "created", error) from error
        return True

    def put_file(self, path: str, source: Path) -> None:
        """See `LargeObjects`."""
        target = self._root / check_path(path)
        try:
            aside = self._aside_of(target)
            shutil.copyfile(source, aside)
            fsync_file(aside)
            put_in_place(aside, target)
        except OSError as error:
            raise self._error(path, "written", error) from error

    def chunks(self, path: str) -> Iterator[bytes]:
        """See `LargeObjects`."""
        try:
            with (self._root / check_path(path)).open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except FileNotFoundError as error:
            raise NoObject(f"{self.url}: there is no {path!r}") from error
        except OSError as error:
            raise self._error(path, "read", error) from error

    def get(self, path: str) -> bytes | None:
        """See `Objects`."""
        try:
            return (self._root / check_path(path)).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._error(path, "read", error) from error

    def list(self, prefix: str) -> list[str]:
        """See `Objects`."""
        folder = self._root / check_path(prefix) if prefix else self._root
        try:
            return sorted(self._below(folder))
        except OSError as error:
            raise self._error(prefix, "listed", error) from error

    def delete(self, path: str) -> None:
        """See `Objects`."""
        self.discard(path)
        folder = (self._root / path).parent
        try:
            if folder.is_dir():
                fsync_folder(folder)
        except OSError as error:
            raise self._error(path, "deleted", error) from error

    def discard(self, path: str) -> None:
        """See `Objects`."""
        try:
            (self._root / check_path(path)).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise self._error(path, "deleted", error) from error

    def _below(self, folder: Path) -> Iterator[str]:
        root, aside = f"{self._root}{os.sep}", str(self._root / ASIDE)
        for parent, _, names in os.walk(folder):
            if parent != aside:
                yield from (os.path.join(parent, name).removeprefix(root) for name in names)  # noqa: PTH118  # often

    def _write_aside(self, target: Path, data: bytes) -> Path:
        aside = self._aside_of(target)
        write_durably(aside, data)
        return aside

    def _aside_of(self, target: Path) -> Path:
        make_folders(target.parent)
        aside = self._root / ASIDE / secrets.token_hex(12)
        make_folders(aside.parent)
        return aside

    def _forget_abandoned(self) -> None:
        """Remove objects that crashed processes were writing."""
        for path in (self._root / ASIDE).glob("*"):
            try:
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()
            except FileNotFoundError:  # another process has removed it
                continue

    def _error(self, path: str, done: str, error: OSError) -> MagneticTierError:
        return MagneticTierError(f"{self.url}: {path!r} cannot be {done}: {error}")
