"""`streamgauge backup` and `streamgauge restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.config.load import Loaded
from pipeline.operations.cli.asking import format_option
from pipeline.operations.cli.backup_progress import shown_progress
from pipeline.operations.cli.moment import Moment
from pipeline.operations.cli.options import settings_options
from pipeline.operations.cli.output import Listing, print_text, show
from store.values.times import rfc3339

if TYPE_CHECKING:
    from store.backup.place import Place

_COLUMNS = ("at", "files", "bytes", "log", "product")
_MB = 1e6


@click.command(short_help="Back up everything while it runs; list or verify backups.")
@click.argument("to", metavar="TO")
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Then remove all but the newest N backups.")
@click.option("--list", "is_list", is_flag=True, help="List the backups in TO, and make none.")
@click.option("--verify", is_flag=True, help="Read a backup in TO again and compare hashes, and make none.")
@click.option("--at", "at_ns", type=Moment(), help="With --verify: the newest backup of this time or before.")
@format_option()
@settings_options
def backup(
    loaded: Loaded, to: str, keep: int | None, at_ns: int | None, form: str, *, is_list: bool, verify: bool
) -> int:
    """Back up tables, alerts, dead letters, the state of rules, tasks and the log, to a folder or s3://bucket/prefix.

    It may run while the server runs, on its machine and as its user, with the same options. Everything that was
    acknowledged before is in the backup. What another backup in TO has is not copied again.
    """
    from store.backup.place import Place  # noqa: PLC0415  # slow to import; --help does without

    if is_list + verify + (keep is not None) > 1 or (at_ns is not None and not verify):
        raise click.UsageError("--list, --verify and --keep exclude each other, and --at needs --verify")
    if is_list:
        _list(Place(to), form)
        return 0
    if verify:
        return _verify(Place(to), at_ns)
    _make(loaded, to, keep)
    return 0


@click.command(short_help="Restore a backup into an empty data_dir.")
@click.argument("source", metavar="FROM")
@click.option("--at", "at_ns", type=Moment(), help="The newest backup of this time or before.  [default: the newest]")
@settings_options
def restore(loaded: Loaded, source: str, at_ns: int | None) -> None:
    """Restore a backup from the folder or s3://bucket/prefix FROM.

    Its data_dir, and its magnetic tier if that is elsewhere, must be empty or missing. Each file is compared with its
    hash. Nothing starts on the data_dir before everything is there: a restore that was interrupted is run again.
    """
    from pipeline.operations.backup.on_kafka import needs  # noqa: PLC0415  # as above
    from pipeline.operations.backup.restoring import restore as restored  # noqa: PLC0415  # as above
    from store.backup.place import Place  # noqa: PLC0415  # as above

    config, place = loaded.config, Place(source)
    name = place.newest(_rfc3339(at_ns))
    with shown_progress() as progress:
        manifest = restored(config, place, name, progress)
    print_text(f"{config.data_dir} is as it was at {manifest.at}: {_size(manifest.size_bytes)}")
    if config.log_settings.is_kafka:
        for line in needs(config, manifest):
            print_text(line)
    print_text(
        "Do not run it beside the one that it was made of: they would be one client of each broker and receiver."
    )


def _make(loaded: Loaded, to: str, keep: int | None) -> None:
    from pipeline.operations.backup.making import make_backup, prune  # noqa: PLC0415  # as above

    with shown_progress() as progress:
        place, manifest, new_bytes = make_backup(loaded.config, to, progress)
    told = f"{len(manifest.files)} files, {_size(manifest.size_bytes)}, of which {_size(new_bytes)} are new"
    print_text(f"backup of {manifest.at} in {place.url}: {told}")
    if keep is not None:
        removed, files = prune(loaded.config, place, keep)
        print_text(f"removed {len(removed)} older backups, and {files} files that no other needs")


def _list(place: Place, form: str) -> None:
    manifests = [place.manifest(name) for name in place.names()]
    rows = [(found.at, len(found.files), found.size_bytes, found.log, found.product) for found in manifests]
    document = {"backups": [dict(zip(_COLUMNS, row, strict=True)) for row in rows]}
    show(Listing(_COLUMNS, rows, document, "backups"), form)


def _verify(place: Place, at_ns: int | None) -> int:
    manifest = place.manifest(place.newest(_rfc3339(at_ns)))
    with shown_progress() as progress:
        progress.begin("verifying", manifest.size_bytes)
        faults = list(place.verify(manifest, progress.done))
    for fault in faults:
        print_text(fault)
    if not faults:
        print_text(f"the backup of {manifest.at} is whole: {len(manifest.files)} files, {_size(manifest.size_bytes)}")
    return int(bool(faults))


def _rfc3339(at_ns: int | None) -> str | None:
    return None if at_ns is None else rfc3339(at_ns, 3)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MB:,.1f} MB"
