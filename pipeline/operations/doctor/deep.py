"""`doctor --deep`: verifies every file that has a checksum, and changes nothing, also while the server runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pipeline.alerting.archive import verification as archives
from pipeline.base.layout import Layout
from pipeline.config import Config
from pipeline.log import verify_log
from pipeline.operations.doctor.data_dir import holder_of
from pipeline.operations.doctor.finding import Finding, fail, ok
from store.objects.kept_files import copy_of, sound_copy
from store.state_objects import url_of
from store.verification import REPAIRED, Fault, verify_state, verify_tables

NAME = "deep"
_MORE_LOOKS = 2
_UNREADABLE = "let this user read it; if it is the disk, restore from a backup"


def verify(config: Config, progress: Callable[[str], None]) -> list[Finding]:
    """A finding for each damaged file; `progress` is told what is verified next."""
    began_s = time.monotonic()
    found = [fail(NAME, f"{fault.what}: {fault.fault}", fault.remedy) for fault in _faults(config, progress)]
    took = f"{time.monotonic() - began_s:.1f} s"
    return found or [ok(NAME, f"log, archives, catalog, saved state and tables are as they were written ({took})")]


def _faults(config: Config, progress: Callable[[str], None]) -> Iterator[Fault]:
    layout = config.layout
    is_running = holder_of(layout) is not None
    for part in _parts(config, progress, is_running=is_running):
        found = _look(part)
        for _ in range(_MORE_LOOKS if is_running else 0):  # a file may have been replaced, or gone, while it was read
            if found:
                again = {fault.what for fault in _look(part)}
                found = [fault for fault in found if fault.what in again]
        yield from found


def _parts(
    config: Config, progress: Callable[[str], None], *, is_running: bool
) -> Iterator[Callable[[], Iterator[Fault]]]:
    """What verifies each part of everything."""
    layout = config.layout

    def log() -> Iterator[Fault]:
        for what, fault in verify_log(config.log_settings, progress, is_running=is_running):
            yield Fault(what, fault, REPAIRED)

    def archive(path: Path) -> Iterator[Fault]:
        progress(str(path))
        for fault in archives.verify(path, is_running=is_running):
            yield Fault(str(path), fault, REPAIRED)

    if layout.data_dir.exists():
        yield from (partial(_small_files, layout), log, partial(archive, layout.alerts))
        yield partial(archive, layout.dead_letters)
    if "://" in config.magnetic_url or Path(url_of(config.magnetic_url)).exists():
        yield partial(verify_state, config.magnetic_url, progress)
        yield partial(verify_tables, config.magnetic_url, progress)


def _look(part: Callable[[], Iterator[Fault]]) -> list[Fault]:
    found: list[Fault] = []
    try:
        found += part()
    except OSError as error:
        found.append(Fault(error.filename or NAME, f"it cannot be read: {error}", _UNREADABLE))
    return found


def _small_files(layout: Layout) -> Iterator[Fault]:
    for path in (layout.format, layout.id, *sorted(layout.brokers.glob("*.json"))):
        kept = sound_copy(path)
        if kept is not None and (not path.exists() or path.read_bytes() != kept):
            yield Fault(str(path), "it is not as it was written", "restart: it is made again from its copy")
        elif kept is None and copy_of(path).exists():
            yield Fault(str(copy_of(path)), "it does not match its checksum", "restart: it is made again")
