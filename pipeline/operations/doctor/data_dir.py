"""The data_dir: whether it exists, is ours and writable, has a readable format, and which process uses it."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.errors import DataDirError
from pipeline.base.layout import (
    Layout,
    format_version_of,
    mode_for_others,
    refuse_other_format,
    remedy_of_damaged,
)
from pipeline.base.process import describe
from pipeline.config import Config
from pipeline.log import names as log_names
from pipeline.operations.doctor.finding import Finding, fail, ok, warn
from store import layout as store_layout
from store.objects.objects import open_objects
from store.state_objects import format_of

NAME = "data_dir"
_LOCKS = Path("/proc/locks")


def check_data_dir(config: Config) -> Iterator[Finding]:
    """Checks existence, writability, formats and the process that uses it, in this order, as far as possible."""
    layout = config.layout
    folder = layout.data_dir
    if not folder.exists():
        yield _absent(folder)
        return
    if not folder.is_dir():
        yield fail(NAME, f"{folder} is not a folder", "name another with data_dir: or --data-dir")
        return
    refusal = _refusal_to_write(folder)
    if refusal is not None:
        remedy = "make room on its disk" if refusal.errno == errno.ENOSPC else f"chown -R USER {folder}"
        yield fail(NAME, f"{folder} cannot be written by this user: {refusal.strerror}", remedy)
        return
    wrong = list(_wrong_formats(layout, Path(config.magnetic_url) / store_layout.OBJECTS))
    yield from wrong
    if not wrong:
        yield ok(NAME, f"{folder} can be written; its format is one this program reads")
    mode = mode_for_others(folder)
    if mode is not None:
        yield warn(NAME, f"{folder} has mode {mode}: others on this machine can read it", f"chmod 700 {folder}")
    holder = holder_of(layout)
    if holder is not None:
        yield ok(NAME, f"in use: {holder}")


def _absent(folder: Path) -> Finding:
    parent = nearest_existing(folder)
    if os.access(parent, os.W_OK | os.X_OK):
        return ok(NAME, f"{folder} is not there yet; the first start makes it")
    return fail(NAME, f"{folder} is not there, and this user cannot make it in {parent}", f"mkdir and chown {folder}")


def nearest_existing(folder: Path) -> Path:
    """`folder`, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _refusal_to_write(folder: Path) -> OSError | None:
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:  # it has no name any more when it is written
            probe.write(b"probe")
            probe.flush()
    except OSError as error:
        return error
    return None


def _wrong_formats(layout: Layout, store: Path) -> Iterator[Finding]:
    """`store` has the state next to the tables, if these are in a folder."""
    remedy = "run the newer program that wrote it, or name another data_dir"
    try:
        if any(layout.data_dir.iterdir()) and format_version_of(layout.format) is None:
            told = f"{layout.data_dir} is not empty, and has no {layout.format.name}"
            yield warn(NAME, told, "check that it is the right folder: streamgauge would use it as its data_dir")
        refuse_other_format(layout)
    except DataDirError as error:
        yield fail(NAME, str(error), f"{remedy}; if it is damaged: {remedy_of_damaged(layout.format)}")
    description = layout.log / log_names.DESCRIPTION
    if description.exists():
        version = _number(description, "format_version")
        if version not in (log_names.FORMAT_VERSION, log_names.FORMER_VERSION):
            told = f"{description}: the log has format {version}; this program reads {log_names.FORMAT_VERSION}"
            yield fail(NAME, told, remedy)
    found = format_of(open_objects(str(store))) if (store / store_layout.FORMAT).exists() else None
    if found is not None and found.decode().strip() not in ("1", str(store_layout.FORMAT_VERSION)):
        told = f"{store / store_layout.FORMAT}: the store has format {found.decode().strip()!r}; "
        yield fail(NAME, f"{told}this program reads {store_layout.FORMAT_VERSION}", remedy)


def _number(path: Path, key: str) -> object:
    try:
        return json.loads(path.read_bytes())[key]
    except (ValueError, KeyError, TypeError):
        return None


def holder_of(layout: Layout) -> str | None:
    """The process that uses this data_dir, in words; None if there is none.

    Takes no lock, because `up` may start now.
    """
    for lock in (layout.up_lock, layout.worker_lock):
        try:
            inode, text = lock.stat().st_ino, lock.read_text().strip()
        except OSError:
            continue
        if _is_locked(inode):
            return describe(int(text)) if text.isdigit() else "by another process"
    return None


def _is_locked(inode: int) -> bool:
    """Whether a file of this inode has an flock: proc(5), "/proc/locks"; the sixth field is MAJOR:MINOR:INODE."""
    try:
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return False
    fields = [line.split() for line in lines]
    return any(words[1] == "FLOCK" and words[5].rpartition(":")[2] == str(inode) for words in fields if len(words) > 5)
