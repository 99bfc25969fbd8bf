"""New files of any size in a folder or a bucket, written as a stream: whole and durable, or not there.

In a folder a file is written beside its place and renamed; in a bucket an upload is visible once it is complete. Of a
process that is killed an invisible part may remain: `.<name>.new` in a folder, an incomplete upload in a bucket.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from store.objects import s3_files
from store.objects.files import fsync_file, make_folders, put_in_place
from store.objects.location import S3Location


class NewFile(Protocol):
    """A file that is being written. `stream` raises OSError."""

    stream: pa.NativeFile

    def finish(self) -> None:
        """Make it visible, whole and durable. Raises OSError."""
        ...

    def discard(self) -> None:
        """Leave nothing of it, whether it is finished or not, as far as its place can be reached."""
        ...


def new_file(location: Path | S3Location, path: str) -> NewFile:
    """A new file at `path` below a location; replaces an existing one. Raises OSError."""
    return _InFolder(location / path) if isinstance(location, Path) else _InBucket(location, path)


def write_json(new: NewFile, content: Any) -> None:
    """Write this as indented JSON, and finish the file. Raises OSError; then nothing of it is left."""
    try:
        new.stream.write(msgspec.json.format(msgspec.json.encode(content)))
        new.finish()
    except OSError:
        new.discard()
        raise


class _InFolder:
    def __init__(self, path: Path) -> None:
        make_folders(path.parent)
        self._path = path
        self._aside = path.with_name(f".{path.name}.new")
        self.stream = pa.OSFile(str(self._aside), "wb")

    def finish(self) -> None:
        """See `NewFile`."""
        self.stream.close()
        fsync_file(self._aside)
        put_in_place(self._aside, self._path)

    def discard(self) -> None:
        """See `NewFile`."""
        with suppress(OSError):
            self.stream.close()
            self._aside.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)


class _InBucket:
    def __init__(self, location: S3Location, path: str) -> None:
        self._files = s3_files.filesystem(location)
        self._key = location.key(path)
        self.stream = self._files.open_output_stream(self._key, compression=None)  # it would go by the name

    def finish(self) -> None:
        """See `NewFile`."""
        self.stream.close()

    def discard(self) -> None:
        """See `NewFile`. An upload cannot be given up through pyarrow: it is completed, and deleted."""
        with suppress(OSError):
            self.stream.close()
        with suppress(OSError):
            self._files.delete_file(self._key)
