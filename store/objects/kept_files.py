"""Small files with a copy next to them, `<name>.copy`, which ends with its checksum: from it they are made again.

The copy is written first: after a crash in between the file becomes what it was to be.
"""

from __future__ import annotations

from pathlib import Path

from store.objects.checksum import seal, unseal
from store.objects.damage import Outcome, report
from store.objects.files import read_if_there, write_atomic

SUFFIX = ".copy"


def copy_of(path: Path) -> Path:
    """The copy of the file at `path`."""
    return path.with_name(path.name + SUFFIX)


def write_kept(path: Path, data: bytes) -> None:
    """Replace the file and its copy, durably."""
    write_atomic(copy_of(path), seal(path.name, data))
    write_atomic(path, data)


def read_kept(path: Path) -> bytes | None:
    """What was written; None if nothing was. If the file differs from its copy, it is made again."""
    found, kept = read_if_there(path), sound_copy(path)
    if kept is None:
        if found is not None:
            write_atomic(copy_of(path), seal(path.name, found))
        return found
    if found != kept:
        report("file", f"{path} was not as it was written, and is made again from its copy", Outcome.MADE_AGAIN)
        write_atomic(path, kept)
    return kept


def sound_copy(path: Path) -> bytes | None:
    """The content of the copy; None if there is none, or if it is damaged."""
    data = read_if_there(copy_of(path))
    return None if data is None else unseal(path.name, data)
