"""Every name on disk that is not inside a part's own folder, and the format version of a data_dir.

data_dir/
├── format.json          the product that wrote this folder, and the format version
├── id                   a random id, which the magnetic tier names as its owner (pipeline.worker.tier_owner)
├── log/                 the durable log (pipeline.log)
├── magnetic/            the magnetic tier, unless `magnetic.url` says otherwise: tables, catalog, state (store)
├── brokers/             client ids and subscriptions of the gateways (pipeline.gateway.brokers)
├── alerts.sqlite        alerts and deliveries (pipeline.alerting.archive)
├── dead_letters.sqlite  what could not be processed (pipeline.alerting.archive)
└── run/                 valid only while a process runs
    ├── up.lock          held by `up`
    ├── up.json          pid and addresses of a running `up`
    ├── worker.lock      held by the one worker of this data_dir
    ├── trim.lock        held while the log is trimmed, and while a backup needs what it has
    ├── backup.lock      held by the one backup or restore of this data_dir
    ├── backup/          temporary files of these
    └── metrics/         metrics of all processes
"""

from __future__ import annotations

import json
import logging
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.errors import DataDirError
from store.objects.files import make_all_durable, make_folders, read_if_there
from store.objects.kept_files import read_kept, sound_copy, write_kept

log = logging.getLogger(__name__)

PRIVATE = 0o700
OTHERS = 0o077  # the rights of everybody but the owner
FORMAT_VERSION = 2
RESTORING = 0  # a backup is being restored
FORMER_VERSION = 1  # which the worker migrates (pipeline.worker.migration)


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths in one data_dir."""

    data_dir: Path

    @property
    def format(self) -> Path:
        """The file that says the folder's format version."""
        return self.data_dir / "format.json"

    @property
    def id(self) -> Path:
        """The file with the random id of this data_dir."""
        return self.data_dir / "id"

    @property
    def log(self) -> Path:
        """The durable log's folder."""
        return self.data_dir / "log"

    @property
    def magnetic(self) -> Path:
        """The folder of the magnetic tier, if no other is configured."""
        return self.data_dir / "magnetic"

    @property
    def former_store(self) -> Path:
        """The store's folder in format 1."""
        return self.data_dir / "store"

    @property
    def former_rules(self) -> Path:
        """The rule state's folder in format 1."""
        return self.data_dir / "rules"

    @property
    def brokers(self) -> Path:
        """Client ids and subscriptions of the gateways at brokers."""
        return self.data_dir / "brokers"

    @property
    def alerts(self) -> Path:
        """The archive of alerts and deliveries."""
        return self.data_dir / "alerts.sqlite"

    @property
    def dead_letters(self) -> Path:
        """The archive of dead letters."""
        return self.data_dir / "dead_letters.sqlite"

    @property
    def run(self) -> Path:
        """Files that are valid only while a process runs."""
        return self.data_dir / "run"

    @property
    def up_lock(self) -> Path:
        """Held by `up`."""
        return self.run / "up.lock"

    @property
    def up_state(self) -> Path:
        """The pid and the addresses of a running `up`."""
        return self.run / "up.json"

    @property
    def worker_lock(self) -> Path:
        """Held by the worker, because the archives have one writer."""
        return self.run / "worker.lock"

    @property
    def trim_lock(self) -> Path:
        """Held while the log is trimmed, and while a backup needs everything that the log has."""
        return self.run / "trim.lock"

    @property
    def backup_lock(self) -> Path:
        """Held by a backup or a restore."""
        return self.run / "backup.lock"

    @property
    def backup_work(self) -> Path:
        """Temporary files of a backup or a restore."""
        return self.run / "backup"

    @property
    def metrics(self) -> Path:
        """Metrics of all processes on this data_dir, one file each."""
        return self.run / "metrics"


