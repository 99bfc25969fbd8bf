"""Sets a damaged SQLite file aside, in the folder `damaged` next to it, and repairs its WAL. For files nobody uses."""

from __future__ import annotations

from pathlib import Path

from pipeline.base.sqlite_files.wal import HEADER_BYTES, RepairedWal, repair_wal
from store.objects.files import fsync_folder, make_folders, put_in_place, write_durably

FOLDER = "damaged"
WAL, SHM = "-wal", "-shm"


def wal_of(path: Path) -> Path:
    """The WAL of the file at `path`."""
    return path.with_name(path.name + WAL)


def set_aside(path: Path) -> Path:
    """Move the file and its WAL to the folder of damaged files; returns the file there."""
    target = _place(path)
    for suffix in ("", WAL):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.replace(target.with_name(target.name + suffix))
    path.with_name(path.name + SHM).unlink(missing_ok=True)
    fsync_folder(path.parent)
    fsync_folder(target.parent)
    return target


def _place(path: Path) -> Path:
    """A path in the folder of damaged files that is not in use."""
    folder = path.parent / FOLDER
    make_folders(folder)
    number = 1
    while (folder / f"{path.name}.{number}").exists():
        number += 1
    return folder / f"{path.name}.{number}"


def pages_hidden(path: Path) -> int:
    """How many pages of its WAL SQLite would drop because of damage. Changes nothing."""
    wal = wal_of(path)
    data = wal.read_bytes() if wal.exists() else b""
    found = repair_wal(data, page_bytes_of(path)) if len(data) > HEADER_BYTES else None
    return 0 if found is None else found.frames


def page_bytes_of(path: Path) -> int:
    """The size of a page, as the file says; that of SQLite's default if it says none."""
    with path.open("rb") as file:
        page_bytes = int.from_bytes(file.read(18)[16:18])
    return page_bytes if 512 <= page_bytes <= 32768 and page_bytes.bit_count() == 1 else 4096


def repair_wal_of(path: Path, page_bytes: int, *, is_to_end: bool = False) -> RepairedWal | None:
    """Repair the WAL of the file at `path`, if damage in it would hide commits; returns what was found."""
    wal = wal_of(path)
    try:
        data = wal.read_bytes()
    except FileNotFoundError:
        return None
    repaired = repair_wal(data, page_bytes, is_to_end=is_to_end) if len(data) > HEADER_BYTES else None
    if repaired is not None:
        write_durably(_place(wal), data)
        new = wal.with_name(wal.name + ".new")
        write_durably(new, repaired.data)
        path.with_name(path.name + SHM).unlink(missing_ok=True)  # it is made again from the WAL
        put_in_place(new, wal)
    return repaired
