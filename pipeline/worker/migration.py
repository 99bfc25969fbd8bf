"""Migrates a data_dir of format 1 to format 2: the state of a lone worker moves to where every worker keeps it.

In format 1 a worker on the embedded log had its catalog, positions, series and checkpoint in `store/` and its rule
state in `rules/`; a worker on Kafka had them as objects next to its tables. In format 2 all workers do
(docs/formats.md).

The migration is atomic: the new files are made next to the old ones, which do not change; then version 2 is written to
`format.json`; then the old files are removed. A start that finds version 1 makes the new files again, with the same
result; one that finds version 2 removes remaining old files.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec
import orjson

from pipeline.base.layout import FORMAT_VERSION, FORMER_VERSION, Layout, format_version_of, write_format
from pipeline.config import Config
from pipeline.log.log import LogAdmin
from pipeline.log.topics import READINGS
from pipeline.stream.rule_state import RuleKeep
from store import layout as store_layout
from store.former import Former
from store.objects.files import fsync_folder
from store.objects.objects import Objects, open_root
from store.record import TableId
from store.state.partition_state import PartitionState
from store.state_objects import open_state

log = logging.getLogger(__name__)

LOW_WATERMARKS = "floors.json"


def migrate(config: Config, admin: LogAdmin) -> None:
    """Migrate the data_dir to this program's format. Called by its worker before it opens anything.

    Raises StoreFormatError, MagneticTierError: then nothing has changed.
    """
    if admin.others_take_over:
        return  # such a worker had no state of its own
    layout = config.layout
    if format_version_of(layout.format) == FORMER_VERSION:
        tables, blocks = _make_new(config, admin)
        write_format(layout)
        log.warning(
            "data_dir %s is migrated from format %d: the catalog, what is known of %d tables and the state of rules "
            "on %d of them are in %s/%s now; earlier programs cannot read it any more",
            layout.data_dir,
            FORMER_VERSION,
            tables,
            blocks,
            config.magnetic_url.rstrip("/"),
            store_layout.OBJECTS,
        )
    if format_version_of(layout.format) == FORMAT_VERSION:
        _remove_old(layout)


def _make_new(config: Config, admin: LogAdmin) -> tuple[int, int]:
    """The number of tables, and of those with rule state."""
    layout = config.layout
    own = admin.partition_id(READINGS)
    objects = open_state(config.magnetic_url)
    former = Former.read(layout.former_store)
    blocks = _hand_rules_over(layout.former_rules, objects, own)
    former.hand_over(objects, open_root(config.magnetic_url), own)
    return 0 if former.document is None else len(former.document.tables), blocks


def _hand_rules_over(folder: Path, objects: Objects, own: str) -> int:
    keep = RuleKeep(PartitionState(objects, own), own)
    count = 0
    for block, file in _states(folder):
        data = file.read_bytes()
        try:
            position = msgspec.msgpack.decode(data)[1].get(own, -1)
        except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, AttributeError) as error:
            log.warning("the rules of %s start with empty state: %s is damaged: %r", block, file, error)
            continue
        keep.save(block, data, max(position, 0))
        count += 1
    low_watermark = _floor(folder / LOW_WATERMARKS, own)
    if low_watermark is not None:
        keep.save_low_watermark(low_watermark)
    return count


def _states(folder: Path) -> Iterator[tuple[TableId, Path]]:
    for file in sorted(folder.glob("*/*/*.state")):
        yield TableId(unquote(file.parts[-3]), unquote(file.parts[-2]), unquote(file.stem)), file


def _floor(path: Path, own: str) -> int | None:
    try:
        low_watermark = orjson.loads(path.read_bytes()).get(own)
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError) as error:
        log.warning("the rules are evaluated for the whole log: %s: %s", path, error)
        return None
    return low_watermark if isinstance(low_watermark, int) else None


def _remove_old(layout: Layout) -> None:
    """Remove only files of format 1, because a folder `rules` may also contain files of the operator."""
    if layout.former_store.exists():
        shutil.rmtree(layout.former_store)
    for _, file in list(_states(layout.former_rules)):
        file.unlink()
        with contextlib.suppress(OSError):  # not empty
            file.parent.rmdir()
            file.parent.parent.rmdir()
    (layout.former_rules / LOW_WATERMARKS).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty, or missing
        layout.former_rules.rmdir()
    fsync_folder(layout.data_dir)