def mode_for_others(folder: Path) -> str | None:
    """The mode of the folder as text, if others than its owner can enter it; else None. Raises OSError."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    return f"{mode:04o}" if mode & OTHERS else None


def prepare(layout: Layout) -> None:
    """Create the data_dir if it is missing, and check its format. Raises DataDirError.

    Its owner alone can read it; what ended processes left in it is made durable.
    """
    try:
        make_private(layout)
        make_all_durable(layout.data_dir)
        refuse_other_format(layout)
        if format_version_of(layout.format) is None:
            # if format.json is lost and there is a folder that only format 1 had, write version 1, so that it is
            # migrated
            write_format(layout, FORMER_VERSION if layout.former_store.exists() else FORMAT_VERSION)
        read_kept(layout.format)  # makes a damaged one again
        layout.metrics.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataDirError(f"data_dir {layout.data_dir} cannot be used: {error.strerror}: {error.filename}") from error


def make_private(layout: Layout) -> None:
    """Create the data_dir if it is missing; its owner alone can read it. Raises OSError."""
    was_there = layout.data_dir.exists()
    make_folders(layout.data_dir)
    _close_to_others(layout.data_dir, logging.INFO if was_there else logging.DEBUG)


def _close_to_others(folder: Path, level: int) -> None:
    mode = mode_for_others(folder)
    if mode is None:
        return
    try:
        folder.chmod(PRIVATE)
    except OSError as error:  # it belongs to another user, as a mounted volume may
        log.warning("data_dir %s has mode %s, so that others can read it: %s", folder, mode, error.strerror)
    else:
        log.log(level, "data_dir %s had mode %s; now its owner alone can read it", folder, mode)


def write_format(layout: Layout, version: int = FORMAT_VERSION) -> None:
    """Write the format version of the data_dir, durably."""
    form = {"product": "streamgauge", "format_version": version}
    write_kept(layout.format, json.dumps(form).encode())


def mark_restoring(layout: Layout, backup: str, *, is_finishing: bool = False) -> None:
    """Have the data_dir refused until `write_format`, durably: a backup is being restored into it."""
    form = {"product": "streamgauge", "format_version": RESTORING, "backup": backup, "is_finishing": is_finishing}
    write_kept(layout.format, json.dumps(form).encode())


def restoring(layout: Layout) -> tuple[str, bool] | None:
    """The backup whose restore did not finish here, and whether only formats were missing; else None.

    Raises DataDirError if the data_dir cannot be read.
    """
    try:
        data = sound_copy(layout.format) or read_if_there(layout.format)
    except OSError as error:
        raise DataDirError(f"data_dir {layout.data_dir} cannot be read: {error.strerror}: {error.filename}") from error
    try:
        form = json.loads(data or b"{}")
        return (form["backup"], form["is_finishing"]) if form["format_version"] == RESTORING else None
    except (ValueError, KeyError, TypeError):
        return None


def refuse_other_format(layout: Layout) -> None:
    """Raise DataDirError if the data_dir has a format version that this program cannot read."""
    unfinished = restoring(layout)
    if unfinished is not None:
        raise DataDirError(
            f"{layout.data_dir}: a restore of the backup {unfinished[0]} did not finish here: run `streamgauge "
            "restore` again, with --at if that was not the newest backup"
        )
    version = format_version_of(layout.format)
    if version not in (None, FORMAT_VERSION, FORMER_VERSION):
        raise DataDirError(
            f"{layout.format}: the folder has format version {version}; this streamgauge reads {FORMAT_VERSION}, "
            f"and migrates {FORMER_VERSION}. "
            f"A newer one wrote it: run that one, or name another data_dir. {_if_damaged(layout.format)}"
        )


def _if_damaged(path: Path) -> str:
    """What to do if a format.json without a copy is damaged: a missing one is made from what else there is.

    The log and the magnetic tier have format versions of their own, which are checked after it.
    """
    return (
        f"If no newer one was used here, the file is damaged: `{remedy_of_damaged(path)}`, and start again: it is made "
        "anew from what else the folder has"
    )


def remedy_of_damaged(path: Path) -> str:
    """The command that puts a damaged format.json out of the way."""
    return f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.damaged')}"


def format_version_of(path: Path) -> int | None:
    """The version in a format.json or its copy; None if there is none. Raises DataDirError if it has no version."""
    data = sound_copy(path)
    if data is None:
        if not path.exists():
            return None
        data = path.read_bytes()
    try:
        version = json.loads(data)["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataDirError(
            f"{path} does not say a format version: is this a data_dir of streamgauge? {_if_damaged(path)}"
        ) from error
    if not isinstance(version, int):
        raise DataDirError(f"{path}: format_version is {version!r}; it is a whole number. {_if_damaged(path)}")
    return version
