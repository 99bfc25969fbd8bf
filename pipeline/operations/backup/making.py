"""Makes a backup while everything runs.

The rule is that of `store.tier_backup`, for all of it: effects first, causes last. So the log comes last, from the low
watermarks that came first, and holds what is missing in all that was copied in between. Until then it is not trimmed:
the files of history, most of the work, are copied before that begins.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from pipeline.alerting.archive.copying import copy_archive
from pipeline.base.errors import DataDirError, DataDirLocked
from pipeline.base.layout import FORMAT_VERSION, Layout, format_version_of, refuse_other_format
from pipeline.base.lock import sole
from pipeline.config import Config
from pipeline.log import copy_log
from pipeline.operations.backup.apart import refuse_inside
from pipeline.operations.backup.on_kafka import wait_until_saved
from store import layout as store_layout
from store.backup.copying import Copier, Progress
from store.backup.manifest import Manifest
from store.backup.place import Place
from store.errors import BackupError
from store.objects.file_lock import FileLock, Taken
from store.objects.files import make_folders, read_if_there
from store.objects.kept_files import copy_of, sound_copy
from store.objects.objects import open_objects
from store.state_objects import format_of, url_of
from store.tier_backup import TierCopy
from store.values.times import rfc3339

NICENESS = 10
TRIM_TIMEOUT_S = 60.0
_LOOK_EVERY_S = 0.05


def make_backup(config: Config, url: str, progress: Progress) -> tuple[Place, Manifest, int]:
    """Make a backup in the place at `url`; returns it, the manifest, and the bytes that were not there before.

    Raises BackupError, DataDirError, LogError, MagneticTierError.
    """
    layout = config.layout
    _refuse_unusual(config)
    refuse_inside(config, url)
    os.nice(NICENESS)
    with sole(layout.backup_lock, "streamgauge backup"), _work_folder(layout) as work:
        place = Place(url, is_new=True)
        names = place.names()
        before = place.manifest(names[-1]) if names else None
        _refuse_of_another(config, place, before)
        copier = Copier(place, work, before, progress)
        tier = TierCopy(config.magnetic_url, copier)
        progress.begin("history")
        tier.files_ahead()
        kafka = config.log_settings.is_kafka
        manifest = _on_kafka(config, tier, copier, work) if kafka else _on_embedded_log(config, tier, copier, work)
        place.finish(manifest)
        return place, manifest, copier.new_bytes


def prune(config: Config, place: Place, keep: int) -> tuple[list[str], int]:
    """Remove all but the newest `keep` backups, and files that none of them has; what was removed."""
    with sole(config.layout.backup_lock, "streamgauge backup"):
        return place.prune(keep)


def _on_embedded_log(config: Config, tier: TierCopy, copier: Copier, work: Path) -> Manifest:
    with _untrimmed(config.layout):
        copier.progress.begin("state")
        positions = tier.low_watermarks()
        tier.rest()
        _copy_data_dir(config.layout, copier, work)
        copier.progress.begin("log")
        at = rfc3339(time.time_ns(), 3)

        def told(path: Path) -> None:
            copier.file(f"log/{path.name}", path)

        firsts = copy_log(config.log_settings, work / "log", told)
    for partition, offset in positions.items():
        if firsts.get(partition, 0) > offset:
            raise BackupError(
                f"the log was trimmed up to offset {firsts[partition]} while this backup needed it from {offset} on: "
                "is a worker of an earlier version running? Restart it"
            )
    return _manifest(config, copier, at, positions)


def _on_kafka(config: Config, tier: TierCopy, copier: Copier, work: Path) -> Manifest:
    """Kafka keeps its messages itself, but only until they are saved: so all of before are saved first."""
    copier.progress.begin("waiting until the workers have saved what Kafka has")
    at = rfc3339(time.time_ns(), 3)
    wait_until_saved(config)
    copier.progress.begin("state")
    positions = tier.low_watermarks()
    tier.rest()
    _copy_data_dir(config.layout, copier, work)
    return _manifest(config, copier, at, positions)


def _copy_data_dir(layout: Layout, copier: Copier, work: Path) -> None:
    """Copy what the data_dir has besides the log and the magnetic tier: id, archives, what gateways know of brokers."""
    brokers = sorted(layout.brokers.iterdir()) if layout.brokers.is_dir() else []
    for path in (layout.id, copy_of(layout.id), *(path for path in brokers if path.suffix != ".lock")):
        data = read_if_there(path) if path.is_file() else None
        if data is not None:
            copier.data(path.relative_to(layout.data_dir).as_posix(), data)
    for path in (layout.alerts, layout.dead_letters):
        if path.exists():
            copy_archive(path, work / path.name)
            copier.file(path.name, work / path.name)


def _refuse_of_another(config: Config, place: Place, before: Manifest | None) -> None:
    """Raise BackupError if the place has backups of another data_dir: `--keep` would remove them.

    Workers that share a Kafka log have a data_dir each, and any of them makes the backups.
    """
    if before is None or before.log == "kafka":
        return
    own = _data_dir_id(config)
    if own and before.data_dir_id != own:
        raise BackupError(
            f"{place.url} has backups of another data_dir, whose id is {before.data_dir_id}; that of "
            f"{config.layout.data_dir} is {own}: give each data_dir a place of its own"
        )


def _data_dir_id(config: Config) -> str:
    return (sound_copy(config.layout.id) or read_if_there(config.layout.id) or b"").decode(errors="replace").strip()


def _manifest(config: Config, copier: Copier, at: str, positions: dict[str, int]) -> Manifest:
    return Manifest(
        at=at,
        product=version("streamgauge"),
        data_dir_id=_data_dir_id(config),
        formats=(FORMAT_VERSION, store_layout.FORMAT_VERSION),
        log="kafka" if config.log_settings.is_kafka else "embedded",
        positions=positions,
        files=copier.entries,
    )


def _refuse_unusual(config: Config) -> None:
    """Raise DataDirError or BackupError if there is nothing to back up, or in a format of before."""
    layout = config.layout
    refuse_other_format(layout)
    found = format_version_of(layout.format)
    if found is None:
        raise DataDirError(f"{layout.data_dir} is no data_dir: there is nothing to back up")
    tier = format_of(open_objects(url_of(config.magnetic_url)))
    if found != FORMAT_VERSION or tier != f"{store_layout.FORMAT_VERSION}\n".encode():
        raise BackupError(
            f"{layout.data_dir} or its magnetic tier has a format of an earlier version: start the worker once, which "
            "migrates it, and try again"
        )


@contextmanager
def _work_folder(layout: Layout) -> Iterator[Path]:
    """An empty folder for temporary files; what a killed backup has left in it is removed."""
    shutil.rmtree(layout.backup_work, ignore_errors=True)
    make_folders(layout.backup_work)
    try:
        yield layout.backup_work
    finally:
        shutil.rmtree(layout.backup_work, ignore_errors=True)


@contextmanager
def _untrimmed(layout: Layout) -> Iterator[None]:
    """Within the block nothing is removed from the log. A backup that is killed lets go of it at once."""
    deadline = time.monotonic() + TRIM_TIMEOUT_S
    while True:
        try:
            lock = FileLock(layout.trim_lock)
        except Taken as taken:
            if time.monotonic() > deadline:
                raise DataDirLocked(f"{layout.trim_lock}: {taken}, for more than {TRIM_TIMEOUT_S:.0f} s") from None
            time.sleep(_LOOK_EVERY_S)
        else:
            with lock:
                yield
            return
