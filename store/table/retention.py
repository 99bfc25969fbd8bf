"""Deletion of rows that are older than the memory and magnetic retention of their table together.

Such rows are invisible to snapshots at once (`TableView.visible_from_ns`); here they are removed from both tiers, by
whole files and chunks.
"""

from __future__ import annotations

import logging

from store.catalog.catalog import TableSettings
from store.errors import MagneticConflict
from store.host_time import NO_CLOCK_BEFORE_NS
from store.table.core import Core

log = logging.getLogger(__name__)


def retain(core: Core, settings: TableSettings, now_ns: int, *, is_compaction_leader: bool = True) -> int:
    """Remove files and sealed chunks without visible rows; returns the number of removed files.

    `now_ns` is the time used for deletions (`store.host_time.Settled`).

    Only the compaction leader removes files, and nobody those with times of a host without a clock. Returns 0 if
    another writer removes files at the same time: the next pass handles the rest.
    """
    oldest_ns = now_ns - settings.retention_ns
    version = core.magnetic.version
    files = version.files if is_compaction_leader else ()
    expired = [file for file in files if NO_CLOCK_BEFORE_NS <= file.to_ns < oldest_ns]
    if expired:
        with core.lock:
            columns = core.columns.stored.stored()
        try:
            version = core.magnetic.commit([], expired, columns, {}, is_new_data=True)
        except MagneticConflict as conflict:
            log.info("%s: retention skipped: %s", core.id, conflict)
            core.refresh_magnetic()
            return 0
    with core.lock:
        core.magnetic.version = version
        for chunk in [chunk for chunk in core.memory.chunks if chunk.sealed and chunk.to_ns < oldest_ns]:
            core.evict(chunk)
        if all(file.from_ns >= NO_CLOCK_BEFORE_NS for file in version.files):
            core.superseded.forget_before(oldest_ns)
    return len(expired)
