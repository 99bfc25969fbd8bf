"""Restores a backup into an empty data_dir and an empty magnetic tier.

Until everything is there and durable, both have a format that says so, and nothing starts on them: a restore that was
interrupted is run again, from its beginning.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline.base.errors import DataDirError
from pipeline.base.layout import FORMAT_VERSION, Layout, make_private, mark_restoring, restoring, write_format
from pipeline.base.lock import sole
from pipeline.config import Config
from pipeline.operations.backup.apart import refuse_inside
from pipeline.operations.doctor.data_dir import holder_of
from store import layout as store_layout
from store.backup.copying import Progress, in_threads
from store.backup.manifest import Entry, Manifest
from store.backup.place import Place
from store.errors import BackupError
from store.objects.files import make_all_durable, make_folders
from store.objects.location import locate
from store.tier_backup import MAGNETIC
from store.tier_restore import TierRestore, write


def restore(config: Config, place: Place, name: str, progress: Progress) -> Manifest:
    """Restore the backup `name`; returns its manifest. Raises BackupError, DataDirError, MagneticTierError."""
    manifest = place.manifest(name)
    layout = config.layout
    refuse_inside(config, place.url)
    _refuse_other(config, manifest, place)
    unfinished = _refuse_used(layout, name)
    make_private(layout)
    make_folders(layout.run)
    with (
        sole(layout.up_lock, "streamgauge up"),
        sole(layout.worker_lock, "streamgauge worker"),
        sole(layout.backup_lock, "streamgauge restore"),
    ):
        tier = TierRestore(config.magnetic_url, name)
        if unfinished != (name, True):
            if not _is_inside(config):
                tier.refuse_others()
            mark_restoring(layout, name)
            tier.begin()
            _files(layout, place, manifest, tier, progress)
            mark_restoring(layout, name, is_finishing=True)
        tier.finish(manifest.formats[1])
        write_format(layout, manifest.formats[0])
    return manifest


def _files(layout: Layout, place: Place, manifest: Manifest, tier: TierRestore, progress: Progress) -> None:
    work = layout.backup_work
    make_folders(work)

    def of_data_dir(entry: Entry) -> None:
        write(layout.data_dir / entry.path, place.read(entry))

    def of_tier(entry: Entry) -> None:
        tier.file(place, entry, work)

    def restored(entry: Entry) -> None:
        is_of_tier = entry.path.startswith(f"{MAGNETIC}/")
        write_entry: Callable[[Entry], None] = of_tier if is_of_tier else of_data_dir
        write_entry(entry)
        progress.done(entry.size_bytes)

    progress.begin("restoring", manifest.size_bytes)
    in_threads(restored, manifest.files)
    shutil.rmtree(work, ignore_errors=True)
    make_all_durable(layout.data_dir)


def _refuse_other(config: Config, manifest: Manifest, place: Place) -> None:
    """Raise BackupError for a backup that this program or this configuration cannot use, or that is not whole."""
    if manifest.formats[0] > FORMAT_VERSION or manifest.formats[1] > store_layout.FORMAT_VERSION:
        raise BackupError(
            f"the backup of {manifest.at} was made by streamgauge {manifest.product}, with formats {manifest.formats}; "
            f"this one reads up to {(FORMAT_VERSION, store_layout.FORMAT_VERSION)}: restore it with that version"
        )
    log = "kafka" if config.log_settings.is_kafka else "embedded"
    if manifest.log != log:
        raise BackupError(
            f"the backup of {manifest.at} is of a worker whose log was {manifest.log}; `log` of this configuration is "
            f"{log}: use the configuration of then"
        )
    missing = {entry.sha256 for entry in manifest.files} - place.hashes()
    if missing:
        raise BackupError(
            f"{place.url}: {len(missing)} files of the backup of {manifest.at} are missing: choose another"
        )


def _refuse_used(layout: Layout, name: str) -> tuple[str, bool] | None:
    """Raise DataDirError if the data_dir has anything, except what an interrupted restore has left.

    Returns that restore: its backup, and whether everything was there.
    """
    folder = layout.data_dir
    unfinished = restoring(layout)
    if unfinished is not None:
        if unfinished[0] != name:
            raise DataDirError(
                f"{folder}: the restore of another backup, {unfinished[0]}, did not finish here: remove what is in it"
            )
        return unfinished
    try:
        left = [path for path in folder.iterdir() if path != layout.run] if folder.exists() else []
    except OSError as error:
        raise DataDirError(f"{folder} cannot be read: {error.strerror}") from error
    if left:
        holder = holder_of(layout)
        used = "" if holder is None else f"is in use, {holder}, and "
        raise DataDirError(
            f"{folder} {used}is not empty: it has {min(path.name for path in left)}. A backup is restored into an "
            "empty folder: name another one with --data-dir, or move this one away"
        )
    return None


def _is_inside(config: Config) -> bool:
    """Whether the magnetic tier is a folder in the data_dir."""
    place = locate(config.magnetic_url, {})
    return isinstance(place, Path) and place.resolve().is_relative_to(config.layout.data_dir.resolve())
