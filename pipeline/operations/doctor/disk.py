"""The disks: free space compared with the log's limits, and the duration of an fsync, for which every PUBACK waits."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.operations.doctor.data_dir import nearest_existing
from pipeline.operations.doctor.finding import Finding, fail, ok, warn

NAME = "disk"
FSYNCS = 7
# An ack batch is open for 20 ms: PUBACKs wait for a disk that is slower than that. At half a second, connections soon
# get "server busy" (ListenerSettings.busy_after_s is 1 s).
SLOW_S = 0.05
TOO_SLOW_S = 0.5
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Disk:
    """Measurements of the log's disk. fsync_s: the median; None: not measured."""

    folder: Path
    free_bytes: int
    held_bytes: int  # by the log
    fsync_s: float | None


def check_disk(config: Config) -> Iterator[Finding]:
    """The log's disk, and the magnetic tier's if that is another one."""
    log = config.layout.log
    if config.log.url == "local":
        yield from judge_log(_look(log), max_bytes=config.log.max_bytes, min_free_bytes=config.log.min_free)
    magnetic = config.magnetic_url
    if "://" not in magnetic and _device(Path(magnetic)) != _device(log):
        yield from judge_magnetic(_look(Path(magnetic)))


def judge_log(disk: Disk, *, max_bytes: int, min_free_bytes: int) -> Iterator[Finding]:
    """Whether the log may grow, up to its limit."""
    free = f"{disk.free_bytes // _MIB:,} MiB free at {disk.folder}"
    room = disk.free_bytes - min_free_bytes
    if room <= 0:
        told = f"{free}, log.min_free keeps {min_free_bytes // _MIB:,} MiB: the gateway accepts nothing"
        yield fail(NAME, told, "make room, move data_dir to a larger disk, or lower log.min_free")
    elif room < max_bytes - disk.held_bytes:
        told = f"{free}: without a worker the log is full after {room // _MIB:,} MiB, not at log.max_bytes"
        yield warn(NAME, told, "make room, or lower log.max_bytes to what the disk can hold")
    else:
        yield ok(NAME, free)
    yield from _judge_fsync(disk)


def judge_magnetic(disk: Disk) -> Iterator[Finding]:
    """Whether history can be written."""
    free = f"{disk.free_bytes // _MIB:,} MiB free at {disk.folder}"
    if disk.free_bytes < 64 * _MIB:
        yield fail(NAME, f"{free}: the worker cannot commit", "make room, or shorten tables' retention.magnetic")
    else:
        yield ok(NAME, free)
    yield from _judge_fsync(disk)


def _judge_fsync(disk: Disk) -> Iterator[Finding]:
    if disk.fsync_s is None:
        return
    told = f"an fsync at {disk.folder} takes {disk.fsync_s * 1e3:.1f} ms"
    if disk.fsync_s >= TOO_SLOW_S:
        yield fail(NAME, f"{told}: devices wait as long for each PUBACK", "put data_dir on a local SSD")
    elif disk.fsync_s >= SLOW_S:
        yield warn(NAME, f"{told}: PUBACKs wait for it", "put data_dir on a local SSD, or end what else writes there")
    else:
        yield ok(NAME, told)


def _look(folder: Path) -> Disk:
    there = nearest_existing(folder)
    held = sum(file.stat().st_size for file in folder.glob("*.sqlite*")) if folder.exists() else 0
    # Nothing is created for a data_dir that does not exist.
    fsync_s = _fsync_s(folder) if folder.exists() and os.access(folder, os.W_OK) else None
    return Disk(folder, shutil.disk_usage(there).free, held, fsync_s)


def _fsync_s(folder: Path) -> float | None:
    """The median of a few fsyncs of a file without a name; None if the disk is full."""
    took = []
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            for _ in range(FSYNCS):
                probe.write(bytes(4096))
                probe.flush()
                began_s = time.perf_counter()
                os.fsync(probe.fileno())
                took.append(time.perf_counter() - began_s)
    except OSError:
        return None
    return statistics.median(took)


def _device(folder: Path) -> int:
    return nearest_existing(folder).stat().st_dev
