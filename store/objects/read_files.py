"""Files of others in a folder or a bucket: which there are, and their bytes as a stream."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from store.objects import s3_files
from store.objects.location import S3Location


def files_below(location: Path | S3Location, prefix: str) -> list[tuple[str, int]]:
    """The files whose path begins with `prefix`, ascending, with their sizes; not the hidden ones. Raises OSError."""
    files, root = _root(location)
    folder = prefix.rpartition("/")[0]
    base = f"{root}/{folder}" if folder else root
    selector = fs.FileSelector(base, recursive=True, allow_not_found=True)
    found = [
        (info.path.removeprefix(root).lstrip("/"), info.size) for info in files.get_file_info(selector) if info.is_file
    ]
    return sorted((path, size) for path, size in found if path.startswith(prefix) and not _is_hidden(path))


def open_file(location: Path | S3Location, path: str) -> pa.NativeFile:
    """The bytes of a file, from its beginning. Raises OSError."""
    files, root = _root(location)
    return files.open_input_stream(f"{root}/{path}", compression=None)  # it would go by the name


def open_parts(location: Path | S3Location, path: str) -> pa.NativeFile:
    """A file of which parts are read. Raises OSError."""
    files, root = _root(location)
    return files.open_input_file(f"{root}/{path}")


def _root(location: Path | S3Location) -> tuple[fs.FileSystem, str]:
    if isinstance(location, Path):
        return fs.LocalFileSystem(), str(location)
    return s3_files.filesystem(location), location.key("")


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".")
